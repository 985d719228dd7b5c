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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"

/* The kernel keeps 340 ranges, each of which it prints in 33 bytes. */
#define MAP_BYTES_MAX 16384

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

/* A process in the user namespace, which only exists until the namespace is open or was read. */
struct resident {
	pid_t child;
	int pidfd;
	pid_t pid; /* in the procfs */
};

/* Enters the user namespace @join_fd, or is in a new one, and tells the parent an errno or 0. A
 * parent that is killed must not leave it behind, because it has copies of the parent's sockets and
 * locks. */
static _Noreturn void reside(pid_t parent, int join_fd, int line)
{
	int code = 0;

	if (join_fd >= 0 && setns(join_fd, CLONE_NEWUSER) < 0)
		code = errno;
	child_die_with(parent);
	(void) !write(line, &code, sizeof code);
	for (;;)
		(void) pause();
}

static void resident_end(struct resident *r)
{
	(void) syscall(SYS_pidfd_send_signal, r->pidfd, SIGKILL, NULL, 0);
	(void) waitpid(r->child, NULL, 0);
	r->pidfd = fd_close(r->pidfd);
}

/* @join_fd: -1 for a new user namespace. */
static int resident_begin(struct resident *ret, int join_fd, int proc_fd, struct err *e)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD | (join_fd < 0 ? CLONE_NEWUSER : 0),
		.pidfd = (uint64_t) (uintptr_t) &ret->pidfd,
		.exit_signal = SIGCHLD,
	};
	pid_t parent = getpid();
	int p[2], code = 0;

	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");

	auto_close int rd = p[0];
	auto_close int wr = p[1];

	ret->child = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	if (ret->child < 0)
		return err_sys(e, errno, join_fd < 0 ? "make a user namespace" : "make a process");
	if (ret->child == 0)
		reside(parent, join_fd, wr);
	wr = fd_close(wr);

	int r = fd_read_all(rd, &code, sizeof code);

	if (r < 0)
		(void) err_sys(e, -r, "hear from a process");
	else if (code)
		r = err_sys(e, code, "enter a user namespace");
	else if ((r = pid_in_proc(proc_fd, ret->pidfd, &ret->pid)) < 0)
		(void) err_sys(e, -r, "find a user namespace");
	if (r < 0)
		resident_end(ret);
	return r;
}

int userns_make(const char *uid_map, const char *gid_map, int proc_fd, int *ret_fd, struct err *e)
{
	struct resident who = {.pidfd = -1};
	int r = resident_begin(&who, -1, proc_fd, e);

	if (r < 0)
		return r;
	r = write_map(proc_fd, who.pid, "gid_map", gid_map, e);
	if (r == 0)
		r = write_map(proc_fd, who.pid, "uid_map", uid_map, e);
	if (r == 0)
		r = open_namespace(proc_fd, who.pid, ret_fd, e);
	resident_end(&who);
	return r;
}

static int read_map(int proc_fd, pid_t pid, const char *file, char **ret, struct err *e)
{
	char path[64];

	(void) snprintf(path, sizeof path, "%d/%s", pid, file);
	return file_read(proc_fd, path, MAP_BYTES_MAX, ret, NULL, e);
}

int userns_read_maps(int userns_fd, int proc_fd, char **ret_uid_map, char **ret_gid_map,
		     struct err *e)
{
	struct resident who = {.pidfd = -1};
	auto_free char *uid_map = NULL;
	int r = resident_begin(&who, userns_fd, proc_fd, e);

	if (r < 0)
		return r;
	r = read_map(proc_fd, who.pid, "uid_map", &uid_map, e);
	if (r == 0)
		r = read_map(proc_fd, who.pid, "gid_map", ret_gid_map, e);
	resident_end(&who);
	if (r == 0)
		*ret_uid_map = take_ptr(uid_map);
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
