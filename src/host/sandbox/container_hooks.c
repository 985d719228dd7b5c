#include "base/auto.h"
#include "base/log.h"
#include "host/sandbox/container.h"
#include "host/sandbox/hooks.h"
#include "host/sandbox/model.h"

struct hook_kind {
	const char *name;
	enum oci_status status;
	bool in_our_mounts; /* use the server's mount namespace: the guest sees its mounts */
};

/* @pid: what the hooks take for the container's first process. */
static int run_hooks(struct guest_container *c, const struct hook_kind *kind, pid_t pid,
		     Grpc__Hook *const *hooks, size_t n, bool must_succeed, struct err *e)
{
	struct sandbox *sb = c->sb;
	auto_free char *state = NULL;

	if (n == 0)
		return 0;

	const struct oci_state s = {
		.id = c->id,
		.status = kind->status,
		.pid = pid,
		.bundle = c->bundle,
		.spec = c->spec,
	};
	int r = oci_state_print(&s, &state, e);

	if (r < 0)
		return r;

	const struct hooks_run run = {
		.kind = kind->name,
		.state = state,
		.bundle = c->bundle,
		.mount_ns_fd = kind->in_our_mounts ? -1 : sb->options.host_mount_ns,
		.cancel_fd = must_succeed ? c->cancel_fd : -1,
		.ignores_failures = !must_succeed,
	};

	return hooks_run(&run, hooks, n, e);
}

/*
 * Hooks of a container that is being created get the pid of a process in its namespaces of the
 * host, because Docker's fills /proc/PID/ns/net. The container's stand-in is made only after the
 * guest has made the container, so this is another one, which has no file of it and ends with the
 * hooks.
 */
struct early {
	struct view view;
	struct guest_standin standin;
	struct guest_standin_form form;
};

static int begin_early(void *arg, struct err *e)
{
	struct early *early = arg;

	return guest_standin_begin(&early->standin, &early->form, e);
}

static int end_early(void *arg, struct err *e)
{
	struct early *early = arg;

	(void) e;
	guest_standin_end(&early->standin);
	return 0;
}

static int early_begin(struct guest_container *c, struct early *early, struct err *e)
{
	static char *name[] = {(char *) "hooks"};
	int r = room_make_empty(c, &early->view, e);

	if (r == 0)
		r = guest_standin_form_make(&early->form, &early->view, name, 1, e);
	if (r == 0)
		r = worker_on_loop(c->worker, begin_early, early, e);
	return r < 0 ? r : guest_standin_await(&early->standin, e);
}

static void early_end(struct guest_container *c, struct early *early)
{
	(void) worker_on_loop(c->worker, end_early, early, NULL);
	guest_standin_await_end(&early->standin);
	guest_standin_form_fini(&early->form);
	view_close(&early->view);
}

static int run_before(struct guest_container *c, pid_t pid, struct err *e)
{
	static const struct hook_kind prestart = {"prestart", OCI_CREATING, false};
	static const struct hook_kind create_runtime = {"createRuntime", OCI_CREATING, false};
	static const struct hook_kind create_container = {"createContainer", OCI_CREATING, true};
	const Grpc__Hooks *h = c->hooks;
	int r = run_hooks(c, &prestart, pid, h->prestart, h->n_prestart, true, e);

	if (r == 0)
		r = run_hooks(c, &create_runtime, pid, h->createruntime, h->n_createruntime, true,
			      e);
	if (r == 0)
		r = run_hooks(c, &create_container, pid, h->createcontainer, h->n_createcontainer,
			      true, e);
	return r;
}

int hooks_before(struct guest_container *c, struct err *e)
{
	struct early early = {.view = VIEW_NONE, .standin = GUEST_STANDIN_NONE};
	const Grpc__Hooks *h = c->hooks;

	if (!h || h->n_prestart + h->n_createruntime + h->n_createcontainer == 0)
		return 0;
	log_debug("step: run the hooks");

	int r = early_begin(c, &early, e);

	if (r == 0)
		r = run_before(c, early.standin.pid, e);
	early_end(c, &early);
	return r;
}

void hooks_started(struct guest_container *c, pid_t pid)
{
	static const struct hook_kind poststart = {"poststart", OCI_RUNNING, false};

	if (c->hooks)
		(void) run_hooks(c, &poststart, pid, c->hooks->poststart, c->hooks->n_poststart,
				 false, NULL);
}

void hooks_stopped(struct guest_container *c)
{
	static const struct hook_kind poststop = {"poststop", OCI_STOPPED, false};

	if (c->hooks)
		(void) run_hooks(c, &poststop, 0, c->hooks->poststop, c->hooks->n_poststop, false,
				 NULL);
}
