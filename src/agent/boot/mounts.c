#include <errno.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/boot/steps.h"
#include "base/array.h"
#include "base/log.h"

#define SAFE (MS_NOSUID | MS_NODEV | MS_NOEXEC)

static const struct {
	const char *type;
	const char *target;
	unsigned long flags;
	const char *data;
} mounts[] = {
	{"proc", "/proc", SAFE, NULL},
	{"sysfs", "/sys", SAFE, NULL},
	{"devtmpfs", "/dev", MS_NOSUID, "mode=755"},
	{"devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666,gid=5"},
	{"tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777"},
	{"mqueue", "/dev/mqueue", SAFE, NULL},
	{"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=755"},
	{"cgroup2", "/sys/fs/cgroup", SAFE, "nsdelegate"},
};

static const struct {
	const char *target;
	const char *path;
} links[] = {
	{"/proc/self/fd", "/dev/fd"},
	{"/proc/self/fd/0", "/dev/stdin"},
	{"/proc/self/fd/1", "/dev/stdout"},
	{"/proc/self/fd/2", "/dev/stderr"},
};

void mount_base(void)
{
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++) {
		struct err e = {0};

		(void) mkdir(mounts[i].target, 0755);
		/* EBUSY: the kernel or the image's own init has mounted it already. */
		if (mount(mounts[i].type, mounts[i].target, mounts[i].type, mounts[i].flags,
			  mounts[i].data) < 0 &&
		    errno != EBUSY) {
			(void) err_sys(&e, errno, "mount %s on '%s'", mounts[i].type,
				       mounts[i].target);
			log_err(LOG_ERROR, &e, "ignoring");
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		(void) !symlink(links[i].target, links[i].path);
	(void) mkdir("/tmp", 01777);
}

/*
 * pivot_root(2) refuses to leave a root without a mount below it, such as the initramfs. A second
 * mount of the same file system, moved on top of it, has one below it and shows the same files.
 */
int mount_over_initramfs(struct err *e)
{
	static const char step[] = "/.root";
	struct statfs fs;

	if (statfs("/", &fs) < 0)
		return err_sys(e, errno, "look at '/'");
	if (fs.f_type != RAMFS_MAGIC && fs.f_type != TMPFS_MAGIC)
		return 0; /* a disk is mounted over the initramfs already */
	if (mkdir(step, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make folder '%s'", step);
	if (mount("/", step, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, errno, "mount '/' again");
	if (chdir(step) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 ||
	    chdir("/") < 0)
		return err_sys(e, errno, "leave the initramfs");
	(void) rmdir(step);
	return 0;
}
