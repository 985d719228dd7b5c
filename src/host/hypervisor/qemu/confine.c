#include "host/hypervisor/confine.h"
#include "base/privilege.h"
#include "host/hypervisor/qemu/qemu.h"

/* QEMU's 9p server creates and opens files of all owners. CAP_MKNOD is left out, because in a user
 * namespace it makes no devices. */
#define CAPS_9P                                                                                \
	(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_DAC_OVERRIDE) | PRIVILEGE(CAP_DAC_READ_SEARCH) | \
	 PRIVILEGE(CAP_FOWNER) | PRIVILEGE(CAP_FSETID) | PRIVILEGE(CAP_SETFCAP))

int qemu_confine(struct confine *c, const struct qemu_command *command,
		 const struct qemu_devices *devices, const struct qemu_user *user, bool kvm,
		 struct err *e)
{
	bool serves = devices->served_fd != 0;
	struct confine_filter_spec calls;
	int fds[QEMU_FDS_MAX];
	struct vmm_confinement v = {
		.vmm = "QEMU",
		.program = command->argv[0],
		.calls = &calls,
		.uid = user->uid,
		.gid = user->gid,
		.require = user->require_confinement,
		.kvm = kvm,
		.caps = devices->serves_others ? CAPS_9P : 0,
		.served_fd = serves ? command->fds[devices->served_fd - QEMU_FD_FIRST].fd : -1,
		.fds = fds,
		.n_fds = command->n_fds,
	};

	for (size_t i = 0; i < command->n_fds; i++)
		fds[i] = command->fds[i].fd;
	qemu_syscalls(&calls, serves);
	return vmm_confine(c, &v, e);
}
