#include "base/reaper.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/list.h"

/* The most children that are reaped at a time, so that a fork bomb cannot block the loop. */
#define REAPER_BATCH 64

struct expected {
	struct list link;
	pid_t pid;
	reaper_fn fn;
	void *arg;
};

struct reaper {
	struct loop *loop;
	struct list expected;
	struct loop_timer *more; /* set when a batch was full */
};

static struct expected *find(const struct reaper *r, pid_t pid)
{
	list_for_each (pos, &r->expected) {
		struct expected *x = container_of(pos, struct expected, link);

		if (x->pid == pid)
			return x;
	}
	return NULL;
}

static void drop(struct expected *x)
{
	list_remove(&x->link);
	free(x);
}

static void collect(void *arg)
{
	struct reaper *r = arg;
	int status, n;
	pid_t pid;

	r->more = NULL;
	for (n = 0; n < REAPER_BATCH && (pid = waitpid(-1, &status, WNOHANG)) > 0; n++) {
		struct expected *x = find(r, pid);

		if (!x)
			continue;

		reaper_fn fn = x->fn;
		void *fn_arg = x->arg;

		drop(x);
		fn(fn_arg, pid, status);
	}
	/* If there is no memory for a timer, the next SIGCHLD continues. */
	if (n == REAPER_BATCH)
		(void) loop_timer(r->loop, clock_now(), collect, r, &r->more, NULL);
}

static void on_sigchld(void *arg, const struct signalfd_siginfo *info)
{
	struct reaper *r = arg;

	(void) info;
	loop_timer_cancel(r->more);
	collect(r);
}

int reaper_new(struct loop *loop, struct reaper **ret, struct err *e)
{
	auto_ptr(reaper_free) struct reaper *r = calloc(1, sizeof *r);

	if (!r)
		return err_sys(e, ENOMEM, "make the reaper");
	r->loop = loop;
	list_init(&r->expected);

	int rc = loop_signal(loop, SIGCHLD, on_sigchld, r, e);

	if (rc < 0)
		return rc;
	*ret = take_ptr(r);
	return 0;
}

void reaper_free(struct reaper *r)
{
	if (!r)
		return;
	loop_timer_cancel(r->more);
	list_for_each (pos, &r->expected)
		drop(container_of(pos, struct expected, link));
	free(r);
}

int reaper_expect(struct reaper *r, pid_t pid, reaper_fn fn, void *arg, struct err *e)
{
	struct expected *x = calloc(1, sizeof *x);

	if (!x)
		return err_sys(e, ENOMEM, "expect the end of process %d", pid);
	*x = (struct expected){.pid = pid, .fn = fn, .arg = arg};
	list_add(&r->expected, &x->link);
	return 0;
}

void reaper_forget(struct reaper *r, pid_t pid)
{
	struct expected *x = find(r, pid);

	if (x)
		drop(x);
}
