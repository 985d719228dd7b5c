#include "host/confine/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"

/* Names that older headers lack, with the version of Landlock that brought them. */
#define FS_REFER     (UINT64_C(1) << 13) /* 2 */
#define FS_TRUNCATE  (UINT64_C(1) << 14) /* 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_ALL      UINT64_C(3)         /* 4: TCP, bind and connect */
#define SCOPE_ALL    UINT64_C(3)         /* 6: abstract sockets, signals */

#define FS_FIRST ((UINT64_C(1) << 13) - 1) /* all of version 1 (Linux 5.13) */
#define FS_OF_FILES                                                   \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
	 LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* As of version 6; an older kernel takes the part that it knows. */
struct attributes {
	uint64_t handled_access_fs;
	uint64_t handled_access_net;
	uint64_t scoped;
};

static long abi_version(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static uint64_t handled(long version)
{
	return FS_FIRST | (version >= 2 ? FS_REFER : 0) | (version >= 3 ? FS_TRUNCATE : 0) |
	       (version >= 5 ? FS_IOCTL_DEV : 0);
}

int confine_landlock_new(int *ret_fd, struct err *e)
{
	long version = abi_version();
	struct attributes attr = {.handled_access_fs = handled(version)};
	size_t bytes = sizeof attr.handled_access_fs;

	if (version < 1)
		return 0;
	if (version >= 4) {
		attr.handled_access_net = NET_ALL;
		bytes += sizeof attr.handled_access_net;
	}
	if (version >= 6) {
		attr.scoped = SCOPE_ALL;
		bytes += sizeof attr.scoped;
	}

	int fd = (int) syscall(SYS_landlock_create_ruleset, &attr, bytes, 0);

	if (fd < 0)
		return err_sys(e, errno, "make a Landlock ruleset");
	*ret_fd = fd;
	return 0;
}

static uint64_t rights_of(unsigned may)
{
	uint64_t rights = 0;

	if (may & CONFINE_MAY_READ)
		rights |= LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
	if (may & CONFINE_MAY_WRITE)
		rights |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	if (may & CONFINE_MAY_EXECUTE)
		rights |= LANDLOCK_ACCESS_FS_EXECUTE;
	if (may & CONFINE_MAY_IOCTL)
		rights |= FS_IOCTL_DEV;
	if (may & CONFINE_MAY_ALL)
		rights |= (FS_FIRST & ~LANDLOCK_ACCESS_FS_EXECUTE) | FS_REFER | FS_TRUNCATE;
	return rights & handled(abi_version());
}

/* Returns 0 or -errno; fills no struct err. */
static int add_rule(int ruleset, int fd, unsigned may)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = rights_of(may),
						  .parent_fd = fd};
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_OF_FILES;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		return -errno;
	return 0;
}

int confine_landlock_path(int ruleset, const char *path, unsigned may, struct err *e)
{
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return 0;

	int r = add_rule(ruleset, fd, may);

	return r < 0 ? err_sys(e, -r, "allow a process to open '%s'", path) : 0;
}

int confine_landlock_fd(int ruleset, int fd, unsigned may, struct err *e)
{
	int r = add_rule(ruleset, fd, may);

	return r < 0 && r != -EBADFD ? err_sys(e, -r, "allow a process to open its files") : 0;
}

int confine_landlock_enter(int ruleset, struct err *e)
{
	if (ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_sys(e, errno, "apply Landlock");
	return 0;
}
