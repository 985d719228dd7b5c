#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/container.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

/* As long as upstream's runtime waits for it, because on a host with more to do than it can a guest
 * may take longer than AGENT_TIMEOUT_MS, and a process of which nobody hears any more would then
 * run there. */
#define START_TIMEOUT_MS 60000

/* A start of an exec under way. Names the process, because it may be deleted meanwhile. */
struct starting {
	struct sandbox *sb;
	char *id;
	char *exec_id;
	sandbox_done_fn done;
	void *arg;
};

int sandbox_exec(struct sandbox *sb, const char *id, const char *exec_id,
		 Grpc__Process *take_process, const struct sandbox_stdio *stdio, struct err *e)
{
	auto_ptr(oci_process_free) Grpc__Process *spec = take_process;
	struct guest_container *c = sandbox_find(sb, id, e);
	struct guest_process *p;
	char path[128];
	int r = c ? oci_id_check(exec_id, e) : -ENOENT;

	if (r == 0)
		r = sandbox_check_program(c, e);
	if (r == 0 && sandbox_find_process(sb, id, exec_id, NULL))
		r = err_say(e, EEXIST, "container '%s' has a process '%s'", id, exec_id);
	if (r == 0 && !sb->agent.knows_oci_1_2 &&
	    oci_extension_find(&spec->base, path, sizeof path))
		r = err_say(e, ENOTSUP,
			    "process.%s: the agent in the guest does not know this field", path);
	if (r == 0 && (guest_process_status(c->init) == OCI_CREATING ||
		       guest_process_status(c->init) == OCI_STOPPED))
		r = err_say(e, EBUSY, "container '%s' is %s", id,
			    oci_status_name(guest_process_status(c->init)));
	if (r < 0) {
		for (int i = 0; i < 3; i++)
			fd_close(stdio->fds[i]);
		return r;
	}
	r = guest_process_new(c, exec_id, stdio, &p, e);
	if (r < 0)
		return r;
	spec->has_terminal = true;
	spec->terminal = p->terminal;
	free(take_ptr(spec->apparmorprofile)); /* labels are about the host's kernel */
	free(take_ptr(spec->selinuxlabel));
	p->spec = take_ptr(spec);
	list_add(&c->execs, &p->link);
	return 0;
}

static void starting_free(struct starting *s)
{
	if (!s)
		return;
	free(s->id);
	free(s->exec_id);
	free(s);
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

static void send_early_signals(struct guest_process *p)
{
	for (uint32_t signo = 1; p->early_signals; signo++) {
		uint64_t bit = 1ULL << (signo - 1);

		if (p->early_signals & bit)
			sandbox_kill(p->container->sb, p->container->id, p->exec_id, signo, false,
				     ignore, NULL);
		p->early_signals &= ~bit;
	}
}

static void started(void *arg, const struct sandbox_answer *answer)
{
	struct starting *s = arg;
	struct guest_process *p = sandbox_find_process(s->sb, s->id, s->exec_id, NULL);
	struct sandbox_answer a = *answer;

	if (p)
		p->busy = false;
	if (a.r == 0 && p)
		a.r = guest_process_attach(p, &a.err);
	if (a.r == 0 && p) {
		guest_process_started(p);
		guest_process_send_size(p);
		send_early_signals(p);
	}
	if (a.r < 0)
		(void) err_wrap(&a.err, a.r, "start process '%s' in container '%s'", s->exec_id,
				s->id);
	if (a.r < 0 && p)
		guest_process_close(p);
	a.pid = p ? guest_container_pid(p->container) : 0;
	s->done(s->arg, &a);
	/* A failed start with an early SIGKILL: its client hung up, so nobody will delete it. */
	if (a.r < 0 && p && p->early_signals & (1ULL << (SIGKILL - 1)))
		guest_process_free(p);
	starting_free(s);
}

static void ask_to_start(struct starting *s, struct guest_process *p)
{
	Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;

	exec.container_id = p->container->id;
	exec.exec_id = p->exec_id;
	exec.process = p->spec;
	log_debug("step: exec");
	agent_ask_until(s->sb, "ExecProcess", &exec.base, NULL, clock_deadline(START_TIMEOUT_MS),
			started, s);
}

static void logger_is_ready(void *arg, int r, struct err *e)
{
	struct starting *s = arg;
	struct guest_process *p = sandbox_find_process(s->sb, s->id, s->exec_id, NULL);
	const struct sandbox_answer failed = {.r = r, .err = *e};

	if (r == 0)
		ask_to_start(s, p);
	else
		started(s, &failed);
}

/* What the process prints must not come before its logger is ready. */
static void begin_start(struct starting *s, struct guest_process *p)
{
	struct sandbox_answer failed = {0};

	p->busy = true;
	if (p->logger)
		failed.r = logger_when_ready(p->logger, clock_deadline(LOGGER_READY_MS),
					     logger_is_ready, s, &failed.err);
	else
		ask_to_start(s, p);
	if (failed.r < 0)
		started(s, &failed);
}

static void exec_start(struct guest_process *p, sandbox_done_fn done, void *arg)
{
	struct sandbox *sb = p->container->sb;
	struct starting *s = calloc(1, sizeof *s);
	struct err e = {0};

	if (p->io || p->busy || p->status != OCI_CREATED) {
		(void) err_say(&e, EBUSY, "process '%s' was started already", p->exec_id);
	} else if (!s || !(s->id = strdup(p->container->id)) ||
		   !(s->exec_id = strdup(p->exec_id))) {
		(void) err_sys(&e, ENOMEM, "start a process");
	} else if (guest_process_open(p, &e) < 0) {
		guest_process_close(p);
		(void) err_wrap(&e, 0, "start process '%s' in container '%s'", p->exec_id,
				p->container->id);
	}
	if (e.code) {
		starting_free(s);
		sandbox_refuse(done, arg, &e);
		return;
	}
	s->sb = sb;
	s->done = done;
	s->arg = arg;
	begin_start(s, p);
}

void sandbox_start_process(struct sandbox *sb, const char *id, const char *exec_id,
			   sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, &e);

	if (!p)
		sandbox_refuse(done, arg, &e);
	else if (exec_id[0])
		exec_start(p, done, arg);
	else
		guest_container_start(p->container, done, arg);
}

void sandbox_delete(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done_fn done,
		    void *arg)
{
	struct sandbox_answer a = {0};
	struct err e = {0};
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, &e);

	if (p && !exec_id[0]) {
		guest_container_delete(p->container, done, arg);
		return;
	}
	if (p && (p->busy || (p->io && p->status != OCI_STOPPED)))
		(void) err_say(&e, EBUSY, "process '%s' of container '%s' runs", exec_id, id);
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	a.exit_status = p->exit_status;
	a.exited_at = p->exited_at;
	guest_process_free(p);
	done(arg, &a);
}
