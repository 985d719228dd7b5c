#include "host/stdio/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"

#define OUTPUT_FD 3
#define ERROR_FD  4
#define READY_FD  5
/* In the child until it is there. */
#define MOUNT_NS_FD 6

struct logger {
	struct list link; /* while it ends */
	struct loop *loop;
	struct child child;
	int output_fd, error_fd; /* the ends that are written to; -1: taken */
	int ready_fd;
	bool must_say;
	char *path;
	logger_ready_fn ready; /* NULL: nobody waits */
	void *ready_arg;
	struct loop_watch *ready_watch;
	struct loop_timer *ready_timer;
	bool was_asked; /* by SIGTERM */
	struct loop_watch *watch;
	struct loop_timer *timer;
	void (*gone)(void *arg);
	void *arg;
};

static void logger_free(struct logger *l)
{
	if (!l)
		return;
	list_remove(&l->link);
	loop_unwatch(l->watch);
	loop_timer_cancel(l->timer);
	loop_unwatch(l->ready_watch);
	loop_timer_cancel(l->ready_timer);
	fd_close(l->output_fd);
	fd_close(l->error_fd);
	fd_close(l->ready_fd);
	child_kill(&l->child);
	free(l->path);
	free(l);
}
AUTO_PTR(struct logger, logger_free)

/* In the child: to where the engine's files are, not to what this server has mounted. The logger's
 * own descriptors are in place by then, perhaps where the parent has the namespace's. */
static int enter_mounts(void *arg, struct err *e)
{
	(void) arg;
	if (setns(MOUNT_NS_FD, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the host's mounts");
	(void) close(MOUNT_NS_FD);
	return 0;
}

static int spawn(struct logger *l, const struct logger_spec *spec, struct err *e)
{
	int out[2] = {-1, -1}, err[2] = {-1, -1}, ready[2] = {-1, -1};
	const char *argv[STREAM_ARGS_MAX + 2] = {spec->name->path};
	auto_free char *id = str_printf("CONTAINER_ID=%s", spec->id);
	auto_free char *namespace = str_printf("CONTAINER_NAMESPACE=%s", spec->namespace);
	const char *const envp[] = {id, namespace, NULL};
	int r = 0;

	for (size_t i = 0; i < spec->name->n_args; i++)
		argv[i + 1] = spec->name->args[i];
	if (!id || !namespace)
		r = err_sys(e, ENOMEM, "start '%s'", l->path);
	else if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0 ||
		 pipe2(ready, O_CLOEXEC) < 0)
		r = err_sys(e, errno, "make a pipe");
	if (r == 0) {
		const struct child_fd fds[] = {
			{out[0], OUTPUT_FD},
			{err[0], ERROR_FD},
			{ready[1], READY_FD},
			{spec->mount_ns, MOUNT_NS_FD},
		};
		bool moves = spec->mount_ns >= 0;
		const struct child_spec child = {
			.path = l->path,
			.argv = argv,
			.envp = envp,
			.cwd = "/",
			.fds = fds,
			.n_fds = ARRAY_LEN(fds) - !moves,
			.new_session = true,
			.die_with_parent = true,
			.prepare = moves ? enter_mounts : NULL,
		};

		r = child_start(&child, &l->child, e);
	}
	l->output_fd = out[1];
	l->error_fd = err[1];
	l->ready_fd = ready[0];
	fd_close(out[0]);
	fd_close(err[0]);
	fd_close(ready[1]);
	return r;
}

int logger_start(struct loop *loop, const struct logger_spec *spec, struct logger **ret,
		 struct err *e)
{
	auto_ptr(logger_free) struct logger *l = calloc(1, sizeof *l);

	if (!l)
		return err_sys(e, ENOMEM, "start a logger");
	list_init(&l->link);
	l->loop = loop;
	l->child = CHILD_NONE;
	l->output_fd = l->error_fd = l->ready_fd = -1;
	l->must_say = spec->name->kind == STREAM_BINARY_V2;
	l->path = strdup(spec->name->path);
	if (!l->path)
		return err_sys(e, ENOMEM, "start a logger");

	int r = spawn(l, spec, e);

	if (r < 0)
		return err_wrap(e, r, "start logger '%s'", l->path);
	*ret = take_ptr(l);
	return 0;
}

int logger_take_output(struct logger *l, bool is_error)
{
	return take_fd(is_error ? &l->error_fd : &l->output_fd);
}

static int say_late(const struct logger *l, struct err *e)
{
	return err_say(e, ETIMEDOUT, "logger '%s' does not say that it is ready", l->path);
}

/* What it has said on its descriptor, which is readable. */
static int hear(const struct logger *l, struct err *e)
{
	char byte;

	if (read(l->ready_fd, &byte, 1) == 1 || !l->must_say)
		return 0;
	return err_say(
		e, EPIPE,
		"logger '%s' has ended, or closed its descriptor %d, before it said that it is ready",
		l->path, READY_FD);
}

int logger_await(struct logger *l, msec_t deadline, struct err *e)
{
	struct pollfd p = {.fd = l->ready_fd, .events = POLLIN};
	int n;

	do
		n = poll(&p, 1, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "wait for logger '%s'", l->path);
	return n == 0 ? say_late(l, e) : hear(l, e);
}

static void tell(struct logger *l, int r, struct err *e)
{
	logger_ready_fn ready = take_ptr(l->ready);

	loop_unwatch(take_ptr(l->ready_watch));
	loop_timer_cancel(take_ptr(l->ready_timer));
	ready(l->ready_arg, r, e);
}

static void on_ready(void *arg, uint32_t events)
{
	struct logger *l = arg;
	struct err e = {0};
	int r = hear(l, &e);

	(void) events;
	tell(l, r, &e);
}

static void not_ready(void *arg)
{
	struct logger *l = arg;
	struct err e = {0};

	l->ready_timer = NULL;
	tell(l, say_late(l, &e), &e);
}

int logger_when_ready(struct logger *l, msec_t deadline, logger_ready_fn done, void *arg,
		      struct err *e)
{
	int r = loop_watch(l->loop, l->ready_fd, EPOLLIN, on_ready, l, &l->ready_watch, e);

	if (r == 0)
		r = loop_timer(l->loop, deadline, not_ready, l, &l->ready_timer, e);
	if (r < 0) {
		loop_unwatch(take_ptr(l->ready_watch));
		return r;
	}
	l->ready = done;
	l->ready_arg = arg;
	return 0;
}

void logger_stop_waiting(struct logger *l, const struct err *why)
{
	struct err e = *why;

	if (l->ready)
		tell(l, -e.code, &e);
}

static void ended(void *arg, uint32_t events)
{
	struct logger *l = arg;
	void (*gone)(void *) = l->gone;
	void *gone_arg = l->arg;

	(void) events;
	logger_free(l);
	gone(gone_arg);
}

static void too_late(void *arg)
{
	struct logger *l = arg;
	int signo = l->was_asked ? SIGKILL : SIGTERM;

	l->timer = NULL;
	if (l->was_asked)
		log_warn("logger '%s' does not end: killing it", l->path);
	(void) syscall(SYS_pidfd_send_signal, l->child.pidfd, signo, NULL, 0);
	if (!l->was_asked)
		(void) loop_timer(l->loop, clock_deadline(LOGGER_TERM_MS), too_late, l, &l->timer,
				  NULL);
	l->was_asked = true;
}

void logger_end(struct logger *l, struct list *ending, void (*gone)(void *arg), void *arg)
{
	struct err e = {0};

	(void) err_say(&e, ECANCELED, "nobody needs logger '%s' any more", l->path);
	logger_stop_waiting(l, &e);
	l->output_fd = fd_close(l->output_fd);
	l->error_fd = fd_close(l->error_fd);
	l->ready_fd = fd_close(l->ready_fd);
	l->gone = gone;
	l->arg = arg;
	list_add(ending, &l->link);
	if (loop_watch(l->loop, l->child.pidfd, EPOLLIN, ended, l, &l->watch, NULL) < 0 ||
	    loop_timer(l->loop, clock_deadline(LOGGER_QUIT_MS), too_late, l, &l->timer, NULL) < 0)
		ended(l, 0); /* out of memory: it is killed */
}

void loggers_kill(struct list *ending)
{
	list_for_each (pos, ending)
		logger_free(container_of(pos, struct logger, link));
}
