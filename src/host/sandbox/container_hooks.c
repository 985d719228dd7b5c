#include "base/auto.h"
#include "host/sandbox/container.h"
#include "host/sandbox/hooks.h"
#include "host/sandbox/model.h"

struct hook_kind {
	const char *name;
	enum oci_status status;
	bool in_our_mounts; /* use the server's mount namespace: the guest sees its mounts */
};

static int run_hooks(struct guest_container *c, const struct hook_kind *kind,
		     Grpc__Hook *const *hooks, size_t n, bool must_succeed, struct err *e)
{
	struct sandbox *sb = c->sb;
	auto_free char *state = NULL;
	struct hv_info info = {0};

	if (n == 0)
		return 0;
	if (sb->machine.hv)
		hv_describe(sb->machine.hv, &info);

	const struct oci_state s = {
		.id = c->id,
		.status = kind->status,
		.pid = kind->status == OCI_STOPPED ? 0 : info.pid,
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

int hooks_before(struct guest_container *c, struct err *e)
{
	static const struct hook_kind prestart = {"prestart", OCI_CREATING, false};
	static const struct hook_kind create_runtime = {"createRuntime", OCI_CREATING, false};
	static const struct hook_kind create_container = {"createContainer", OCI_CREATING, true};
	const Grpc__Hooks *h = c->hooks;
	int r;

	if (!h)
		return 0;
	r = run_hooks(c, &prestart, h->prestart, h->n_prestart, true, e);
	if (r == 0)
		r = run_hooks(c, &create_runtime, h->createruntime, h->n_createruntime, true, e);
	if (r == 0)
		r = run_hooks(c, &create_container, h->createcontainer, h->n_createcontainer, true,
			      e);
	return r;
}

void hooks_started(struct guest_container *c)
{
	static const struct hook_kind poststart = {"poststart", OCI_RUNNING, false};

	if (c->hooks)
		(void) run_hooks(c, &poststart, c->hooks->poststart, c->hooks->n_poststart, false,
				 NULL);
}

void hooks_stopped(struct guest_container *c)
{
	static const struct hook_kind poststop = {"poststop", OCI_STOPPED, false};

	if (c->hooks)
		(void) run_hooks(c, &poststop, c->hooks->poststop, c->hooks->n_poststop, false,
				 NULL);
}
