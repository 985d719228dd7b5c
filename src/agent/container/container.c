#include "agent/container/container.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/container_priv.h"
#include "base/array.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "oci/names.h"
#include "oci/oci.h"

#define ID_MAX_BYTES 255

static const char *const state_names[] = {
	[CONTAINER_CREATING] = "creating", [CONTAINER_CREATED] = "created",
	[CONTAINER_STARTING] = "starting", [CONTAINER_RUNNING] = "running",
	[CONTAINER_PAUSED] = "paused",     [CONTAINER_STOPPED] = "stopped",
};
TABLE_COVERS(state_names, CONTAINER_STATE_MAX);

const char *container_state_name(enum container_state state)
{
	return state_names[state];
}

const char *container_id(const struct container *c)
{
	return c->id;
}

enum container_state container_state(const struct container *c)
{
	return c->state;
}

struct container_process *container_init(struct container *c)
{
	return &c->init;
}

int container_pack(const ProtobufCMessage *message, int *ret_fd, struct err *e)
{
	size_t bytes = protobuf_c_message_get_packed_size(message);
	auto_free uint8_t *packed = malloc(bytes + 1);

	if (!packed)
		return err_sys(e, ENOMEM, "pack a job");
	(void) protobuf_c_message_pack(message, packed);

	int fd = fd_memory("job", packed, bytes);

	if (fd < 0)
		return err_sys(e, -fd, "pack a job");
	*ret_fd = fd;
	return 0;
}

static void on_cgroup(void *arg, enum cgroup_event event)
{
	struct container *c = arg;
	container_done_fn paused = c->paused;

	switch (event) {
	case CGROUP_OOM:
		if (c->oom)
			c->oom(c->init.arg);
		return;
	case CGROUP_EMPTY:
		container_removal_step(c);
		return;
	case CGROUP_FROZEN:
		c->paused = NULL;
		if (paused)
			paused(c->paused_arg, 0, NULL);
		return;
	case CGROUP_THAWED:
		return;
	}
}

static int check_config(const struct container_config *config, struct err *e)
{
	const Grpc__Spec *spec = config->spec;
	const char *id = config->id;

	if (!id || !id[0] || strlen(id) > ID_MAX_BYTES || strchr(id, '/') || strcmp(id, ".") == 0 ||
	    strcmp(id, "..") == 0)
		return err_say(e, EINVAL, "this is not a container id");
	if (!spec || !spec->linux || !spec->process || !spec->root || !spec->root->path)
		return err_say(e, EINVAL, "the specification lacks linux, process or root.path");
	return 0;
}

static int make_cgroup(struct container *c, const Grpc__Spec *spec, struct err *e)
{
	const char *path = spec->linux->cgroupspath;
	const Grpc__LinuxResources *res = spec->linux->resources;
	int r = cgroup_make(c->host->cgroups, path && path[0] ? path : c->id, &c->cgroup, e);

	if (r == 0)
		r = cgroup_watch(c->cgroup, c->host->loop, on_cgroup, c, e);
	if (r == 0 && res)
		r = cgroup_limit(c->cgroup, res, e);
	if (r == 0)
		r = cgroup_set_devices(c->cgroup, res, e);
	return r;
}

static int read_personality(struct container *c, const Grpc__Spec *spec, struct err *e)
{
	const Grpc__LinuxPersonality *p = spec->linux->personality;
	int64_t number = !p ? 0 : p->domain ? oci_personality(p->domain) : -1;

	if (number < 0)
		return err_say(e, EINVAL, "linux.personality.domain: unknown domain '%.64s'",
			       p->domain ? p->domain : "");
	if (p && p->n_flags > 0)
		return err_say(e, ENOTSUP, "linux.personality.flags: the specification knows none");
	c->personality = (uint32_t) number;
	return 0;
}

static int read_user_namespace(struct container *c, const struct container_config *config,
			       struct err *e)
{
	const Grpc__Linux *l = config->spec->linux;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		const Grpc__LinuxNamespace *ns = l->namespaces[i];

		if (!ns->type || strcmp(ns->type, "user") != 0)
			continue;
		c->has_userns = true;
		if ((ns->path && ns->path[0]) || config->user_ns >= 0)
			continue;

		int r = oci_id_map_print(l->uidmappings, l->n_uidmappings, &c->uid_map, e);

		return r < 0 ? r
			     : oci_id_map_print(l->gidmappings, l->n_gidmappings, &c->gid_map, e);
	}
	return 0;
}

/* A copy of those parts of @p that an exec process may leave out. */
static Grpc__Process *copy_defaults(const Grpc__Process *p)
{
	Grpc__Process part = GRPC__PROCESS__INIT;

	part.capabilities = p->capabilities;
	part.rlimits = p->rlimits;
	part.n_rlimits = p->n_rlimits;
	part.has_oomscoreadj = p->has_oomscoreadj;
	part.oomscoreadj = p->oomscoreadj;

	size_t bytes = grpc__process__get_packed_size(&part);
	auto_free uint8_t *packed = malloc(bytes + 1);

	return packed ? grpc__process__unpack(NULL, grpc__process__pack(&part, packed), packed)
		      : NULL;
}

static struct container *container_new(struct container_host *host,
				       const struct container_config *config)
{
	struct container *c = calloc(1, sizeof *c);
	const Grpc__Hooks *hooks = config->spec->hooks;

	if (!c)
		return NULL;
	c->host = host;
	c->spec_fd = c->filter_fd = -1;
	c->hooks = WORKER_NONE;
	list_init(&c->execs);
	container_process_init(&c->init, c);
	c->init.exited = config->exited;
	c->init.arg = config->arg;
	c->oom = config->oom;
	c->has_poststart = hooks && hooks->n_poststart > 0;
	c->has_poststop = hooks && hooks->n_poststop > 0;
	c->id = strdup(config->id);
	c->bundle = strdup(config->bundle ? config->bundle : "");
	c->defaults = copy_defaults(config->spec->process);
	if (!c->id || !c->bundle || !c->defaults) {
		container_free(c);
		return NULL;
	}
	return c;
}

/* On a host with AppArmor engines give every container a profile, and upstream's runtime passes it
 * on, though it is meant for the host's kernel: a warning is enough. The child refuses SELinux
 * labels, because upstream sends one only when the guest should enforce it. */
static void warn_of_profile(const struct container_config *config)
{
	const char *profile = config->spec->process ? config->spec->process->apparmorprofile : NULL;

	if (profile && profile[0] && strcmp(profile, "unconfined") != 0)
		log_warn("container '%s': ignoring process.apparmorProfile '%s': the guest has no "
			 "AppArmor",
			 config->id, profile);
}

int container_create(struct container_host *host, const struct container_config *config,
		     container_done_fn done, void *arg, struct container **ret, struct err *e)
{
	int r = check_config(config, e);

	if (r < 0)
		return r;

	auto_ptr(container_free) struct container *c = container_new(host, config);

	if (!c)
		return err_sys(e, ENOMEM, "make container '%s'", config->id);
	if ((r = read_user_namespace(c, config, e)) < 0 ||
	    (r = read_personality(c, config->spec, e)) < 0 ||
	    (r = container_pack(&config->spec->base, &c->spec_fd, e)) < 0 ||
	    (r = make_cgroup(c, config->spec, e)) < 0 || (r = container_spawn(c, config, e)) < 0)
		return err_wrap(e, r, "make container '%s'", config->id);
	warn_of_profile(config);
	c->init.done = done;
	c->init.done_arg = arg;
	*ret = take_ptr(c);
	return 0;
}

static int busy(const struct container *c, const char *verb, struct err *e)
{
	return err_say(e, EBUSY, "cannot %s container '%s': it is %s", verb, c->id,
		       c->removing ? "being removed" : container_state_name(c->state));
}

int container_start(struct container *c, container_done_fn done, void *arg, struct err *e)
{
	if (c->state != CONTAINER_CREATED || c->removing)
		return busy(c, "start", e);

	int r = worker_tell(&c->init.worker, STEP_GO, e);

	if (r < 0)
		return err_wrap(e, r, "start container '%s'", c->id);
	c->state = CONTAINER_STARTING;
	c->init.done = done;
	c->init.done_arg = arg;
	return 0;
}

int container_pause(struct container *c, container_done_fn done, void *arg, struct err *e)
{
	if (c->state != CONTAINER_RUNNING || c->removing)
		return busy(c, "pause", e);

	int r = cgroup_freeze(c->cgroup, true, e);

	if (r < 0)
		return err_wrap(e, r, "pause container '%s'", c->id);
	c->state = CONTAINER_PAUSED;
	c->paused = done;
	c->paused_arg = arg;
	return 0;
}

int container_resume(struct container *c, struct err *e)
{
	if (c->state != CONTAINER_PAUSED || c->removing)
		return busy(c, "resume", e);

	int r = cgroup_freeze(c->cgroup, false, e);

	if (r < 0)
		return err_wrap(e, r, "resume container '%s'", c->id);
	c->state = CONTAINER_RUNNING;
	return 0;
}

int container_update(struct container *c, const Grpc__LinuxResources *res, struct err *e)
{
	if (!c->cgroup)
		return busy(c, "update", e);

	int r = cgroup_limit(c->cgroup, res, e);

	if (r == 0 && res->n_devices > 0)
		r = cgroup_set_devices(c->cgroup, res, e);
	return err_wrap(e, r, "update container '%s'", c->id);
}

int container_stats(struct container *c, Grpc__CgroupStats **ret, struct err *e)
{
	if (!c->cgroup)
		return busy(c, "measure", e);
	return err_wrap(e, cgroup_stats(c->cgroup, ret, e), "measure container '%s'", c->id);
}

int container_signal_all(struct container *c, int signo, struct err *e)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r;

	if (!c->cgroup)
		return busy(c, "signal", e);
	if (signo == SIGKILL)
		r = cgroup_kill(c->cgroup, e);
	else if ((r = cgroup_pids(c->cgroup, &pids, &n, e)) == 0)
		for (size_t i = 0; i < n; i++)
			/* ESRCH: the process has ended meanwhile. Its pid is not reused so soon,
			 * because the kernel hands out pids in turn. */
			if (kill(pids[i], signo) < 0 && errno != ESRCH)
				r = r < 0 ? r : err_sys(e, errno, "signal process %d", pids[i]);
	return err_wrap(e, r, "signal container '%s'", c->id);
}
