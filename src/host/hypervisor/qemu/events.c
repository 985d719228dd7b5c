#include <sys/epoll.h>

#include "host/hypervisor/qemu/machine.h"

static void on_line(void *arg, const char *line)
{
	struct qemu *q = arg;

	hv_report_console(&q->hv, line);
}

static void on_console(void *arg, uint32_t events)
{
	struct qemu *q = arg;

	(void) events;
	if (tail_pump(&q->console, q->console_fd, on_line, q) == 0) {
		loop_unwatch(q->console_watch);
		q->console_watch = NULL;
	}
}

static void on_last_words(void *arg)
{
	struct qemu *q = arg;

	q->kill_timer = NULL;
	subprocess_kill(&q->process);
}

/* If QEMU closes the monitor or sends nonsense, it is exiting or the guest has taken it over: kill
 * it, but leave it QEMU_LAST_WORDS_MS to exit by itself, for its exit code. */
static void on_qmp(void *arg, uint32_t events)
{
	struct qemu *q = arg;

	(void) events;
	if (qmp_process(q->qmp, NULL) == 0)
		return;
	loop_unwatch(q->qmp_watch);
	q->qmp_watch = NULL;
	if (loop_timer(q->loop, clock_deadline(QEMU_LAST_WORDS_MS), on_last_words, q,
		       &q->kill_timer, NULL) < 0)
		subprocess_kill(&q->process);
}

static void on_watched(void *arg)
{
	struct qemu *q = arg;
	int r = loop_watch(q->loop, q->console_fd, EPOLLIN, on_console, q, &q->console_watch, NULL);

	if (r == 0)
		r = loop_watch(q->loop, qmp_fd(q->qmp), EPOLLIN, on_qmp, q, &q->qmp_watch, NULL);
	if (r < 0) /* no memory for a watch: a VMM that nobody watches must not run */
		subprocess_kill(&q->process);
}

static void on_ended(void *arg)
{
	struct qemu *q = arg;
	struct err why = {0};

	on_console(q, 0);
	qemu_unwatch(q);
	if (qemu_ended(&q->hv, &why))
		hv_report_exit(&q->hv, &why);
}

void qemu_watch(struct qemu *q)
{
	subprocess_on(&q->process, on_watched, on_ended, q);
}

void qemu_unwatch(struct qemu *q)
{
	loop_unwatch(q->console_watch);
	loop_unwatch(q->qmp_watch);
	loop_timer_cancel(q->kill_timer);
	q->console_watch = q->qmp_watch = NULL;
	q->kill_timer = NULL;
}
