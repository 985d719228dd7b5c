#include "base/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define MESSAGES_BYTES 4096
#define FDS_MAX        56 /* child_start() takes 64 */

static void unwatch(struct subprocess *p)
{
	loop_unwatch(p->wake_watch);
	loop_unwatch(p->end_watch);
	loop_unwatch(p->messages_watch);
	p->wake_watch = p->end_watch = p->messages_watch = NULL;
}

bool subprocess_ended(struct subprocess *p, int *ret_status)
{
	pthread_mutex_lock(&p->lock);
	if (!p->reaped && p->child.pid > 0) {
		struct pollfd f = {.fd = p->child.pidfd, .events = POLLIN};

		if (poll(&f, 1, 0) == 1 && waitpid(p->child.pid, &p->status, 0) == p->child.pid)
			p->reaped = true;
	}

	bool reaped = p->reaped;

	if (reaped && ret_status)
		*ret_status = p->status;
	pthread_mutex_unlock(&p->lock);
	return reaped;
}

int subprocess_wait(struct subprocess *p, msec_t deadline)
{
	struct pollfd f = {.fd = p->child.pidfd, .events = POLLIN};
	int n;

	do
		n = poll(&f, 1, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	return subprocess_ended(p, NULL) ? 0 : -ETIMEDOUT;
}

/* Kills by pidfd, because another process may have got the pid. */
void subprocess_kill(struct subprocess *p)
{
	if (p->child.pidfd >= 0)
		(void) syscall(SYS_pidfd_send_signal, p->child.pidfd, SIGKILL, NULL, 0);
}

pid_t subprocess_pid(struct subprocess *p)
{
	pthread_mutex_lock(&p->lock);
	pid_t pid = p->reaped ? 0 : p->child.pid;

	pthread_mutex_unlock(&p->lock);
	return pid;
}

void subprocess_drain(struct subprocess *p)
{
	if (p->messages_fd >= 0)
		(void) tail_pump(&p->messages, p->messages_fd, NULL, NULL);
}

static void on_messages(void *arg, uint32_t events)
{
	struct subprocess *p = arg;

	(void) events;
	if (tail_pump(&p->messages, p->messages_fd, NULL, NULL) == 0) {
		loop_unwatch(p->messages_watch);
		p->messages_watch = NULL;
	}
}

static void on_end(void *arg, uint32_t events)
{
	struct subprocess *p = arg;

	(void) events;
	if (!subprocess_ended(p, NULL))
		return;
	unwatch(p);
	subprocess_drain(p);
	pthread_mutex_lock(&p->lock);
	bool wanted = p->stopping;

	pthread_mutex_unlock(&p->lock);
	if (!wanted && p->ended_fn)
		p->ended_fn(p->fn_arg);
}

static void on_wake(void *arg, uint32_t events)
{
	struct subprocess *p = arg;

	(void) events;
	loop_unwatch(p->wake_watch);
	p->wake_watch = NULL;

	int r = loop_watch(p->loop, p->child.pidfd, EPOLLIN, on_end, p, &p->end_watch, NULL);

	if (r == 0)
		r = loop_watch(p->loop, p->messages_fd, EPOLLIN, on_messages, p, &p->messages_watch,
			       NULL);
	/* A program that nobody watches must not run: kill it if there is no memory for a watch. */
	if (r < 0) {
		unwatch(p);
		subprocess_kill(p);
		(void) subprocess_wait(p, CLOCK_NEVER);
		if (p->ended_fn)
			p->ended_fn(p->fn_arg);
	} else if (p->watched_fn) {
		p->watched_fn(p->fn_arg);
	}
}

int subprocess_init(struct subprocess *p, struct loop *loop, struct err *e)
{
	p->loop = loop;
	p->messages_fd = -1;
	p->child = CHILD_NONE;
	(void) pthread_mutex_init(&p->lock, NULL);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	int r = p->wake_fd < 0 ? err_sys(e, errno, "make an event descriptor")
			       : tail_init(&p->messages, MESSAGES_BYTES, e);

	if (r == 0)
		r = loop_watch(loop, p->wake_fd, EPOLLIN, on_wake, p, &p->wake_watch, e);
	if (r < 0)
		subprocess_fini(p);
	return r;
}

void subprocess_fini(struct subprocess *p)
{
	if (!p->loop)
		return;
	unwatch(p);
	(void) subprocess_stop(p, CLOCK_NEVER, NULL);
	tail_fini(&p->messages);
	fd_close(p->child.pidfd);
	fd_close(p->messages_fd);
	fd_close(p->wake_fd);
	(void) pthread_mutex_destroy(&p->lock);
	p->loop = NULL;
}

void subprocess_on(struct subprocess *p, subprocess_fn watched, subprocess_fn ended, void *arg)
{
	p->watched_fn = watched;
	p->ended_fn = ended;
	p->fn_arg = arg;
}

/* Makes the standard streams: stdin is /dev/null, stdout and stderr are one pipe. */
static int open_standard(int *ret_null, int *ret_rd, int *ret_wr, struct err *e)
{
	int fds[2];
	auto_close int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0)
		return err_sys(e, errno, "open '/dev/null'");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(e, errno, "make a pipe");
	(void) fd_set_nonblock(fds[0], true);
	*ret_null = take_fd(&null);
	*ret_rd = fds[0];
	*ret_wr = fds[1];
	return 0;
}

int subprocess_start(struct subprocess *p, const struct child_spec *spec, struct err *e)
{
	struct child_fd fds[FDS_MAX + 3];
	struct child_spec whole = *spec;
	struct child child = CHILD_NONE;
	auto_close int null = -1;
	auto_close int wr = -1;

	if (spec->n_fds > FDS_MAX)
		return err_say(e, E2BIG, "too many descriptors for '%s'", spec->path);
	/* Close the descriptors of an earlier start that failed and was stopped. */
	p->messages_fd = fd_close(p->messages_fd);
	p->child.pidfd = fd_close(p->child.pidfd);

	int r = open_standard(&null, &p->messages_fd, &wr, e);

	if (r < 0)
		return r;
	fds[0] = (struct child_fd){null, 0};
	fds[1] = (struct child_fd){wr, 1};
	fds[2] = (struct child_fd){wr, 2};
	for (size_t i = 0; i < spec->n_fds; i++)
		fds[3 + i] = spec->fds[i];
	whole.fds = fds;
	whole.n_fds = spec->n_fds + 3;
	whole.die_with_parent = true;
	whole.new_session = true; /* no terminal, and no signals of this process's terminal */
	r = child_start(&whole, &child, e);
	if (r < 0)
		return r;
	pthread_mutex_lock(&p->lock);
	p->child = child;
	p->reaped = p->stopping = false;
	pthread_mutex_unlock(&p->lock);
	return 0;
}

void subprocess_watch(struct subprocess *p)
{
	uint64_t one = 1;

	(void) !write(p->wake_fd, &one, sizeof one); /* the counter cannot be full */
}

bool subprocess_begin_stop(struct subprocess *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;

	bool running = p->child.pid > 0 && !p->reaped;

	pthread_mutex_unlock(&p->lock);
	if (running)
		subprocess_kill(p);
	return running;
}

int subprocess_stop(struct subprocess *p, msec_t deadline, struct err *e)
{
	if (!subprocess_begin_stop(p))
		return 0;
	if (subprocess_wait(p, deadline) < 0)
		return err_say(e, ETIMEDOUT, "process %d was killed and does not end",
			       p->child.pid);
	subprocess_drain(p);
	return 0;
}
