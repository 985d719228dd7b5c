#include "host/shim/wait.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/shim/lifetime.h"
#include "host/shim/timestamp.h"
#include "task.pb-c.h"

struct waiting {
	struct sandbox_wait wait;
	struct list link;
	struct server *server;
	uint64_t host_pid;       /* of the stand-in process; 0: the caller told none */
	struct ttrpc_call *call; /* NULL: the caller has hung up */
	bool owner;
	bool removes;
	char *id;
	char *exec_id;
};

static void waiting_free(struct waiting *w)
{
	if (!w)
		return;
	list_remove(&w->link);
	free(w->id);
	free(w->exec_id);
	free(w);
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

static void ended(void *arg, const struct sandbox_answer *answer)
{
	struct waiting *w = arg;
	Containerd__Task__V2__WaitResponse a = CONTAINERD__TASK__V2__WAIT_RESPONSE__INIT;
	Google__Protobuf__Timestamp exited_at = timestamp_of(&answer->exited_at);
	char cause[640];

	if (!w->call) {
		/* The caller has hung up; the wait was kept to delete the exec. */
	} else if (answer->r < 0 && answer->exited_at.tv_sec == 0) {
		ttrpc_fail_err(w->call, &answer->err);
	} else {
		a.exit_status = answer->exit_status;
		a.exited_at = &exited_at;
		if (answer->cause.code)
			a.cause = (char *) err_show(&answer->cause, cause, sizeof cause);
		ttrpc_reply(w->call, &a.base);
	}
	waiting_free(w);
}

static void note_success(void *arg, const struct sandbox_answer *answer)
{
	*(bool *) arg = answer->r == 0;
}

/* Deletes an exec that was not started, because its client is gone. True: @w was freed. */
static bool forget_unstarted(struct waiting *w)
{
	struct sandbox *sb = w->server->sandbox;
	struct sandbox_process p;
	bool forgotten = false;

	if (w->exec_id[0] && sandbox_state(sb, w->id, w->exec_id, &p, NULL) == 0 &&
	    p.status == OCI_CREATED)
		sandbox_delete(sb, w->id, w->exec_id, note_success, &forgotten);
	return forgotten;
}

/* The stand-in process was killed, so kill the process that it stands for. Nobody will call Delete
 * for an exec then: keep the wait, which deletes the exec at its end. */
static void gone(void *arg)
{
	struct waiting *w = arg;
	struct server *s = w->server;

	ttrpc_drop(take_ptr(w->call));
	if (!w->owner || s->ending) {
		sandbox_wait_cancel(&w->wait);
		waiting_free(w);
		return;
	}
	log_info("who stands in for a process of '%s' is gone: killing it", w->id);
	if (forget_unstarted(w))
		return;

	bool removes = w->removes;

	/* May end the wait, which frees @w. */
	sandbox_kill(s->sandbox, w->id, w->exec_id, SIGKILL, false, ignore, NULL);
	if (removes)
		orphan_found(s);
}

void wait_begin(struct server *s, struct ttrpc_call *call, const char *id, const char *exec_id,
		const char *owner)
{
	struct waiting *w = calloc(1, sizeof *w);
	const char *pid = ttrpc_call_metadata(call, "kata-pid");
	struct err e = {0};

	if (w)
		list_init(&w->link);

	if (!w || !(w->id = strdup(id)) || !(w->exec_id = strdup(exec_id))) {
		waiting_free(w);
		ttrpc_fail(call, TTRPC_RESOURCE_EXHAUSTED, "out of memory");
		return;
	}
	w->wait.done = ended;
	w->wait.arg = w;
	list_add(&s->waits, &w->link);
	w->owner = owner != NULL;
	if (w->owner && pid && num_parse_u64(pid, &w->host_pid) < 0)
		w->host_pid = 0;
	w->removes = owner && strcmp(owner, "run") == 0;
	w->wait.is_last = w->owner;
	w->server = s;
	w->call = call;
	ttrpc_call_on_gone(call, gone, w);
	if (sandbox_wait(s->sandbox, id, exec_id, &w->wait, &e) < 0) {
		ttrpc_call_on_gone(call, NULL, NULL);
		ttrpc_fail_err(call, &e);
		waiting_free(w);
	}
}

size_t wait_host_pids(const struct server *s, const char *id, uint32_t *pids, size_t max)
{
	size_t n = 0;

	list_for_each (pos, &s->waits) {
		const struct waiting *w = container_of(pos, struct waiting, link);

		if (n < max && w->call && w->host_pid && strcmp(w->id, id) == 0)
			pids[n++] = (uint32_t) w->host_pid;
	}
	return n;
}
