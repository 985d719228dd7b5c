#include "agent/container/child/setup.h"

#include <unistd.h>

#include "oci/oci.h"

/* Which hooks run when, and what state they are told. */

static int init(const struct setup *s, enum oci_status status, pid_t pid, struct hook_runner *ret,
		struct err *e)
{
	const struct oci_state state = {
		.id = s->id,
		.status = status,
		.pid = pid,
		.bundle = s->bundle,
		.spec = s->spec,
	};
	auto_free char *text = NULL;
	int r = oci_state_print(&state, &text, e);

	return r < 0 ? r : hook_runner_init(ret, text, e);
}

/* A hook in the container that names no environment gets that of the process. */
static void give_environment(struct hook_runner *runner, const struct setup *s)
{
	runner->env = s->process->env;
	runner->n_env = s->process->n_env;
}

static int run_row(const struct hook_runner *runner, const char *kind, Grpc__Hook *const *hooks,
		   size_t n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = hook_run(runner, kind, i, hooks[i], e);
	return r;
}

int run_create_container_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;
	auto_hook_runner struct hook_runner runner = HOOK_RUNNER_NONE;
	int r = 0;

	if (!h)
		return 0;
	/* The agent runs prestart and createRuntime hooks, in its own namespaces. */
	if (h->n_prestart || h->n_createruntime)
		r = setup_ask(STEP_MOUNTED, 0, -1, e);
	if (r < 0 || !h->n_createcontainer)
		return r;
	r = init(s, OCI_CREATING, getpid(), &runner, e);
	if (r < 0)
		return r;
	give_environment(&runner, s);
	r = run_row(&runner, "createContainer", h->createcontainer, h->n_createcontainer, e);
	root_forget(s->root); /* a hook may have mounted anything anywhere */
	return r;
}

/* Comes before load_filter(), because the seccomp filter may forbid it. */
int prepare_start_hooks(struct setup *s, struct err *e)
{
	if (!s->spec->hooks || !s->spec->hooks->n_startcontainer)
		return 0;
	return init(s, OCI_CREATED, getpid(), &s->start_hooks, e);
}

int run_start_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;

	if (!h)
		return 0;
	give_environment(&s->start_hooks, s);
	return run_row(&s->start_hooks, "startContainer", h->startcontainer, h->n_startcontainer,
		       e);
}

int run_agent_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;
	enum oci_status status = s->kind == CHILD_CREATE_HOOKS      ? OCI_CREATING
				 : s->kind == CHILD_POSTSTART_HOOKS ? OCI_RUNNING
								    : OCI_STOPPED;
	auto_hook_runner struct hook_runner runner = HOOK_RUNNER_NONE;
	int r = h ? init(s, status, (pid_t) s->number, &runner, e) : 0;

	if (r < 0 || !h)
		return r;
	if (s->kind == CHILD_POSTSTART_HOOKS)
		return run_row(&runner, "poststart", h->poststart, h->n_poststart, e);
	if (s->kind == CHILD_POSTSTOP_HOOKS)
		return run_row(&runner, "poststop", h->poststop, h->n_poststop, e);
	r = run_row(&runner, "prestart", h->prestart, h->n_prestart, e);
	return r < 0 ? r
		     : run_row(&runner, "createRuntime", h->createruntime, h->n_createruntime, e);
}
