#include "base/privilege.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int privilege_bound(uint64_t keep, struct err *e)
{
	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (keep & PRIVILEGE(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
			if (errno == EPERM)
				return 0; /* an unprivileged process has none to drop */
			return err_sys(e, errno, "drop capability %d", cap);
		}
	}
	return 0;
}

int privilege_limit(uint64_t keep, struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	int r = privilege_bound(keep, e);

	if (r < 0)
		return r;
	if (syscall(SYS_capget, &head, data) < 0)
		return err_sys(e, errno, "read capabilities");
	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t) (keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = data[i].permitted;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return err_sys(e, errno, "drop capabilities");
	return 0;
}

int privilege_seal(struct err *e)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "give up new privileges");
	return 0;
}
