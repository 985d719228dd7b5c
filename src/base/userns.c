#include "base/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"

/* The pid of @pidfd in the procfs @proc_fd, which can be of another pid namespace than this
 * process's: "Pid" in /proc/self/fdinfo is the number in the namespace of the procfs. */
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

static int write_map(int proc_fd, pid_t pid, const char *file, const char *text, struct err *e)
{
	char path[64];

	(void) snprintf(path, sizeof path, "%d/%s", pid, file);
	return file_write(proc_fd, path, text, e);
}

static int open_namespace(int proc_fd, pid_t pid, int *ret_fd, struct err *e)
{
	char path[64];

	(void) snprintf(path, sizeof path, "%d/ns/user", pid);
	*ret_fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	return *ret_fd < 0 ? err_sys(e, errno, "open a user namespace") : 0;
}

/* The child only exists, as the first process of the namespace, until the namespace is open. */
int userns_make(const char *uid_map, const char *gid_map, int proc_fd, int *ret_fd, struct err *e)
{
	auto_close int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t child = (pid_t) syscall(SYS_clone3, &args, sizeof args), pid = 0;

	if (child < 0)
		return err_sys(e, errno, "make a user namespace");
	if (child == 0)
		(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (child == 0)
		(void) pause();

	int r = pid_in_proc(proc_fd, pidfd, &pid);

	if (r < 0)
		(void) err_sys(e, -r, "find a user namespace");
	if (r == 0)
		r = write_map(proc_fd, pid, "gid_map", gid_map, e);
	if (r == 0)
		r = write_map(proc_fd, pid, "uid_map", uid_map, e);
	if (r == 0)
		r = open_namespace(proc_fd, pid, ret_fd, e);
	(void) syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void) waitpid(child, NULL, 0);
	return r;
}

int userns_map_mount(int mount_fd, int userns_fd, bool recursive, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP,
		.userns_fd = (uint64_t) userns_fd,
	};
	unsigned how = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (mount_setattr(mount_fd, "", how, &attr, sizeof attr) == 0)
		return 0;
	return errno == EINVAL
		       ? err_say(e, ENOTSUP, "the kernel cannot map owners on this file system")
		       : err_sys(e, errno, "map the owners of a mount");
}
