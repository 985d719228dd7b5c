#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/array.h"
#include "host/hypervisor/ending.h"
#include "host/hypervisor/qemu/qemu.h"

/* QemuShutdownCause: run-state.json, "ShutdownCause" */
static const struct {
	const char *reason;
	const char *words;
} causes[] = {
	{"guest-shutdown", "the guest powered off"},
	{"guest-reset", "the guest rebooted"},
	{"subsystem-reset", "the guest was reset"},
	{"guest-panic", VMM_PANICKED},
	{"host-signal", "QEMU was asked to end by a signal"},
	{"host-qmp-quit", "QEMU was told to quit"},
	{"host-error", "QEMU had to give up"},
};

const char *qemu_shutdown_cause(const char *reason)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (strcmp(causes[i].reason, reason) == 0)
			return causes[i].words;
	return NULL;
}

void qemu_on_event(void *arg, const char *event, const json_t *data)
{
	struct qemu *q = arg;
	const char *reason = json_string_value(json_object_get(data, "reason"));

	if (strcmp(event, "SHUTDOWN") != 0 || !reason)
		return;
	pthread_mutex_lock(&q->lock);
	if (!q->shutdown[0]) /* the first event has the cause */
		(void) snprintf(q->shutdown, sizeof q->shutdown, "%s", reason);
	pthread_mutex_unlock(&q->lock);
}

void qemu_drain(struct qemu *q)
{
	subprocess_drain(&q->process);
	console_drain(&q->hv.console);
	if (q->qmp)
		(void) qmp_process(q->qmp, NULL);
}

bool qemu_ended(struct qemu *q, struct err *e)
{
	char shutdown[sizeof q->shutdown];
	struct vmm_ending end = {
		.vmm = "QEMU",
		.signature = "qemu-system-",
		.console = &q->hv.console.tail,
		.messages = &q->process.messages,
	};
	struct err why = {0};

	if (!subprocess_ended(&q->process, &end.status))
		return false;
	qemu_drain(q);
	pthread_mutex_lock(&q->lock);
	memcpy(shutdown, q->shutdown, sizeof shutdown);
	pthread_mutex_unlock(&q->lock);
	end.cause = qemu_shutdown_cause(shutdown);
	vmm_ending_explain(&end, &why);
	hv_note_end(&q->hv, &why);
	if (e)
		*e = why;
	return true;
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
	if (loop_timer(q->hv.loop, clock_deadline(QEMU_LAST_WORDS_MS), on_last_words, q,
		       &q->kill_timer, NULL) < 0)
		subprocess_kill(&q->process);
}

static void on_watched(void *arg)
{
	struct qemu *q = arg;
	int r = console_watch(&q->hv.console, q->hv.loop);

	if (r == 0)
		r = loop_watch(q->hv.loop, qmp_fd(q->qmp), EPOLLIN, on_qmp, q, &q->qmp_watch, NULL);
	if (r < 0) /* no memory for a watch: a VMM that nobody watches must not run */
		subprocess_kill(&q->process);
}

static void on_ended(void *arg)
{
	struct qemu *q = arg;
	struct err why = {0};

	console_finish(&q->hv.console);
	qemu_unwatch(q);
	if (qemu_ended(q, &why))
		hv_report_exit(&q->hv, &why);
}

void qemu_watch(struct qemu *q)
{
	subprocess_on(&q->process, on_watched, on_ended, q);
}

void qemu_unwatch(struct qemu *q)
{
	loop_unwatch(q->qmp_watch);
	loop_timer_cancel(q->kill_timer);
	q->qmp_watch = NULL;
	q->kill_timer = NULL;
}
