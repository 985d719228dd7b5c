#include "agent/container/child/mount_ops.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"

int mount_copy(int dirfd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0) |
			 (path[0] ? 0 : AT_EMPTY_PATH);
	long fd = syscall(SYS_open_tree, dirfd, path, flags);

	return fd < 0 ? -errno : (int) fd;
}

int mount_attach(int mount_fd, int target_fd)
{
	if (syscall(SYS_move_mount, mount_fd, "", target_fd, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return 0;
}

int mount_change(int mount_fd, uint64_t set, uint64_t clear, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = {.attr_set = set, .attr_clr = clear, .propagation = propagation};

	/* The access time is one field of several bits: to change it is to clear all of it first. */
	if ((set | clear) & MOUNT_ATTR__ATIME)
		attr.attr_clr |= MOUNT_ATTR__ATIME;
	if (syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0),
		    &attr, sizeof attr) < 0)
		return -errno;
	return 0;
}

int mount_over_itself(int fd, bool recursive, uint64_t set)
{
	auto_close int copy = mount_copy(fd, "", recursive);
	int r = copy < 0 ? copy : 0;

	if (r == 0 && set)
		r = mount_change(copy, set, 0, 0, false);
	return r < 0 ? r : mount_attach(copy, fd);
}

uint64_t mount_attrs(unsigned long flags)
{
	static const struct {
		unsigned long flag;
		uint64_t attr;
	} table[] = {
		{MS_RDONLY, MOUNT_ATTR_RDONLY},         {MS_NOSUID, MOUNT_ATTR_NOSUID},
		{MS_NODEV, MOUNT_ATTR_NODEV},           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
		{MS_NOATIME, MOUNT_ATTR_NOATIME},       {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
		{MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW},
	};
	uint64_t attrs = 0;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (flags & table[i].flag)
			attrs |= table[i].attr;
	return attrs;
}

/* A process whose number nobody here knows: procfs is of the agent's pid namespace, we are in the
 * container's. What a pidfd says in /proc/self/fdinfo is in the namespace of that procfs. */
static int pid_in_proc(int proc_fd, int pidfd, pid_t *ret)
{
	auto_free char *text = NULL;
	char path[64];

	(void) snprintf(path, sizeof path, "self/fdinfo/%d", pidfd);

	int r = file_read(proc_fd, path, 4096, &text, NULL, NULL);

	if (r < 0)
		return r;

	const char *line = strstr(text, "\nPid:");

	return line && sscanf(line, "\nPid: %d", ret) == 1 && *ret > 0 ? 0 : -ESRCH;
}

static int write_map(int proc_fd, pid_t pid, const char *file, Grpc__LinuxIDMapping *const *maps,
		     size_t n, struct err *e)
{
	char path[64];
	auto_free char *text = strdup("");

	for (size_t i = 0; text && i < n; i++) {
		char *longer = str_printf("%s%u %u %u\n", text, maps[i]->containerid,
					  maps[i]->hostid, maps[i]->size);

		free(text);
		text = longer;
	}
	if (!text)
		return err_sys(e, ENOMEM, "map the owners of a mount");
	(void) snprintf(path, sizeof path, "%d/%s", pid, file);
	return file_write(proc_fd, path, text, e);
}

/* A mapping is given to the kernel as a user namespace that has it, so one is made, in a process
 * that does nothing but live until the namespace is opened. */
int mount_map_ids(int mount_fd, bool recursive, Grpc__LinuxIDMapping *const *uids, size_t n_uids,
		  Grpc__LinuxIDMapping *const *gids, size_t n_gids, int proc_fd, struct err *e)
{
	auto_close int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t child = (pid_t) syscall(SYS_clone3, &args, sizeof args), pid = 0;

	if (child < 0)
		return err_sys(e, errno, "make a user namespace for a mount");
	while (child == 0)
		(void) pause();

	int r = pid_in_proc(proc_fd, pidfd, &pid);

	if (r < 0)
		(void) err_sys(e, -r, "find the user namespace of a mount");
	if (r == 0)
		r = write_map(proc_fd, pid, "gid_map", gids, n_gids, e);
	if (r == 0)
		r = write_map(proc_fd, pid, "uid_map", uids, n_uids, e);
	if (r == 0) {
		char path[64];

		(void) snprintf(path, sizeof path, "%d/ns/user", pid);

		auto_close int ns = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
		struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) ns};

		if (ns < 0 ||
		    syscall(SYS_mount_setattr, mount_fd, "",
			    AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0)
			r = errno == EINVAL
				    ? err_say(e, ENOTSUP,
					      "the kernel cannot map owners on this file system")
				    : err_sys(e, errno, "map the owners of a mount");
	}
	(void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void) waitpid(child, NULL, 0);
	return r;
}
