#include "base/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/list.h"

#define LOOP_BATCH 32

struct loop_watch {
	struct list link;
	struct loop *loop;
	int fd; /* -1 once unwatched; the watch is freed after the current batch of events */
	uint32_t events;
	loop_io_fn fn;
	void *arg;
};

struct loop_timer {
	struct list link; /* in struct loop.timers, soonest first */
	msec_t deadline;
	loop_fn fn;
	void *arg;
};

struct posted {
	struct list link;
	loop_fn fn;
	void *arg;
};

struct signal_handler {
	loop_signal_fn fn;
	void *arg;
};

struct loop {
	int epoll_fd;
	int event_fd; /* wakes the loop for posted functions and loop_stop() */
	int signal_fd;
	sigset_t signals;
	struct signal_handler handlers[_NSIG];
	struct list watches;
	struct list dead; /* unwatched during this batch */
	struct list timers;
	struct list posted;
	pthread_mutex_t posted_lock; /* guards posted and stop */
	bool stop;
	struct loop_watch *event_watch;
	struct loop_watch *signal_watch;
};

static void run_posted(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	uint64_t count;

	(void) events;
	if (read(loop->event_fd, &count, sizeof count) < 0)
		return;

	for (;;) {
		pthread_mutex_lock(&loop->posted_lock);
		struct list *first = list_first(&loop->posted);

		if (first)
			list_remove(first);
		pthread_mutex_unlock(&loop->posted_lock);
		if (!first)
			return;

		struct posted *p = container_of(first, struct posted, link);
		loop_fn fn = p->fn;
		void *fn_arg = p->arg;

		free(p);
		fn(fn_arg);
	}
}

int loop_new(struct loop **ret, struct err *e)
{
	auto_ptr(loop_free) struct loop *loop = calloc(1, sizeof *loop);

	if (!loop)
		return err_sys(e, ENOMEM, "make event loop");
	loop->signal_fd = loop->event_fd = -1;
	list_init(&loop->watches);
	list_init(&loop->dead);
	list_init(&loop->timers);
	list_init(&loop->posted);
	(void) pthread_mutex_init(&loop->posted_lock, NULL);
	(void) sigemptyset(&loop->signals);

	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		return err_sys(e, errno, "make event loop");
	loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->event_fd < 0)
		return err_sys(e, errno, "make event loop");

	int r = loop_watch(loop, loop->event_fd, EPOLLIN, run_posted, loop, &loop->event_watch, e);

	if (r < 0)
		return r;
	*ret = take_ptr(loop);
	return 0;
}

static void bury(struct loop *loop)
{
	list_for_each (pos, &loop->dead) {
		list_remove(pos);
		free(container_of(pos, struct loop_watch, link));
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	list_for_each (pos, &loop->watches)
		loop_unwatch(container_of(pos, struct loop_watch, link));
	bury(loop);
	list_for_each (pos, &loop->timers)
		loop_timer_cancel(container_of(pos, struct loop_timer, link));
	list_for_each (pos, &loop->posted)
		free(container_of(pos, struct posted, link));
	(void) pthread_mutex_destroy(&loop->posted_lock);
	fd_close(loop->signal_fd);
	fd_close(loop->event_fd);
	fd_close(loop->epoll_fd);
	free(loop);
}

int loop_watch(struct loop *loop, int fd, uint32_t events, loop_io_fn fn, void *arg,
	       struct loop_watch **ret, struct err *e)
{
	struct loop_watch *w = calloc(1, sizeof *w);

	if (!w)
		return err_sys(e, ENOMEM, "watch a descriptor");
	*w = (struct loop_watch){.loop = loop, .fd = fd, .events = events, .fn = fn, .arg = arg};

	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		int saved = errno;

		free(w);
		return err_sys(e, saved, "watch descriptor %d", fd);
	}
	list_add(&loop->watches, &w->link);
	*ret = w;
	return 0;
}

void loop_watch_events(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	w->events = events;

	int r = epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev);

	assert(r == 0); /* the descriptor was closed before its watch */
	(void) r;
}

void loop_unwatch(struct loop_watch *w)
{
	if (!w || w->fd < 0)
		return;
	(void) epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	list_remove(&w->link);
	list_add(&w->loop->dead, &w->link);
}

int loop_timer(struct loop *loop, msec_t deadline, loop_fn fn, void *arg, struct loop_timer **ret,
	       struct err *e)
{
	struct loop_timer *t = calloc(1, sizeof *t);

	if (!t)
		return err_sys(e, ENOMEM, "set a timer");
	*t = (struct loop_timer){.deadline = deadline, .fn = fn, .arg = arg};

	struct list *at = &loop->timers;

	list_for_each (pos, &loop->timers) {
		if (container_of(pos, struct loop_timer, link)->deadline > deadline) {
			at = pos;
			break;
		}
	}
	list_add(at, &t->link); /* in front of @at */
	*ret = t;
	return 0;
}

void loop_timer_cancel(struct loop_timer *t)
{
	if (!t)
		return;
	list_remove(&t->link);
	free(t);
}

static msec_t next_deadline(const struct loop *loop)
{
	struct list *first = list_first(&loop->timers);

	return first ? container_of(first, struct loop_timer, link)->deadline : CLOCK_NEVER;
}

/* Runs only timers that were due at the beginning, so that one that sets itself again cannot block
 * the loop. */
static bool run_timers(struct loop *loop)
{
	msec_t now = clock_now();
	bool ran = false;

	while (next_deadline(loop) <= now) {
		struct loop_timer *t =
			container_of(list_first(&loop->timers), struct loop_timer, link);
		loop_fn fn = t->fn;
		void *arg = t->arg;

		loop_timer_cancel(t);
		fn(arg);
		ran = true;
	}
	return ran;
}

int loop_step(struct loop *loop, msec_t deadline, struct err *e)
{
	struct epoll_event ev[LOOP_BATCH];
	msec_t timer = next_deadline(loop);
	int n = epoll_wait(loop->epoll_fd, ev, LOOP_BATCH,
			   clock_poll_ms(timer < deadline ? timer : deadline));

	if (n < 0 && errno != EINTR)
		return err_sys(e, errno, "wait for events");

	for (int i = 0; i < n; i++) {
		struct loop_watch *w = ev[i].data.ptr;

		if (w->fd >= 0)
			w->fn(w->arg, ev[i].events);
	}

	bool ran = run_timers(loop);

	bury(loop);
	return n > 0 || ran || clock_poll_ms(deadline) != 0;
}

static bool must_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->posted_lock);
	bool stop = loop->stop;

	loop->stop = false;
	pthread_mutex_unlock(&loop->posted_lock);
	return stop;
}

int loop_run(struct loop *loop, struct err *e)
{
	while (!must_stop(loop)) {
		int r = loop_step(loop, CLOCK_NEVER, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static void wake(struct loop *loop)
{
	uint64_t one = 1;

	/* Ignores EAGAIN: the counter is full, so the loop will wake anyway. */
	(void) !write(loop->event_fd, &one, sizeof one);
}

void loop_stop(struct loop *loop)
{
	pthread_mutex_lock(&loop->posted_lock);
	loop->stop = true;
	pthread_mutex_unlock(&loop->posted_lock);
	wake(loop);
}

int loop_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct posted *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->fn = fn;
	p->arg = arg;
	pthread_mutex_lock(&loop->posted_lock);
	list_add(&loop->posted, &p->link);
	pthread_mutex_unlock(&loop->posted_lock);
	wake(loop);
	return 0;
}

static void run_signals(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	struct signalfd_siginfo info;

	(void) events;
	while (read(loop->signal_fd, &info, sizeof info) == sizeof info) {
		struct signal_handler *h = &loop->handlers[info.ssi_signo % _NSIG];

		if (h->fn)
			h->fn(h->arg, &info);
	}
}

int loop_signal(struct loop *loop, int signo, loop_signal_fn fn, void *arg, struct err *e)
{
	sigset_t one;

	assert(signo > 0 && signo < _NSIG);
	(void) sigemptyset(&one);
	(void) sigaddset(&one, signo);
	(void) sigaddset(&loop->signals, signo);
	if (sigprocmask(SIG_BLOCK, &one, NULL) < 0)
		return err_sys(e, errno, "block signal %d", signo);

	int fd = signalfd(loop->signal_fd, &loop->signals, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return err_sys(e, errno, "watch signal %d", signo);
	loop->signal_fd = fd;
	loop->handlers[signo] = (struct signal_handler){.fn = fn, .arg = arg};
	if (loop->signal_watch)
		return 0;
	return loop_watch(loop, fd, EPOLLIN, run_signals, loop, &loop->signal_watch, e);
}
