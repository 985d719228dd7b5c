#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/container.h"
#include "host/sandbox/fit.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"
#include "host/sandbox/rootfs.h"
#include "host/sandbox/siblings.h"
#include "host/spec/spec.h"
#include "host/state/run_dir.h"
#include "host/storage/direct_volume.h"

/* A spec that came with the container is there already. */
static int read_bundle(struct guest_container *c, struct err *e)
{
	auto_free char *path = NULL;

	if (c->spec)
		return 0;
	path = str_printf("%s/config.json", c->bundle);
	return path ? oci_spec_read(path, &c->spec, e) : err_sys(e, ENOMEM, "read config.json");
}

static int judge(struct guest_container *c, const struct sandbox_container *rules, struct err *e)
{
	int r = rules->complete ? rules->complete(rules->complete_arg, c->spec, e) : 0;

	if (r == 0 && rules->check)
		r = rules->check(c->spec, e);
	return r < 0 ? r : oci_spec_check(c->spec, e);
}

/* Uses the spec that was checked and saved when the container was requested, because the bundle may
 * have changed since. Without a saved spec the server reads the bundle's here, once. */
static int read_spec(struct guest_container *c, const struct sandbox_container *rules,
		     struct err *e)
{
	const struct sandbox_options *o = &c->sb->options;
	auto_close int dir = -1;
	int r;

	if (!o->state_dir || strcmp(o->id, c->id) != 0 || c->spec) {
		r = read_bundle(c, e);
		return r < 0 ? r : judge(c, rules, e);
	}
	dir = open(o->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open '%s'", o->state_dir);

	bool saved = faccessat(dir, OCI_SAVED_NAME, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

	r = saved ? oci_spec_saved(dir, &c->spec, e) : read_bundle(c, e);
	if (r == 0)
		r = judge(c, rules, e);
	/* Save now, because guest_spec_make() rewrites the spec in place. */
	if (r == 0 && !saved)
		r = oci_spec_save(dir, c->spec, e);
	return r;
}

/* Into the machine of another container, which is no pod's. */
static bool comes_later(const struct guest_container *c)
{
	return c->siblings && c->sb->options.lone;
}

/* Shares the container's root and mounts with the guest, and rewrites its spec for it. */
static int lend(struct guest_container *c, struct err *e)
{
	struct sandbox *sb = c->sb;
	auto_free char *direct_volumes = run_dir_path(RUN_DIR, DIRECT_VOLUME_BASE);
	const struct guest_rules rules = {
		.container_id = c->id,
		.bundle = c->bundle,
		.share = sb->machine.share,
		.disks = &sb->machine.disks.lender,
		.no_block_devices = sb->machine.config->hypervisor.disable_block_device_use,
		.direct_volumes = direct_volumes,
		.sandbox_id = sb->options.id,
		.volumes = &c->volumes,
		.root_mounts = c->rootfs,
		.n_root_mounts = rootfs_is_guests(c) ? c->n_rootfs : 0,
		.terminal = c->init->terminal,
		.drop_seccomp = sb->machine.config->runtime.disable_guest_seccomp,
		.shm = &sb->machine.shm,
		/* The first, which others may join; where it holds the pod, its /dev/shm is
		 * the pod's anyway. */
		.lends_shm = !c->siblings,
		.siblings = c->siblings ? c->siblings->list : NULL,
		.n_siblings = c->siblings ? c->siblings->n : 0,
		.ret_joined = &c->joined,
	};

	if (!direct_volumes)
		return err_sys(e, ENOMEM, "look for direct volumes");

	int r = c->holds_pod ? guest_holder_make(&rules, c->spec, &c->hooks, e)
			     : guest_spec_make(&rules, c->spec, &c->hooks, e);

	if (r == 0 && comes_later(c) && !c->joined.any)
		return err_say(e, EPERM,
			       "the machine of a lone container takes only those that share its "
			       "namespaces");
	return r;
}

int guest_container_lend(struct guest_container *c, struct err *e)
{
	bool here = !rootfs_is_guests(c);

	if (c->lent)
		return 0;

	int r = c->holds_pod || !here ? 0 : rootfs_mount(c, e);

	if (r < 0)
		return r;
	r = comes_later(c) ? late_lend(c, lend, e) : lend(c, e);
	c->lent = r == 0;
	/* The share has a mount of its own of what was shared. */
	if (here)
		rootfs_unmount(c);
	return r;
}

/* Refuses fields that the agent does not know, because it would skip them silently. */
static int check_extensions(struct guest_container *c, struct err *e)
{
	char path[128];

	if (!c->sb->agent.knows_oci_1_2 && oci_extension_find(&c->spec->base, path, sizeof path))
		return err_say(e, ENOTSUP, "%s: the agent in the guest does not know this field",
			       path);
	return 0;
}

/* A larger spec goes to the guest without annotations, because a frame to the agent has at most 4
 * MiB and many small annotations take several times their size once the agent has unpacked them. */
#define GUEST_SPEC_BYTES (1U << 20)

/* The guest needs annotations only for the state that a startContainer hook gets. */
static bool needs_no_annotations(const Grpc__Spec *spec)
{
	return (!spec->hooks || spec->hooks->n_startcontainer == 0) &&
	       grpc__spec__get_packed_size(spec) > GUEST_SPEC_BYTES;
}

static bool is_holder(const struct guest_container *c, const char *id)
{
	const struct guest_sibling *holder = c->siblings->holder;

	return holder && strcmp(holder->id, id) == 0;
}

/* Whose user namespace the container is to have: the pod's, or that of one container of it. */
static int share_users(struct guest_container *c, Grpc__CreateContainerRequest *create,
		       struct err *e)
{
	char *of = c->joined.user_of;

	if (!of)
		return 0;
	if (!c->sb->agent.knows_users)
		return err_say(e, ENOTSUP,
			       "the agent in the guest cannot give it the user namespace of "
			       "container '%s'",
			       of);
	if (is_holder(c, of))
		create->sandbox_userns = true;
	else
		create->userns_of = of;
	return 0;
}

/* Whose process ids the container is to see: the pod's, or those of one container of it. */
static int share_pids(struct guest_container *c, Grpc__CreateContainerRequest *create,
		      struct err *e)
{
	char *of = c->joined.pid_of;

	if (!of)
		return 0;
	if (is_holder(c, of)) {
		create->sandbox_pidns = true;
		return 0;
	}
	if (!c->sb->agent.knows_pods)
		return err_say(e, ENOTSUP,
			       "the agent in the guest cannot let it see the processes of "
			       "container '%s'",
			       of);
	create->pidns_of = of;
	return 0;
}

/* Lists what the agent mounts for the container, and which disks are nodes in it. Both lists are
 * freed with free(). */
static int list_volumes(struct guest_container *c, Grpc__CreateContainerRequest *create,
			Grpc__Storage ***ret_storages, Grpc__Device ***ret_devices, struct err *e)
{
	size_t n = 1;

	list_for_each (pos, &c->volumes)
		n++;
	create->storages = *ret_storages = calloc(n, sizeof **ret_storages);
	create->devices = *ret_devices = calloc(n, sizeof **ret_devices);
	if (!*ret_storages || !*ret_devices)
		return err_sys(e, ENOMEM, "list the storages");
	list_for_each (pos, &c->volumes) {
		struct volume *v = container_of(pos, struct volume, link);
		int r = v->disk ? disk_find_in_guest(v, e) : 0;

		if (r < 0)
			return r;
		if (v->storage)
			create->storages[create->n_storages++] = v->storage;
		if (v->device)
			create->devices[create->n_devices++] = v->device;
	}
	return 0;
}

/* In a machine in which no container holds a pod. */
static bool is_beside(const struct guest_container *c)
{
	return c->siblings && !c->siblings->holder;
}

/* Of a container that joins another one's machine every namespace is that of the container which
 * its spec names, or new. In a pod they are the pod's, and with an agent that knows no other. */
static int share_others(struct guest_container *c, Grpc__CreateContainerRequest *create,
			struct err *e)
{
	if (!is_beside(c))
		return 0;
	if (!c->sb->agent.knows_pods && comes_later(c))
		return err_say(e, ENOTSUP,
			       "the agent in the guest cannot give a container namespaces of "
			       "another one");
	if (!c->sb->agent.knows_pods)
		return 0;
	create->ipcns_of = c->joined.ipc_of ? c->joined.ipc_of : c->id;
	create->utsns_of = c->joined.uts_of ? c->joined.uts_of : c->id;
	return 0;
}

static int create_in_guest(struct guest_container *c, struct err *e)
{
	struct sandbox *sb = c->sb;
	Grpc__CreateContainerRequest create = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec without = *c->spec; /* a shallow copy, which owns nothing */
	auto_free Grpc__Storage **storages = NULL;
	auto_free Grpc__Device **devices = NULL;
	msec_t deadline = clock_deadline(sb->machine.config->agent.create_container_timeout_ms);

	without.n_annotations = 0;
	create.container_id = c->id;
	create.oci = needs_no_annotations(c->spec) ? &without : c->spec;

	int r = share_users(c, &create, e);

	if (r == 0)
		r = share_pids(c, &create, e);
	if (r == 0)
		r = share_others(c, &create, e);
	if (r == 0)
		r = list_volumes(c, &create, &storages, &devices, e);
	if (r < 0)
		return r;
	log_debug("step: create the container");
	r = container_ask(c, "CreateContainer", &create.base, deadline, e);

	/* A create that nobody waits for any more may go on in the guest. */
	c->in_guest = r == 0 || r == -ETIMEDOUT || r == -ECANCELED;
	return r;
}

/* Whether the container is still to be made, and can be. Loop. */
static int check_wanted(void *arg, struct err *e)
{
	const struct guest_container *c = arg;

	if (c->given_up.code) {
		*e = c->given_up;
		return -e->code;
	}
	return sandbox_check_ready(c->sb, e);
}

static int begin_standin(void *arg, struct err *e)
{
	const struct guest_standin_form *form = arg;
	struct guest_container *c = container_of(form->view, struct guest_container, view);

	return guest_standin_begin(&c->standin, form, e);
}

static int make_standin(struct guest_container *c, struct err *e)
{
	const Grpc__Process *p = c->spec->process;
	struct guest_standin_form form;

	if (!c->sb->options.has_standins)
		return 0;
	log_debug("step: make the stand-in");

	int r = guest_standin_form_make(&form, &c->view, p->args, p->n_args, e);

	if (r == 0)
		r = worker_on_loop(c->worker, begin_standin, &form, e);
	guest_standin_form_fini(&form);
	return r < 0 ? r : guest_standin_await(&c->standin, e);
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

/* The stand-in was signalled, or killed: so is the container. */
static void signalled(void *arg, uint32_t signo)
{
	struct guest_container *c = arg;

	if (signo == SIGKILL)
		log_info("who stands in for '%s' is gone: killing it", c->id);
	sandbox_kill(c->sb, c->id, "", signo, false, ignore, NULL);
}

/* The guest has created the container: relays its output from now on. Loop. */
static int commit(void *arg, struct err *e)
{
	struct guest_container *c = arg;
	struct guest_process *init = c->init;

	if (c->given_up.code) {
		*e = c->given_up;
		return -e->code;
	}
	init->status = OCI_CREATED;
	if (c->sb->cause.is_known) {
		guest_process_lost(init);
		return 0;
	}

	int r = c->holds_pod ? 0 : guest_process_attach(init, e);

	if (r == 0 && c->standin.pid)
		r = guest_standin_watch(&c->standin, c->sb->loop, signalled, c, e);
	if (r < 0)
		init->status = OCI_CREATING;
	else
		guest_process_send_size(init);
	return r;
}

static int create_steps(struct guest_container *c, struct err *e)
{
	int r = worker_on_loop(c->worker, check_wanted, c, e);

	if (r == 0)
		r = guest_container_lend(c, e);
	if (r == 0)
		r = check_extensions(c, e);
	if (r == 0)
		r = hooks_before(c, e);
	/* Docker fills the network namespace by a hook. */
	if (r == 0 && c->hooks)
		r = interfaces_refresh(c->sb, c->worker, e);
	if (r == 0 && !c->holds_pod)
		r = create_in_guest(c, e);
	if (r == 0)
		r = room_make(c, e);
	if (r == 0)
		r = make_standin(c, e);
	if (r < 0)
		return r;
	phase_end(&c->sb->phases, "container");
	return worker_on_loop(c->worker, commit, c, e);
}

/* Undoes what a failed create has made. */
static void undo_create(struct guest_container *c)
{
	struct err e = {0};

	hooks_stopped(c);
	close_room(c);
	remove_from_guest(c);
	if (c->sb->machine.share && volumes_release(&c->volumes, c->sb->machine.share,
						    &c->sb->machine.disks.lender, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

static int create_run(struct worker_job *job, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	int r;

	if (j->refusal.code) {
		*e = j->refusal;
		r = -e->code;
	} else {
		r = create_steps(j->c, e);
	}
	if (r < 0)
		undo_create(j->c);
	return r;
}

static void create_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	struct sandbox_answer answer = {.pid = guest_container_pid(c)};

	c->init->busy = c->creating = false;
	c->cancel_fd = fd_close(c->cancel_fd);
	siblings_free(c);
	if (r < 0 && c->given_up.code) { /* a hook that was ended knows no reason */
		*e = c->given_up;
		r = -e->code;
	}
	answer.r = err_wrap(e, r, "create container '%s'", c->id);
	answer.err = *e;
	if (r < 0) {
		guest_container_free(c);
		machine_shrink(sb);
	}
	log_debug("step: answer create");
	j->done(j->arg, &answer);
	free(j);
	if (answer.r == 0)
		after_create(c, NULL);
	sandbox_changed(sb);
}

/* The machine has room for the container, or cannot have it. */
static void has_room(void *arg, const struct sandbox_answer *answer)
{
	struct container_job *j = arg;

	if (answer->r < 0)
		j->refusal = answer->err;
	container_job_queue(j, create_run, create_done);
}

static void begin_create(struct guest_container *c, struct container_job *j)
{
	if (sandbox_check_ready(c->sb, &j->refusal) == 0)
		machine_fit(c->sb, has_room, j);
	else
		container_job_queue(j, create_run, create_done);
}

void guest_container_go_on(struct guest_container *c)
{
	struct container_job *j = take_ptr(c->awaits_machine);

	if (j)
		begin_create(c, j);
}

void sandbox_hold_pod(struct sandbox *sb, const char *id)
{
	struct guest_container *c = sandbox_find(sb, id, NULL);

	assert(c && sb->state == SANDBOX_EMPTY);
	c->holds_pod = true;
}

/* A sandbox that has ended meanwhile is told by the job, because it also undoes what there is. */
void sandbox_create_container(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct guest_container *c = sandbox_find(sb, id, &e);
	struct container_job *j = c ? container_job_new(c, done, arg) : NULL;

	if (c && !j)
		(void) err_sys(&e, ENOMEM, "create container '%s'", id);
	else if (c)
		(void) siblings_note(c, &e);
	if (e.code) {
		free(j);
		guest_container_free(c);
		sandbox_refuse(done, arg, &e);
		return;
	}
	if (sb->state == SANDBOX_STARTING)
		c->awaits_machine = j;
	else
		begin_create(c, j);
}

/* ---- Add ---- */

static int add_run(struct worker_job *job, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	int r = read_spec(c, &j->rules, e);

	/* What the container prints must not come before its logger is ready. */
	if (r == 0 && c->init->logger)
		r = logger_await(c->init->logger, clock_deadline(LOGGER_READY_MS), e);
	return r;
}

static void add_done(struct worker_job *job, int r, struct err *e)
{
	struct container_job *j = container_of(job, struct container_job, job.job);
	struct guest_container *c = j->c;
	struct sandbox *sb = c->sb;
	struct sandbox_answer answer = {.spec = c->spec};

	if (c->given_up.code) {
		*e = c->given_up;
		r = -e->code;
	}
	answer.r = err_wrap(e, r, "create container '%s'", c->id);
	answer.err = *e;
	if (r == 0) {
		c->counts = true;
		c->need = machine_need(c->spec->linux ? c->spec->linux->resources : NULL);
	} else {
		guest_container_free(c);
		if (sb->state == SANDBOX_EMPTY && list_empty(&sb->containers))
			sb->state = SANDBOX_ENDED;
	}
	j->done(j->arg, &answer);
	free(j);
	sandbox_changed(sb);
}

static int may_add(struct sandbox *sb, const struct sandbox_container *new, struct err *e)
{
	int r = oci_id_check(new->id, e);

	if (r < 0)
		return r;
	if (sandbox_find(sb, new->id, NULL))
		return err_say(e, EEXIST, "container '%s' exists", new->id);
	if (new->bundle[0] != '/')
		return err_say(e, EINVAL, "bundle '%s' is not an absolute path", new->bundle);
	if ((sb->state == SANDBOX_EMPTY || sb->state == SANDBOX_STARTING) && !sb->cause.is_known)
		return 0;
	return sandbox_check_ready(sb, e);
}

static int container_new(struct sandbox *sb, const struct sandbox_container *new,
			 struct guest_container **ret, struct err *e)
{
	auto_ptr(guest_container_free) struct guest_container *c = calloc(1, sizeof *c);

	if (!c) {
		oci_spec_free(new->take_spec);
		return err_sys(e, ENOMEM, "make a container");
	}
	list_init(&c->link);
	list_init(&c->execs);
	list_init(&c->lingers);
	list_init(&c->volumes);
	list_init(&c->oom_waits);
	list_init(&c->after_create);
	c->sb = sb;
	c->joined = GUEST_JOINED_NONE;
	c->creating = true;
	c->cancel_fd = -1;
	c->view = VIEW_NONE;
	c->standin = GUEST_STANDIN_NONE;
	c->spec = new->take_spec;
	c->id = strdup(new->id);
	c->bundle = strdup(new->bundle);
	if (!c->id || !c->bundle)
		return err_sys(e, ENOMEM, "make a container");
	c->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->cancel_fd < 0)
		return err_sys(e, errno, "make a container");

	int r = guest_process_new(c, "", &new->stdio, &c->init, e);

	if (r == 0)
		r = guest_process_open(c->init, e);
	if (r == 0)
		r = worker_new(sb->loop, false, &c->own_worker, e);
	if (r == 0)
		r = rootfs_keep(c, new->rootfs, new->n_rootfs, e);
	if (r < 0)
		return r;
	c->init->status = OCI_CREATING;
	c->init->busy = true;
	*ret = take_ptr(c);
	return 0;
}

void sandbox_add_container(struct sandbox *sb, const struct sandbox_container *new,
			   sandbox_done_fn done, void *arg)
{
	struct err e = {0};
	struct guest_container *c = NULL;
	struct container_job *j = NULL;
	int r = may_add(sb, new, &e);

	if (r < 0) {
		for (int i = 0; i < 3; i++)
			fd_close(new->stdio.fds[i]);
		oci_spec_free(new->take_spec);
	} else {
		r = container_new(sb, new, &c, &e);
	}
	if (r == 0 && !(j = container_job_new(c, done, arg)))
		r = err_sys(&e, ENOMEM, "make a container");
	if (r < 0) {
		guest_container_free(c);
		(void) err_wrap(&e, 0, "create container '%s'", new->id);
		sandbox_refuse(done, arg, &e);
		return;
	}
	j->rules = (struct sandbox_container){
		.check = new->check,
		.complete = new->complete,
		.complete_arg = new->complete_arg,
	};
	list_add(&sb->containers, &c->link);
	container_job_queue(j, add_run, add_done);
}
