#include "host/room/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"

#define PROC_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* The entries of /proc to cover, if they exist. "stat" is not covered, because ps(1) reads the boot
 * time from it. */
static const char *const folders[] = {
	"acpi", "asound", "bus", "driver", "dynamic_debug", "fs", "irq", "scsi", "sys", "tty",
};
static const char *const files[] = {
	"kallsyms",    "kcore",         "key-users",     "keys",       "kmsg",
	"kpagecgroup", "kpagecount",    "kpageflags",    "mtrr",       "sched_debug",
	"slabinfo",    "sysrq-trigger", "latency_stats", "timer_list", "vmallocinfo",
};

/* An empty folder or file, attached nowhere, for each of @n. */
static int make_covers(int blank_fd, bool is_dir, int *fds, size_t n)
{
	const char *name = is_dir ? "folder" : "file";
	auto_close int fd = -1;

	if (is_dir ? mkdirat(blank_fd, name, 0555) < 0
		   : (fd = openat(blank_fd, name, O_RDONLY | O_CREAT | O_CLOEXEC, 0444)) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		fds[i] = open_tree(blank_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int cover(int proc_fd, const char *const *names, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (move_mount(fds[i], "", proc_fd, names[i], MOVE_MOUNT_F_EMPTY_PATH) < 0 &&
		    errno != ENOENT)
			return -errno;
	return 0;
}

/* A file system of @type, attached nowhere. Returns a descriptor or -errno. */
static int make(const char *type, unsigned attr)
{
	auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);

	if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;

	int fd = fsmount(fs, FSMOUNT_CLOEXEC, attr);

	return fd < 0 ? -errno : fd;
}

static int put(int tree_fd, int place_fd)
{
	return move_mount(tree_fd, "", place_fd, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

/* The tmpfs @blank is mounted on @place for a moment, because parts of a mount can only be cloned
 * while it is attached. */
static int mount_covered(int place, int proc, int blank, int *covers)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	int *of_files = covers + ARRAY_LEN(folders);
	int r = put(blank, place);

	if (r == 0)
		r = make_covers(blank, true, covers, ARRAY_LEN(folders));
	if (r == 0)
		r = make_covers(blank, false, of_files, ARRAY_LEN(files));
	if (r == 0 && umount2("/proc", MNT_DETACH) < 0)
		r = -errno;
	if (r == 0)
		r = put(proc, place);
	if (r == 0)
		r = cover(proc, folders, covers, ARRAY_LEN(folders));
	if (r == 0)
		r = cover(proc, files, of_files, ARRAY_LEN(files));
	if (r == 0 &&
	    mount_setattr(proc, "", AT_EMPTY_PATH | AT_RECURSIVE, &readonly, sizeof readonly) < 0)
		r = -errno;
	return r;
}

int room_mount_proc(struct err *e)
{
	int covers[ARRAY_LEN(folders) + ARRAY_LEN(files)];
	auto_close int place = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int proc = place < 0 ? -ENOENT : make("proc", PROC_ATTR);
	auto_close int blank = proc < 0 ? -1 : make("tmpfs", PROC_ATTR & ~MOUNT_ATTR_RDONLY);

	if (place < 0 || proc == -EPERM)
		return 0;
	if (proc < 0 || blank < 0)
		return err_sys(e, proc < 0 ? -proc : -blank, "make a procfs");
	for (size_t i = 0; i < ARRAY_LEN(covers); i++)
		covers[i] = -1;

	int r = mount_covered(place, proc, blank, covers);

	for (size_t i = 0; i < ARRAY_LEN(covers); i++)
		(void) fd_close(covers[i]);
	return r < 0 ? err_sys(e, -r, "mount '/proc'") : 0;
}
