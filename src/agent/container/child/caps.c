#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "oci/names.h"

/* The five sets. Without process.capabilities they are empty. */

static int read_set(char *const *names, size_t n, const char *field, uint64_t *ret, struct err *e)
{
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		int number = oci_cap_number(names[i]);

		if (number < 0 || number > 63)
			return err_say(e, EINVAL,
				       "process.capabilities.%s: unknown capability '%.64s'", field,
				       names[i]);
		*ret |= 1ULL << number;
	}
	return 0;
}

static int call_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++)
		data[i] = (struct __user_cap_data_struct){
			.effective = (uint32_t) (effective >> 32 * i),
			.permitted = (uint32_t) (permitted >> 32 * i),
			.inheritable = (uint32_t) (inheritable >> 32 * i),
		};
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int call_capget(uint64_t *permitted, uint64_t *inheritable)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	*permitted = (uint64_t) data[1].permitted << 32 | data[0].permitted;
	*inheritable = (uint64_t) data[1].inheritable << 32 | data[0].inheritable;
	return 0;
}

/* Comes early, because dropping from this set needs CAP_SETPCAP, which may have to go itself. */
int set_bounding_caps(struct setup *s, struct err *e)
{
	const Grpc__LinuxCapabilities *c = s->process->capabilities;
	uint64_t keep = 0;
	int r = c ? read_set(c->bounding, c->n_bounding, "bounding", &keep, e) : 0;

	if (r < 0)
		return r;
	for (int cap = 0; cap < 64; cap++) {
		if (keep >> cap & 1 || prctl(PR_CAPBSET_DROP, cap) == 0)
			continue;
		/* EINVAL: no such capability; /proc could lie, because it is the container's. */
		if (errno == EINVAL)
			break;
		return err_sys(e, errno, "set process.capabilities.bounding");
	}
	return 0;
}

/* From here on the process has the workload's effective capabilities; until set_caps() it can raise
 * its former ones again, because they stay permitted. */
int set_effective_caps(struct setup *s, struct err *e)
{
	const Grpc__LinuxCapabilities *c = s->process->capabilities;
	uint64_t effective = 0, permitted, inheritable;
	int r = c ? read_set(c->effective, c->n_effective, "effective", &effective, e) : 0;

	if (r < 0)
		return r;
	r = call_capget(&permitted, &inheritable);
	if (r == 0)
		r = call_capset(effective & permitted, permitted, inheritable);
	return r < 0 ? err_sys(e, -r, "set process.capabilities.effective") : 0;
}

static int set_ambient(uint64_t ambient)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	for (int cap = 0; cap < 64; cap++)
		if ((ambient >> cap & 1) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

int set_caps(struct setup *s, struct err *e)
{
	static const Grpc__LinuxCapabilities none;
	const Grpc__LinuxCapabilities *c =
		s->process->capabilities ? s->process->capabilities : &none;
	uint64_t effective, permitted, inheritable, ambient;
	int r;

	if ((r = read_set(c->effective, c->n_effective, "effective", &effective, e)) < 0 ||
	    (r = read_set(c->permitted, c->n_permitted, "permitted", &permitted, e)) < 0 ||
	    (r = read_set(c->inheritable, c->n_inheritable, "inheritable", &inheritable, e)) < 0 ||
	    (r = read_set(c->ambient, c->n_ambient, "ambient", &ambient, e)) < 0)
		return r;
	r = call_capset(effective, permitted, inheritable);
	if (r < 0)
		return err_sys(e, -r, "set process.capabilities");
	/* Only an inheritable capability can be ambient (capabilities(7)). Others are dropped,
	 * because runc runs specifications that ask for them, such as its own template. */
	r = set_ambient(ambient & permitted & inheritable);
	return r < 0 ? err_sys(e, -r, "set process.capabilities.ambient") : 0;
}

/* A filter that setuid programs obey, too (without no_new_privs), needs CAP_SYS_ADMIN to load. */
int raise_all_caps(struct err *e)
{
	uint64_t permitted, inheritable;
	int r = call_capget(&permitted, &inheritable);

	if (r == 0)
		r = call_capset(permitted, permitted, inheritable);
	return r < 0 ? err_sys(e, -r, "raise capabilities") : 0;
}

int set_no_new_privs(struct setup *s, struct err *e)
{
	if (s->process->nonewprivileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(e, errno, "set process.noNewPrivileges");
	return 0;
}
