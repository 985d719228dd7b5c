#include "host/shim/pod.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "host/shim/pod_spec.h"

/* A Create or a Delete under way. */
struct pod_call {
	struct sandbox *sb;
	char *id;
	char *config_path;
	sandbox_done_fn done;
	void *arg;
	pid_t standin;                /* as in struct sandbox_container */
	bool keeps;                   /* the machine, which is stopped by others */
	struct sandbox_answer answer; /* while the machine stops: what to answer then */
};

static struct pod_call *call_new(struct sandbox *sb, const char *id, const char *config_path,
				 sandbox_done_fn done, void *arg)
{
	struct pod_call *p = calloc(1, sizeof *p);

	if (!p)
		return NULL;
	*p = (struct pod_call){.sb = sb, .done = done, .arg = arg};
	p->id = strdup(id);
	p->config_path = config_path ? strdup(config_path) : NULL;
	if (p->id && !p->config_path == !config_path)
		return p;
	free(p->id);
	free(p->config_path);
	free(p);
	return NULL;
}

static void answer_call(struct pod_call *p, const struct sandbox_answer *answer)
{
	p->done(p->arg, answer);
	free(p->id);
	free(p->config_path);
	free(p);
}

static void refuse(sandbox_done_fn done, void *arg, const char *verb, const char *id)
{
	struct sandbox_answer a = {.r = -ENOMEM};

	(void) err_sys(&a.err, ENOMEM, "%s container '%s'", verb, id);
	done(arg, &a);
}

static void emptied(void *arg, const struct sandbox_answer *stopped)
{
	struct pod_call *p = arg;

	(void) stopped; /* the answer of a machine that cannot be stopped is in the log */
	answer_call(p, &p->answer);
}

/* The last step of a call: stops a machine that has no container any more. */
static void finish(struct pod_call *p, const struct sandbox_answer *answer)
{
	if (p->keeps || sandbox_has_containers(p->sb) || !sandbox_is_ready(p->sb)) {
		answer_call(p, answer);
		return;
	}
	p->answer = *answer;
	sandbox_stop(p->sb, emptied, p);
}

/* ---- Create ---- */

static void created(void *arg, const struct sandbox_answer *answer)
{
	finish(arg, answer);
}

static void started(void *arg, const struct sandbox_answer *answer)
{
	struct pod_call *p = arg;
	struct sandbox_answer a = *answer;

	if (a.r == 0) {
		sandbox_create_container(p->sb, p->id, created, p);
		return;
	}
	(void) err_wrap(&a.err, a.r, "create container '%s'", p->id);
	finish(p, &a);
}

static void added(void *arg, const struct sandbox_answer *answer)
{
	struct pod_call *p = arg;
	const Grpc__Spec *spec = answer->spec;

	if (answer->r < 0) {
		finish(p, answer);
	} else if (sandbox_is_empty(p->sb)) {
		if (pod_spec_is_sandbox(spec))
			sandbox_hold_pod(p->sb, p->id);

		const struct sandbox_spec machine = {
			.hostname = spec->hostname,
			.resources = spec->linux ? spec->linux->resources : NULL,
			.annotations = spec->annotations,
			.n_annotations = spec->n_annotations,
			.config_path = p->config_path,
			.cgroups_path = spec->linux ? spec->linux->cgroupspath : NULL,
			.container = p->id,
			.standin = p->standin,
		};

		sandbox_start(p->sb, &machine, started, p);
	} else {
		sandbox_create_container(p->sb, p->id, created, p);
	}
}

static void create(struct sandbox *sb, const struct sandbox_container *container,
		   const char *config_path, bool keeps, sandbox_done_fn done, void *arg)
{
	struct pod_call *p = call_new(sb, container->id, config_path, done, arg);

	struct sandbox_container judged = *container;

	judged.check = pod_spec_check;
	if (p) {
		p->keeps = keeps;
		p->standin = container->standin;
		sandbox_add_container(sb, &judged, added, p);
		return;
	}
	for (int i = 0; i < 3; i++)
		fd_close(container->stdio.fds[i]);
	oci_spec_free(container->take_spec);
	refuse(done, arg, "create", container->id);
}

void pod_create(struct sandbox *sb, const struct sandbox_container *container,
		const char *config_path, sandbox_done_fn done, void *arg)
{
	create(sb, container, config_path, false, done, arg);
}

void pod_create_in(struct sandbox *sb, const struct sandbox_container *container,
		   sandbox_done_fn done, void *arg)
{
	create(sb, container, NULL, true, done, arg);
}

/* ---- Delete ---- */

static void deleted(void *arg, const struct sandbox_answer *answer)
{
	finish(arg, answer);
}

static void stopped(void *arg, const struct sandbox_answer *answer)
{
	struct pod_call *p = arg;

	(void) answer;
	sandbox_delete(p->sb, p->id, "", deleted, p);
}

/* Another container may have come meanwhile, and the machine may be lost. */
static void removed(void *arg, const struct sandbox_answer *answer)
{
	struct pod_call *p = arg;

	if (answer->r < 0)
		finish(p, answer);
	else if (sandbox_has_only(p->sb, p->id) && sandbox_is_ready(p->sb))
		sandbox_stop(p->sb, stopped, p);
	else
		sandbox_delete(p->sb, p->id, "", deleted, p);
}

void pod_delete(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done_fn done,
		void *arg)
{
	struct pod_call *p;

	if (exec_id[0])
		sandbox_delete(sb, id, exec_id, done, arg);
	else if (!(p = call_new(sb, id, NULL, done, arg)))
		refuse(done, arg, "delete", id);
	else if (sandbox_has_only(sb, id))
		sandbox_remove_container(sb, id, removed, p);
	else
		sandbox_delete(sb, id, "", deleted, p);
}
