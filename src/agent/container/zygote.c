#include "agent/container/zygote.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/container/container.h"
#include "agent/container/handshake.h"
#include "base/array.h"
#include "base/fd.h"

/* The agent's side; the zygote's is child/zygote.c. */

/* How long the zygote may take to answer on a very busy machine; then the agent gives it up. */
#define ANSWER_SECONDS 30

void worker_spec_add_fd(struct worker_spec *spec, int fd, int as)
{
	assert(spec->n_fds < CHILD_FD_MAX);
	if (fd >= 0)
		spec->fds[spec->n_fds++] = (struct child_fd){.fd = fd, .as = as};
}

/*
 * Opens the agent's own file, to be executed again. A workload that finds a child of the agent in
 * its pid namespace could open /proc/PID/exe for writing and replace the agent. A read-only mount
 * that is attached nowhere makes that impossible, because nobody can name and remount it.
 */
static int open_exe(int *ret_fd, struct err *e)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	auto_close int fd = (int) syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe",
					  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the agent's own file");
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &readonly, sizeof readonly) < 0)
		return err_sys(e, errno, "protect the agent's own file");
	*ret_fd = take_fd(&fd);
	return 0;
}

int zygote_init(struct zygote *z, struct err *e)
{
	*z = (struct zygote){.exe_fd = -1, .null_fd = -1, .sock = -1, .pidfd = -1};

	int r = open_exe(&z->exe_fd, e);

	if (r < 0)
		return r;
	z->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return z->null_fd < 0 ? err_sys(e, errno, "open '/dev/null'") : 0;
}

/* Kills the zygote; the reaper collects it like any child that is not expected. */
static void lose(struct zygote *z)
{
	if (z->pidfd >= 0)
		(void) syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0);
	z->pidfd = fd_close(z->pidfd);
	z->sock = fd_close(z->sock);
}

void zygote_fini(struct zygote *z)
{
	lose(z);
	z->exe_fd = fd_close(z->exe_fd);
	z->null_fd = fd_close(z->null_fd);
}

/* The clone has the agent's memory, so it only moves descriptors and executes. */
static _Noreturn void become_zygote(const struct zygote *z, int sock)
{
	static const char *const argv[] = {"kata-agent", CONTAINER_ZYGOTE_ARG, NULL};
	char *const no_env[] = {NULL};
	const struct child_fd fds[] = {
		{z->null_fd, 0}, {z->null_fd, 1}, {z->null_fd, 2}, {sock, CHILD_CONTROL}};
	int exe = z->exe_fd;
	struct err err = {0};

	if (child_arrange_fds(fds, ARRAY_LEN(fds), &exe, &err) == 0) {
		sock = CHILD_CONTROL;
		(void) syscall(SYS_execveat, exe, "", argv, no_env, AT_EMPTY_PATH);
		(void) err_sys(&err, errno, "execute the agent again");
	}
	(void) handshake_tell(sock, STEP_FAILED, 0, -1, &err, NULL);
	_exit(1);
}

static int start(struct zygote *z, struct err *e)
{
	struct clone_args args = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &z->pidfd,
		.exit_signal = SIGCHLD,
	};
	const struct timeval patience = {.tv_sec = ANSWER_SECONDS};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = pair[0];
	auto_close int theirs = pair[1];

	if (setsockopt(ours, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
		return err_sys(e, errno, "make a socket");

	long pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid == 0)
		become_zygote(z, theirs);
	if (pid < 0)
		return err_sys(e, errno, "make a process");
	z->sock = take_fd(&ours);
	return 0;
}

/* One answer of the zygote: a note that is not FAILED. Without one there is no zygote any more. */
static int hear(struct zygote *z, enum step expected, struct note *ret, int *ret_fd, struct err *e)
{
	int r = handshake_hear(z->sock, ret, ret_fd, e);

	if (r > 0 && ret->step == STEP_FAILED && ret->err.code > 0) {
		if (e)
			*e = ret->err;
		return -ret->err.code;
	}
	if (r > 0 && ret->step == expected)
		return 0;
	/* A child that the zygote has made, if any, ends with its control socket. */
	lose(z);
	if (r == -EAGAIN)
		return err_say(e, ETIMEDOUT, "make a process: the zygote does not answer");
	return r < 0 ? r : err_say(e, ECHILD, "make a process: the zygote has ended");
}

int zygote_start(struct zygote *z, struct err *e)
{
	auto_close int none = -1;
	struct note note;
	int r = z->sock < 0 ? start(z, e) : 1;

	if (r != 0)
		return r < 0 ? r : 0;
	r = hear(z, STEP_READY, &note, &none, e);
	if (r < 0)
		lose(z);
	return r;
}

/* Returns the bytes to send, or -ENAMETOOLONG. */
static ssize_t fill(struct zygote_request *req, const struct worker_spec *spec)
{
	size_t id = strlen(spec->id) + 1, bundle = strlen(spec->bundle) + 1;

	if (id + bundle > sizeof req->text)
		return -ENAMETOOLONG;
	*req = (struct zygote_request){
		.kind = spec->kind,
		.number = spec->number,
		.new_ns = spec->new_ns,
		.has_pid_ns = spec->pid_ns >= 0,
		.has_cgroup = spec->cgroup_fd >= 0,
		.n_fds = (uint32_t) spec->n_fds,
	};
	for (size_t i = 0; i < spec->n_fds; i++)
		req->as[i] = spec->fds[i].as;
	memcpy(req->text, spec->id, id);
	memcpy(req->text + id, spec->bundle, bundle);
	return (ssize_t) (offsetof(struct zygote_request, text) + id + bundle);
}

static int ask(struct zygote *z, const struct worker_spec *spec, struct err *e)
{
	struct zygote_request req;
	ssize_t bytes = fill(&req, spec);
	int fds[CHILD_FD_MAX + 2];
	size_t n = 0;

	if (bytes < 0)
		return err_sys(e, (int) -bytes, "make a process");
	for (size_t i = 0; i < spec->n_fds; i++)
		fds[n++] = spec->fds[i].fd;
	if (req.has_pid_ns)
		fds[n++] = spec->pid_ns;
	if (req.has_cgroup)
		fds[n++] = spec->cgroup_fd;
	for (bool again = false;; again = true) {
		int r = zygote_start(z, e);

		if (r < 0)
			return r;

		ssize_t sent = fd_send(z->sock, &req, (size_t) bytes, fds, n);

		if (sent >= 0)
			return 0;
		/* The zygote has died since (anybody may kill it): start another one. */
		lose(z);
		if (again || sent != -EPIPE)
			return err_sys(e, (int) -sent, "ask for a process");
	}
}

int zygote_make(struct zygote *z, const struct worker_spec *spec, int control, pid_t *ret_pid,
		int *ret_pidfd, struct err *e)
{
	struct worker_spec full = *spec;
	struct note note;
	auto_close int pidfd = -1;

	worker_spec_add_fd(&full, control, CHILD_CONTROL);

	int r = ask(z, &full, e);

	if (r < 0)
		return r;
	r = hear(z, STEP_PID_MADE, &note, &pidfd, e);
	if (r < 0)
		return r;
	if (note.pid <= 1 || pidfd < 0) {
		lose(z);
		return err_say(e, ECHILD, "make a process: the zygote has made none");
	}
	*ret_pid = note.pid;
	*ret_pidfd = take_fd(&pidfd);
	return 0;
}
