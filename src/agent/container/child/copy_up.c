#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/mount_list.h"
#include "agent/container/child/mount_ops.h"

/* "tmpcopyup": a tmpfs that begins with a copy of the folder it covers. That folder is the
 * workload's: links are copied as links, and only plain files and folders are opened. */

#define COPY_DEPTH_MAX 128

static int copy_dir(int from, int to, unsigned depth);

static int copy_file(int from_dir, int to_dir, const char *name, const struct stat *st)
{
	auto_close int from =
		openat(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_close int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat now;
	ssize_t n = 1;

	if (from < 0 || to < 0 || fstat(from, &now) < 0)
		return -errno;
	if (!S_ISREG(now.st_mode) || now.st_ino != st->st_ino)
		return -EAGAIN; /* replaced since fstatat() */
	while (n > 0)
		n = sendfile(to, from, NULL, 1 << 20);
	return n < 0 ? -errno : 0;
}

static int copy_link(int from_dir, int to_dir, const char *name)
{
	char target[4096];
	ssize_t n = readlinkat(from_dir, name, target, sizeof target - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	return symlinkat(target, to_dir, name) < 0 ? -errno : 0;
}

static int copy_subdir(int from_dir, int to_dir, const char *name, unsigned depth)
{
	if (depth == COPY_DEPTH_MAX)
		return -ELOOP;
	if (mkdirat(to_dir, name, 0700) < 0)
		return -errno;

	auto_close int from =
		openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	auto_close int to = openat(to_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return from < 0 || to < 0 ? -errno : copy_dir(from, to, depth + 1);
}

static int copy_entry(int from_dir, int to_dir, const char *name, unsigned depth)
{
	struct stat st;
	int r;

	if (fstatat(from_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	switch (st.st_mode & S_IFMT) {
	case S_IFDIR:
		r = copy_subdir(from_dir, to_dir, name, depth);
		break;
	case S_IFREG:
		r = copy_file(from_dir, to_dir, name, &st);
		break;
	case S_IFLNK:
		r = copy_link(from_dir, to_dir, name);
		break;
	case S_IFSOCK:
		return 0; /* nobody listens on the copy */
	default:
		r = mknodat(to_dir, name, st.st_mode & (S_IFMT | 0600), st.st_rdev) < 0 ? -errno
											: 0;
	}
	if (r < 0)
		return r;
	if (fchownat(to_dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode) && fchmodat(to_dir, name, st.st_mode & 07777, 0) < 0)
		return -errno;

	const struct timespec times[2] = {st.st_atim, st.st_mtim};

	return utimensat(to_dir, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_dir(int from, int to, unsigned depth)
{
	int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_close(fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = copy_entry(from, to, entry->d_name, depth);
	(void) closedir(dir);
	return r;
}

/* The options of mount(2) one by one, as fsconfig(2) wants them. @data is cut up. */
static int configure(int fs, char *data)
{
	char *rest = NULL;

	for (char *word = strtok_r(data, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		char *value = strchr(word, '=');

		if (value)
			*value++ = '\0';
		if (syscall(SYS_fsconfig, fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, word,
			    value, 0) < 0)
			return -errno;
	}
	return syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

int mount_copied_up(const struct mount_entry *m, int target_fd, const char *data, struct err *e)
{
	auto_close int fs = (int) syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
	auto_free char *words = strdup(data ? data : "");
	int r = fs < 0 ? -errno : words ? configure(fs, words) : -ENOMEM;

	if (r < 0)
		return err_sys(e, -r, "mount tmpfs with '%s'", data ? data : "");

	/* make_readonly() makes it read-only; until then files must be made in it. */
	unsigned attrs = (unsigned) (mount_attrs(m->options.flags) & ~(uint64_t) MOUNT_ATTR_RDONLY);
	auto_close int fd = (int) syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, attrs);
	auto_close int to = fd < 0 ? -1 : openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int from = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (to < 0 || from < 0 || fstat(from, &st) < 0)
		return err_sys(e, errno, "mount tmpfs");
	r = copy_dir(from, to, 0);
	if (r < 0)
		return err_sys(e, -r, "copy what a tmpfs covers");
	return take_fd(&fd);
}
