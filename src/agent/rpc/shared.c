/* The namespaces that the containers of a pod share, and that the agent makes for them. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/agent.h"
#include "base/auto.h"
#include "base/log.h"
#include "oci/names.h"
#include "oci/oci.h"

static int hand_out(const struct container_holder *h, int flag, struct err *e)
{
	int fd = fcntl(container_holder_ns(h, flag), F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? err_sys(e, errno, "use the pod's %s namespace", oci_namespace_type(flag))
		      : fd;
}

/* ---- Process ids ---- */

static void pids_ended(void *arg)
{
	struct rpc *rpc = arg;

	log_error("the first process of the pod's pid namespace has ended");
	container_holder_free(take_ptr(rpc->pids));
}

int shared_pids(struct rpc *rpc, struct err *e)
{
	int r = rpc->pids ? 0
			  : container_holder_new(rpc->host, NULL, pids_ended, rpc, &rpc->pids, e);

	return r < 0 ? r : hand_out(rpc->pids, CLONE_NEWPID, e);
}

/* ---- Users ---- */

static void forget_users(struct rpc *rpc)
{
	container_holder_free(take_ptr(rpc->users));
	free(take_ptr(rpc->user_maps.uid_map));
	free(take_ptr(rpc->user_maps.gid_map));
}

static void users_ended(void *arg)
{
	log_error("the first process of the pod's user namespace has ended");
	forget_users(arg);
}

/* The pod's ipc namespace was one of the agent's when CreateSandbox set the sysctls. */
static int repeat_sysctls(const struct rpc *rpc, struct err *e)
{
	int r = 0;

	if (rpc->n_sysctls == 0)
		return 0;
	if (setns(container_holder_ns(rpc->users, CLONE_NEWIPC), CLONE_NEWIPC) < 0)
		return err_sys(e, errno, "enter the pod's ipc namespace");
	for (size_t i = 0; r == 0 && i < rpc->n_sysctls; i++)
		r = container_pod_sysctl(rpc->sysctls[i].key, rpc->sysctls[i].value, e);
	if (setns(rpc->ipc_ns, CLONE_NEWIPC) < 0 && r == 0)
		r = err_sys(e, errno, "leave the pod's ipc namespace");
	return r;
}

static int make_users(struct rpc *rpc, const struct container_user_maps *maps, struct err *e)
{
	int r = container_holder_new(rpc->host, maps, users_ended, rpc, &rpc->users, e);

	if (r == 0)
		r = repeat_sysctls(rpc, e);
	rpc->user_maps = (struct container_user_maps){strdup(maps->uid_map), strdup(maps->gid_map)};
	if (r == 0 && (!rpc->user_maps.uid_map || !rpc->user_maps.gid_map))
		r = err_sys(e, ENOMEM, "make the pod's user namespace");
	if (r < 0)
		forget_users(rpc);
	return r;
}

int shared_users_open(struct rpc *rpc, const Grpc__Linux *l, struct err *e)
{
	auto_free char *uid_map = NULL, *gid_map = NULL;
	int r = oci_id_map_print(l->uidmappings, l->n_uidmappings, &uid_map, e);

	if (r == 0)
		r = oci_id_map_print(l->gidmappings, l->n_gidmappings, &gid_map, e);
	if (r < 0)
		return r;
	if (!rpc->users)
		return make_users(rpc, &(struct container_user_maps){uid_map, gid_map}, e);
	if (strcmp(uid_map, rpc->user_maps.uid_map) != 0 ||
	    strcmp(gid_map, rpc->user_maps.gid_map) != 0)
		return err_say(e, EINVAL,
			       "linux.uidMappings: the mappings differ from those of the pod's "
			       "user namespace");
	return 0;
}

int shared_users(const struct rpc *rpc, int flag, struct err *e)
{
	if (!rpc->users)
		return err_say(e, ESRCH, "the pod's user namespace has ended");
	return hand_out(rpc->users, flag, e);
}

/* ---- The sysctls of the pod ---- */

static void forget_sysctls(struct rpc *rpc)
{
	for (size_t i = 0; i < rpc->n_sysctls; i++) {
		free(rpc->sysctls[i].key);
		free(rpc->sysctls[i].value);
	}
	free(take_ptr(rpc->sysctls));
	rpc->n_sysctls = 0;
}

int shared_set_sysctls(struct rpc *rpc, const Grpc__CreateSandboxRequest *req, struct err *e)
{
	int r = 0;

	forget_sysctls(rpc);
	rpc->sysctls = calloc(req->n_sysctl + 1, sizeof *rpc->sysctls);
	if (!rpc->sysctls)
		return err_sys(e, ENOMEM, "set the pod's sysctls");
	for (size_t i = 0; r == 0 && i < req->n_sysctl; i++) {
		struct shared_sysctl *s = &rpc->sysctls[rpc->n_sysctls++];

		s->key = strdup(req->sysctl[i]->key);
		s->value = strdup(req->sysctl[i]->value);
		r = s->key && s->value ? container_pod_sysctl(s->key, s->value, e)
				       : err_sys(e, ENOMEM, "set the pod's sysctls");
	}
	return r;
}

void shared_free(struct rpc *rpc)
{
	container_holder_free(take_ptr(rpc->pids));
	forget_users(rpc);
	forget_sysctls(rpc);
}
