#include "host/shim/publish.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "host/shim/events.h"
#include "host/shim/timestamp.h"
#include "task_events.pb-c.h"

/* A process whose end is to be published. */
struct ending {
	struct list link;
	struct server *s;
	struct sandbox_wait wait;
	char *id;
	char *exec_id;
	uint32_t pid;
	bool starting; /* Start is not answered yet: an end is kept until it is */
	bool ended;
	uint32_t exit_status;
	struct timespec exited_at;
};

/* A container of which it is to be published that it runs out of memory. */
struct oom {
	struct list link;
	struct server *s;
	struct sandbox_oom_wait wait;
	char *id;
};

/* ---- The end of a process ---- */

static void ending_free(struct ending *n)
{
	list_remove(&n->link);
	free(n->id);
	free(n->exec_id);
	free(n);
}

static struct ending *ending_find(struct server *s, const char *id, const char *exec_id)
{
	list_for_each (pos, &s->endings) {
		struct ending *n = container_of(pos, struct ending, link);

		if (strcmp(n->id, id) == 0 && strcmp(n->exec_id, exec_id) == 0)
			return n;
	}
	return NULL;
}

/* Publishes the end and forgets the process. */
static void ending_publish(struct ending *n)
{
	Containerd__Events__TaskExit event = CONTAINERD__EVENTS__TASK_EXIT__INIT;
	Google__Protobuf__Timestamp exited_at = timestamp_of(&n->exited_at);

	event.container_id = n->id;
	event.id = n->exec_id[0] ? n->exec_id : n->id;
	event.pid = n->pid;
	event.exit_status = n->exit_status;
	event.exited_at = &exited_at;
	events_publish(n->s->events, "/tasks/exit", &event.base);
	ending_free(n);
}

static void process_ended(void *arg, const struct sandbox_answer *answer)
{
	struct ending *n = arg;

	/* A process that was deleted without having run has no end. */
	if (answer->r < 0 && answer->exited_at.tv_sec == 0) {
		ending_free(n);
		return;
	}
	n->ended = true;
	n->exit_status = answer->exit_status;
	n->exited_at = answer->exited_at;
	if (!n->starting)
		ending_publish(n);
}

static void ending_watch(struct server *s, const char *id, const char *exec_id, uint32_t pid)
{
	struct ending *n = calloc(1, sizeof *n);

	if (n)
		list_init(&n->link);
	if (!n || !(n->id = strdup(id)) || !(n->exec_id = strdup(exec_id))) {
		if (n)
			ending_free(n);
		log_error("out of memory: the end of a process of '%s' is not published", id);
		return;
	}
	n->s = s;
	n->pid = pid;
	n->wait = (struct sandbox_wait){.done = process_ended, .arg = n};
	list_add(&s->endings, &n->link);
	if (sandbox_wait(s->sandbox, id, exec_id, &n->wait, NULL) < 0)
		ending_free(n);
}

/* ---- Out of memory ---- */

static void oom_free(struct oom *o)
{
	list_remove(&o->link);
	free(o->id);
	free(o);
}

static void oom_happened(void *arg, const struct sandbox_answer *answer)
{
	struct oom *o = arg;
	Containerd__Events__TaskOOM event = CONTAINERD__EVENTS__TASK_OOM__INIT;

	if (answer->r < 0) {
		oom_free(o);
		return;
	}
	event.container_id = o->id;
	events_publish(o->s->events, "/tasks/oom", &event.base);
	o->wait.seen = answer->count;
	if (sandbox_await_oom(o->s->sandbox, o->id, &o->wait, NULL) < 0)
		oom_free(o);
}

static void oom_watch(struct server *s, const char *id)
{
	struct oom *o = calloc(1, sizeof *o);

	if (!o || !(o->id = strdup(id))) {
		free(o);
		log_error("out of memory: that '%s' lacks memory is not published", id);
		return;
	}
	o->s = s;
	o->wait = (struct sandbox_oom_wait){.done = oom_happened, .arg = o};
	list_add(&s->ooms, &o->link);
	if (sandbox_await_oom(s->sandbox, id, &o->wait, NULL) < 0)
		oom_free(o);
}

/* ---- The events ---- */

static void publish_create_event(struct server *s, const Containerd__Task__V2__CreateTaskRequest *q,
				 uint32_t pid)
{
	Containerd__Events__TaskCreate event = CONTAINERD__EVENTS__TASK_CREATE__INIT;
	Containerd__Events__TaskIO io = CONTAINERD__EVENTS__TASK_IO__INIT;

	io.stdin = q->stdin;
	io.stdout = q->stdout;
	io.stderr = q->stderr;
	io.terminal = q->terminal;
	event.container_id = q->id;
	event.bundle = q->bundle;
	event.n_rootfs = q->n_rootfs;
	event.rootfs = q->rootfs;
	event.io = &io;
	event.pid = pid;
	events_publish(s->events, "/tasks/create", &event.base);
}

void publish_created(struct server *s, const Containerd__Task__V2__CreateTaskRequest *q,
		     uint32_t pid)
{
	if (!s->events)
		return;
	publish_create_event(s, q, pid);
	ending_watch(s, q->id, "", pid);
	oom_watch(s, q->id);
}

void publish_deleted(struct server *s, const char *id, const struct sandbox_answer *answer)
{
	Containerd__Events__TaskDelete event = CONTAINERD__EVENTS__TASK_DELETE__INIT;
	Google__Protobuf__Timestamp exited_at = timestamp_of(&answer->exited_at);

	if (!s->events)
		return;
	event.container_id = (char *) id;
	event.pid = answer->pid;
	event.exit_status = answer->exit_status;
	event.exited_at = &exited_at;
	events_publish(s->events, "/tasks/delete", &event.base);
}

void publish_exec_added(struct server *s, const char *id, const char *exec_id)
{
	Containerd__Events__TaskExecAdded event = CONTAINERD__EVENTS__TASK_EXEC_ADDED__INIT;

	if (!s->events)
		return;
	event.container_id = (char *) id;
	event.exec_id = (char *) exec_id;
	events_publish(s->events, "/tasks/exec-added", &event.base);
	ending_watch(s, id, exec_id, 0);
}

void publish_starting(struct server *s, const char *id, const char *exec_id)
{
	struct ending *n = s->events ? ending_find(s, id, exec_id) : NULL;

	if (n)
		n->starting = true;
}

static void publish_start_event(struct server *s, const char *id, uint32_t pid)
{
	Containerd__Events__TaskStart event = CONTAINERD__EVENTS__TASK_START__INIT;

	event.container_id = (char *) id;
	event.pid = pid;
	events_publish(s->events, "/tasks/start", &event.base);
}

static void publish_exec_started_event(struct server *s, const char *id, const char *exec_id,
				       uint32_t pid)
{
	Containerd__Events__TaskExecStarted event = CONTAINERD__EVENTS__TASK_EXEC_STARTED__INIT;

	event.container_id = (char *) id;
	event.exec_id = (char *) exec_id;
	event.pid = pid;
	events_publish(s->events, "/tasks/exec-started", &event.base);
}

void publish_started(struct server *s, const char *id, const char *exec_id, int r, uint32_t pid)
{
	struct ending *n = s->events ? ending_find(s, id, exec_id) : NULL;

	if (s->events && r == 0 && exec_id[0])
		publish_exec_started_event(s, id, exec_id, pid);
	else if (s->events && r == 0)
		publish_start_event(s, id, pid);
	if (!n)
		return;
	n->starting = false;
	if (r == 0)
		n->pid = pid;
	if (n->ended)
		ending_publish(n);
}

void publish_paused(struct server *s, const char *id)
{
	Containerd__Events__TaskPaused event = CONTAINERD__EVENTS__TASK_PAUSED__INIT;

	event.container_id = (char *) id;
	if (s->events)
		events_publish(s->events, "/tasks/paused", &event.base);
}

void publish_resumed(struct server *s, const char *id)
{
	Containerd__Events__TaskResumed event = CONTAINERD__EVENTS__TASK_RESUMED__INIT;

	event.container_id = (char *) id;
	if (s->events)
		events_publish(s->events, "/tasks/resumed", &event.base);
}

void publish_forget(struct server *s)
{
	list_for_each (pos, &s->endings) {
		struct ending *n = container_of(pos, struct ending, link);

		sandbox_wait_cancel(&n->wait);
		ending_free(n);
	}
	list_for_each (pos, &s->ooms) {
		struct oom *o = container_of(pos, struct oom, link);

		sandbox_await_oom_cancel(&o->wait);
		oom_free(o);
	}
}
