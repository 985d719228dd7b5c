#include "host/hypervisor/confine.h"
#include "base/privilege.h"
#include "host/hypervisor/qemu/qemu.h"

/* QEMU's 9p server creates and opens files of all owners. CAP_MKNOD is left out, because in a user
 * namespace it makes no devices. */
#define CAPS_9P                                                                                \
	(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_DAC_OVERRIDE) | PRIVILEGE(CAP_DAC_READ_SEARCH) | \
	 PRIVILEGE(CAP_FOWNER) | PRIVILEGE(CAP_FSETID) | PRIVILEGE(CAP_SETFCAP))

int qemu_confine(struct confine *c, const struct vm_spec *spec, enum hv_accel accel,
		 const char *program, const int *fds, size_t n_fds, struct err *e)
{
	bool serves = spec->share.kind == VM_SHARE_9P;
	struct confine_filter_spec calls;
	struct vmm_confinement v = {
		.vmm = "QEMU",
		.program = program,
		.calls = &calls,
		.uid = spec->uid,
		.gid = spec->gid,
		.require = spec->require_confinement,
		.kvm = accel == HV_ACCEL_KVM,
		.caps = serves && !spec->rootless ? CAPS_9P : 0,
		.served = serves ? spec->share.path : NULL,
		.fds = fds,
		.n_fds = n_fds,
	};
	int r = confine_cgroups(c, spec->cgroup_fds, spec->n_cgroup_fds, e);

	qemu_syscalls(&calls, serves);
	return r < 0 ? r : vmm_confine(c, &v, e);
}
