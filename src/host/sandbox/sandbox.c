#include "host/sandbox/sandbox.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/console.h"
#include "host/sandbox/container.h"
#include "host/sandbox/machine.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

static char *copied(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int copy_options(struct sandbox *sb, const struct sandbox_options *o, struct err *e)
{
	sb->options = *o;
	sb->options.id = strdup(o->id);
	sb->options.namespace = strdup(o->namespace ? o->namespace : "");
	sb->options.config_path = copied(o->config_path);
	sb->options.state_dir = copied(o->state_dir);
	sb->options.share_base = copied(o->share_base);
	if (!sb->options.id || !sb->options.namespace ||
	    !sb->options.config_path != !o->config_path ||
	    !sb->options.state_dir != !o->state_dir || !sb->options.share_base != !o->share_base)
		return err_sys(e, ENOMEM, "make a sandbox");
	return 0;
}

/* Whatever runs in the machine has ended with it. */
static void broke(struct sandbox *sb)
{
	(void) eventfd_write(sb->cancel_fd, 1);
	list_for_each (pos, &sb->containers)
		(void) eventfd_write(container_of(pos, struct guest_container, link)->cancel_fd, 1);
	sandbox_end_processes(sb);
	forwards_end(sb);
	if (sb->agent.client)
		agent_client_close(sb->agent.client);
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
	sb->cancel_fd = sb->machine.vmm_user_fd = -1;
	list_init(&sb->containers);
	list_init(&sb->loggers);
	list_init(&sb->consoles);
	forwards_init(&sb->forwards);
	(void) pthread_mutex_init(&sb->late_lock, NULL);
	list_init(&sb->jobs.waiting);
	list_init(&sb->cause.calls);
	disks_init(&sb->machine.disks);
	interfaces_init(&sb->machine.interfaces);
	sb->cause.broke = broke;
	phases_init(&sb->phases, options->began_us);

	int r = copy_options(sb, options, e);

	if (r < 0)
		return r;
	sb->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (sb->cancel_fd < 0)
		return err_sys(e, errno, "make a sandbox");
	r = worker_new(sb->loop, true, &sb->machine.worker, e);
	if (r == 0)
		r = worker_new(sb->loop, false, &sb->machine.sizer, e);
	if (r < 0)
		return r;
	*ret = take_ptr(sb);
	return 0;
}

void sandbox_free(struct sandbox *sb)
{
	if (!sb)
		return;
	worker_free(sb->machine.worker);
	worker_free(sb->machine.sizer);
	loop_timer_cancel(sb->cause.wait);
	sandbox_end_processes(sb);
	consoles_end(sb);
	forwards_end(sb);
	loop_timer_cancel(sb->agent.oom_timer);
	agent_client_free(sb->agent.client);
	list_for_each (pos, &sb->containers)
		guest_container_free(container_of(pos, struct guest_container, link));
	streaming_free(sb->streaming);
	disks_fini(&sb->machine.disks);
	loggers_kill(&sb->loggers);
	hv_free(sb->machine.hv);
	interfaces_unwatch(&sb->machine.interfaces);
	interfaces_unwatch_egress(&sb->machine.interfaces);
	interfaces_fini(&sb->machine.interfaces);
	virtiofsd_free(sb->machine.virtiofsd);
	fd_close(sb->machine.vmm_user_fd); /* the VMM has ended: its user is free again */
	(void) share_close(sb->machine.share, NULL);
	config_free(sb->machine.config);
	fd_close(sb->cancel_fd);
	phases_fini(&sb->phases);
	(void) pthread_mutex_destroy(&sb->late_lock);
	free((char *) sb->options.id);
	free((char *) sb->options.namespace);
	free((char *) sb->options.config_path);
	free((char *) sb->options.state_dir);
	free((char *) sb->options.share_base);
	free(sb);
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

bool sandbox_is_idle(const struct sandbox *sb)
{
	return jobs_are_idle(&sb->jobs) && list_empty(&sb->loggers);
}

void sandbox_describe(struct sandbox *sb, struct sandbox_description *ret)
{
	struct hv_info info = {.driver = ""};

	if (sb->machine.hv)
		hv_describe(sb->machine.hv, &info);
	*ret = (struct sandbox_description){
		.hypervisor = info.driver,
		.accelerator = hv_accel_name(info.accel),
		.vmm_pid = (uint32_t) info.pid,
		.guest_cid = info.guest_cid,
	};
	memcpy(ret->accelerator_reason, info.accel_why, sizeof ret->accelerator_reason);
	phases_copy(&sb->phases, ret);
}

void sandbox_each(const struct sandbox *sb, void (*fn)(void *arg, const char *id), void *arg)
{
	list_for_each (pos, &sb->containers)
		fn(arg, container_of(pos, struct guest_container, link)->id);
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
		.pid = status == OCI_STOPPED ? 0 : guest_container_pid(p->container),
		.exit_status = p->exit_status,
		.exited_at = p->exited_at,
	};
	return 0;
}
