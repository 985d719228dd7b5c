/*
 * The system calls of QEMU from the loader to the end, as traced under TCG on q35 with virtio-fs
 * (QEMU 7.2 and 11.1) and on microvm with 9p (7.2); machines with KVM or disks run with this list
 * but were not traced. Any other call fails with ENOSYS, because a newer library then uses an older
 * call.
 */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/array.h"
#include "host/hypervisor/qemu/qemu.h"

#define YES(call)            \
	{                    \
		.name = call \
	}
#define PRCTL(option)                                                                \
	{                                                                            \
		.name = "prctl", .n_args = 1, .args = { {0, CONFINE_INT, (option)} } \
	}
#define NO(call, why)                                                  \
	{                                                              \
		.name = call, .verdict = CONFINE_REFUSE, .code = (why) \
	}

static const struct confine_rule machine[] = {
	/* QEMU binds the guest's memory to NUMA nodes of the host. */
	YES("get_mempolicy"),
	YES("mbind"),
	YES("set_mempolicy"),
	/* Not allowed: PR_SET_PTRACER, PR_SET_DUMPABLE, and PDEATHSIG other than SIGKILL, because
	 * QEMU must not be traced, dump its memory, or outlive the server. */
	{.name = "prctl",
	 .n_args = 2,
	 .args = {{0, CONFINE_INT, PR_SET_PDEATHSIG}, {1, CONFINE_INT, SIGKILL}}},
	PRCTL(PR_SET_NAME),
	PRCTL(PR_GET_NAME),
	PRCTL(PR_SET_NO_NEW_PRIVS),
	PRCTL(PR_GET_NO_NEW_PRIVS),
	PRCTL(PR_SET_SECCOMP),
	PRCTL(PR_GET_SECCOMP),
	PRCTL(PR_CAPBSET_READ),
	PRCTL(PR_GET_SECUREBITS),
	PRCTL(PR_SET_TIMERSLACK),
	PRCTL(PR_MCE_KILL),
	PRCTL(PR_SET_VMA), /* names for memory, by newer C libraries */
	/* disks */
	YES("copy_file_range"),
	/* vhost-user makes its second connection to virtiofsd with socketpair(). */
	{.name = "socketpair", .n_args = 1, .args = {{0, CONFINE_INT, AF_UNIX}}},
	/* QEMU has inherited all its other sockets. */
	NO("socket", EPERM),
	NO("connect", EPERM),
	NO("bind", EPERM),
};

/* For 9p only, which serves files below the one shared folder. */
static const struct confine_rule server[] = {
	YES("chmod"),        YES("fchmod"),     YES("fchmodat"),     YES("fchmodat2"),
	YES("fchown"),       YES("fchownat"),   YES("fgetxattr"),    YES("flistxattr"),
	YES("fremovexattr"), YES("fsetxattr"),  YES("lchown"),       YES("lgetxattr"),
	YES("linkat"),       YES("llistxattr"), YES("lremovexattr"), YES("lsetxattr"),
	YES("mkdirat"),      YES("mknodat"), /* without CAP_MKNOD: pipes, sockets, whiteouts */
	YES("renameat"),     YES("renameat2"),  YES("symlinkat"),    YES("truncate"),
	YES("unlinkat"),     YES("utimensat"),
};

void qemu_syscalls(struct confine_filter_spec *ret, bool is_server)
{
	*ret = (struct confine_filter_spec){
		.whose = "QEMU",
		.otherwise = CONFINE_REFUSE,
		.code = ENOSYS,
		.tables = {{machine, ARRAY_LEN(machine)},
			   confine_calls_basic,
			   confine_calls_deadly},
	};
	if (is_server)
		ret->tables[3] = (struct confine_table){server, ARRAY_LEN(server)};
}
