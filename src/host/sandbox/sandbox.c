#include "host/sandbox/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "host/sandbox/inside.h"

static char *copied(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int copy_options(struct sandbox *sb, const struct sandbox_options *o, struct err *e)
{
	sb->options = *o;
	sb->options.id = strdup(o->id);
	sb->options.config_path = copied(o->config_path);
	sb->options.state_dir = copied(o->state_dir);
	sb->options.share_base = copied(o->share_base);
	if (!sb->options.id || !sb->options.config_path != !o->config_path ||
	    !sb->options.state_dir != !o->state_dir || !sb->options.share_base != !o->share_base)
		return err_sys(e, ENOMEM, "make a sandbox");
	return 0;
}

/* Whatever runs in the machine has ended with it. */
static void broke(struct sandbox *sb)
{
	(void) eventfd_write(sb->cancel_fd, 1);
	sandbox_end_processes(sb);
	if (sb->agent)
		agent_client_close(sb->agent);
	/* While EMPTY or STARTING, sandbox_start()'s job or its end has the machine torn down. */
	if (sb->state == SANDBOX_READY)
		teardown_later(sb);
}

int sandbox_new(const struct sandbox_options *options, struct sandbox **ret, struct err *e)
{
	auto_ptr(sandbox_free) struct sandbox *sb = calloc(1, sizeof *sb);

	if (!sb)
		return err_sys(e, ENOMEM, "make a sandbox");
	sb->loop = options->loop;
	sb->cancel_fd = sb->vmm_user_fd = -1;
	sb->phase_began_us = options->began_us ? options->began_us : clock_now_us();
	list_init(&sb->containers);
	list_init(&sb->jobs.waiting);
	list_init(&sb->cause.calls);
	sb->cause.broke = broke;
	(void) pthread_mutex_init(&sb->phases_lock, NULL);

	int r = copy_options(sb, options, e);

	if (r < 0)
		return r;
	sb->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sb->cancel_fd < 0)
		return err_sys(e, errno, "make a sandbox");
	r = worker_new(sb->loop, true, &sb->worker, e);
	if (r < 0)
		return r;
	*ret = take_ptr(sb);
	return 0;
}

void sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return;
	worker_free(sb->worker);
	loop_timer_cancel(sb->cause.wait);
	sandbox_end_processes(sb);
	loop_timer_cancel(sb->oom_timer);
	agent_client_free(sb->agent);
	list_for_each (pos, &sb->containers)
		guest_container_free(container_of(pos, struct guest_container, link));
	hv_free(sb->hv);
	virtiofsd_free(sb->virtiofsd);
	fd_close(sb->vmm_user_fd); /* the VMM has ended: its user is free again */
	(void) share_close(sb->share, NULL);
	config_free(sb->config);
	fd_close(sb->cancel_fd);
	(void) pthread_mutex_destroy(&sb->phases_lock);
	free((char *) sb->options.id);
	free((char *) sb->options.config_path);
	free((char *) sb->options.state_dir);
	free((char *) sb->options.share_base);
	free(sb);
}

void sandbox_changed(struct sandbox *sb)
{
	if (sb->options.changed)
		sb->options.changed(sb->options.arg);
}

void sandbox_refuse(sandbox_done_fn done, void *arg, const struct err *e)
{
	struct sandbox_answer answer = {.r = -e->code, .err = *e};

	done(arg, &answer);
}

int sandbox_check_ready(const struct sandbox *sb, struct err *e)
{
	if (sb->cause.is_known)
		return err_say(e, ECONNRESET, "the machine is gone: %s", sb->cause.why.text);
	if (sb->state != SANDBOX_READY)
		return err_say(e, EBUSY, "the sandbox is not ready for a container");
	return 0;
}

struct guest_container *sandbox_find(struct sandbox *sb, const char *id, struct err *e)
{
	list_for_each (pos, &sb->containers) {
		struct guest_container *c = container_of(pos, struct guest_container, link);

		if (strcmp(c->id, id) == 0)
			return c;
	}
	(void) err_say(e, ENOENT, "container '%s' does not exist", id);
	return NULL;
}

struct guest_process *sandbox_find_process(struct sandbox *sb, const char *id, const char *exec_id,
					   struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	if (!c)
		return NULL;
	if (!exec_id[0])
		return c->init;
	list_for_each (pos, &c->execs) {
		struct guest_process *p = container_of(pos, struct guest_process, link);

		if (strcmp(p->exec_id, exec_id) == 0)
			return p;
	}
	(void) err_say(e, ENOENT, "container '%s' has no process '%s'", id, exec_id);
	return NULL;
}

/* guest_process_lost() may free execs of the same container, never a container. */
void sandbox_end_processes(struct sandbox *sb)
{
	list_for_each (pos, &sb->containers) {
		struct guest_container *c = container_of(pos, struct guest_container, link);

		guest_process_lost(c->init);
		list_for_each (exec, &c->execs)
			guest_process_lost(container_of(exec, struct guest_process, link));
		lingers_lost(c);
	}
}

void sandbox_abort(struct sandbox *sb, const char *why)
{
	struct err e = {0};

	(void) err_say(&e, ECANCELED, "%s", why);
	if (sb->state == SANDBOX_EMPTY && list_empty(&sb->containers))
		sb->state = SANDBOX_ENDED;
	else if (sb->state != SANDBOX_ENDING && sb->state != SANDBOX_ENDED)
		cause_give_up(sb, &e);
}

bool sandbox_has_containers(const struct sandbox *sb)
{
	return !list_empty(&sb->containers);
}

bool sandbox_has_only(const struct sandbox *sb, const char *id)
{
	list_for_each (pos, &sb->containers)
		if (strcmp(container_of(pos, struct guest_container, link)->id, id) != 0)
			return false;
	return true;
}

bool sandbox_is_empty(const struct sandbox *sb)
{
	return sb->state == SANDBOX_EMPTY;
}

bool sandbox_is_ready(const struct sandbox *sb)
{
	return sb->state == SANDBOX_READY;
}

bool sandbox_is_over(const struct sandbox *sb)
{
	return sb->state == SANDBOX_ENDED && list_empty(&sb->containers);
}

bool sandbox_is_idle(const struct sandbox *sb)
{
	return jobs_are_idle(&sb->jobs);
}

void phase_end(struct sandbox *sb, const char *name)
{
	uint64_t now = clock_now_us();
	bool known = false;

	pthread_mutex_lock(&sb->phases_lock);
	for (size_t i = 0; i < sb->n_phases; i++)
		known |= strcmp(sb->phases[i].name, name) == 0;
	if (!known && sb->n_phases < SANDBOX_PHASES_MAX) {
		sb->phases[sb->n_phases++] = (struct sandbox_phase){name, now - sb->phase_began_us};
		sb->phase_began_us = now;
	}
	pthread_mutex_unlock(&sb->phases_lock);
}

uint32_t sandbox_vmm_pid(struct sandbox *sb)
{
	struct hv_info info = {0};

	if (sb->hv)
		hv_describe(sb->hv, &info);
	return (uint32_t) info.pid;
}

uint32_t sandbox_file_server_pid(struct sandbox *sb)
{
	return sb->virtiofsd ? (uint32_t) virtiofsd_pid(sb->virtiofsd) : 0;
}

void sandbox_describe(struct sandbox *sb, struct sandbox_description *ret)
{
	struct hv_info info = {.driver = ""};

	if (sb->hv)
		hv_describe(sb->hv, &info);
	*ret = (struct sandbox_description){
		.hypervisor = info.driver,
		.accelerator = hv_accel_name(info.accel),
		.vmm_pid = (uint32_t) info.pid,
	};
	memcpy(ret->accelerator_reason, info.accel_why, sizeof ret->accelerator_reason);
	pthread_mutex_lock(&sb->phases_lock);
	memcpy(ret->phases, sb->phases, sizeof ret->phases);
	ret->n_phases = sb->n_phases;
	pthread_mutex_unlock(&sb->phases_lock);
}

int sandbox_state(struct sandbox *sb, const char *id, const char *exec_id,
		  struct sandbox_process *ret, struct err *e)
{
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, e);

	if (!p)
		return -ENOENT;
	enum oci_status status = guest_process_status(p);

	*ret = (struct sandbox_process){
		.status = status,
		.bundle = p->container->bundle,
		.in = p->in,
		.out = p->out,
		.err = p->err,
		.terminal = p->terminal,
		.pid = status == OCI_STOPPED ? 0 : sandbox_vmm_pid(sb),
		.exit_status = p->exit_status,
		.exited_at = p->exited_at,
	};
	return 0;
}
