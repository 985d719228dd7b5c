/* Containers once they are made. */

#include <errno.h>
#include <stdlib.h>

#include "agent/rpc/member.h"
#include "base/array.h"
#include "oci/oci.h"

/* Answers an operation of the container layer when it is done. */
static void on_done(void *arg, int r, const struct err *e)
{
	ttrpc_answer(arg, r, e);
}

void container_rpc_start(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__StartContainerRequest *req = request;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find_made(rpc, req->container_id, &m, &e);

	if (m)
		r = container_start(m->container, on_done, call, &e);
	if (r < 0)
		ttrpc_answer(call, r, &e);
}

void container_rpc_pause(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__PauseContainerRequest *req = request;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find_made(rpc, req->container_id, &m, &e);

	if (m)
		r = container_pause(m->container, on_done, call, &e);
	if (r < 0)
		ttrpc_answer(call, r, &e);
}

void container_rpc_resume(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__ResumeContainerRequest *req = request;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find_made(rpc, req->container_id, &m, &e);

	if (m)
		r = container_resume(m->container, &e);
	ttrpc_answer(call, r, &e);
}

void container_rpc_update(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__UpdateContainerRequest *req = request;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find_made(rpc, req->container_id, &m, &e);

	if (m && !req->resources)
		r = err_say(&e, EINVAL, "resources is missing");
	else if (m)
		r = oci_resources_check(req->resources, &e);
	if (m && r == 0)
		r = container_update(m->container, req->resources, &e);
	ttrpc_answer(call, r, &e);
}

void container_rpc_stats(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__StatsContainerRequest *req = request;
	Grpc__StatsContainerResponse reply = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find_made(rpc, req->container_id, &m, &e);

	if (m)
		r = container_stats(m->container, &reply.cgroup_stats, &e);
	if (r < 0) {
		ttrpc_answer(call, r, &e);
		return;
	}
	ttrpc_reply(call, &reply.base);
	grpc__cgroup_stats__free_unpacked(reply.cgroup_stats, NULL);
}

/* Answers the RemoveContainer call, if it still waits. */
static void tell(struct member *m, int r, const struct err *e)
{
	struct ttrpc_call *call = m->removal;

	loop_timer_cancel(m->patience);
	m->patience = NULL;
	m->removal = NULL;
	if (call)
		ttrpc_answer(call, r, e);
}

static void on_removed(void *arg, int r, const struct err *e)
{
	struct member *m = arg;

	m->removing = false;
	if (r == 0)
		member_free(m); /* answers, but not before it has released the storages */
	else
		tell(m, r, e);
}

static void on_impatient(void *arg)
{
	struct member *m = arg;
	struct err e = {0};

	m->patience = NULL;
	tell(m, err_say(&e, ETIMEDOUT, "container '%s' does not end", m->id), &e);
}

static int begin_removal(struct member *m, struct ttrpc_call *call, uint32_t timeout_s,
			 struct err *e)
{
	int r = 0;

	if (m->removing)
		return err_say(e, EBUSY, "container '%s' is being removed", m->id);
	if (timeout_s > 0)
		r = loop_timer(m->rpc->config.loop, clock_deadline(timeout_s * 1000ULL),
			       on_impatient, m, &m->patience, e);
	if (r < 0)
		return r;
	m->removing = true;
	m->removal = call;
	r = container_remove(m->container, on_removed, m, e);
	if (r < 0) {
		m->removing = false;
		m->removal = NULL;
		tell(m, 0, NULL);
	}
	return r;
}

void container_rpc_remove(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__RemoveContainerRequest *req = request;
	struct member *m = NULL;
	struct err e = {0};
	int r = member_find(rpc, req->container_id, &m, &e);

	/* The container was not made yet. */
	if (m && m->creation && !m->container) {
		creation_cancel(m->creation);
		ttrpc_answer(call, 0, NULL);
		return;
	}
	if (m)
		r = begin_removal(m, call, req->timeout, &e);
	if (r < 0)
		ttrpc_answer(call, r, &e);
}
