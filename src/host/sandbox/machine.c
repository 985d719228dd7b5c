/* The machine and its helpers: made, described, started. */
#include "host/sandbox/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/process.h"
#include "host/template/machine.h"
#include "host/template/template.h"

static void helper_is_gone(struct sandbox *sb, enum cause_rank rank, const struct err *why)
{
	struct err told = *why;

	if (cgroups_explain(sb, &told))
		oom_of_machine(sb);
	cause_report(sb, rank, &told);
}

static void vmm_is_gone(void *arg, const struct err *why)
{
	helper_is_gone(arg, CAUSE_VMM, why);
}

/* The agent's first line ends the kernel's phase. Firmware may have begun the same line. */
static void console_line(void *arg, const char *line)
{
	struct sandbox *sb = arg;

	if (strstr(line, "kata-agent "))
		phase_end(&sb->phases, "guest kernel");
	log_debug("guest: %s", line);
}

/* Loop. */
static int make_hv(void *arg, struct err *e)
{
	struct sandbox *sb = arg;
	const struct sandbox_options *o = &sb->options;
	int r = o->make_hv
			? o->make_hv(o->make_hv_arg, sb->loop, &sb->machine.hv, e)
			: hv_new(sb->machine.config->hypervisor.name, sb->loop, &sb->machine.hv, e);

	if (r == 0) {
		hv_on_exit(sb->machine.hv, vmm_is_gone, sb);
		hv_on_console(sb->machine.hv, console_line, sb);
	}
	return r;
}

static void virtiofsd_is_gone(void *arg, const struct err *why)
{
	helper_is_gone(arg, CAUSE_FILE_SERVER, why);
}

/* Loop. */
static int make_virtiofsd(void *arg, struct err *e)
{
	struct sandbox *sb = arg;
	int r = virtiofsd_new(sb->loop, &sb->machine.virtiofsd, e);

	if (r == 0)
		virtiofsd_on_exit(sb->machine.virtiofsd, virtiofsd_is_gone, sb);
	return r;
}

/* *@ret_fd is the caller's. */
static int start_virtiofsd(struct sandbox *sb, int *ret_fd, struct err *e)
{
	const struct config_hypervisor *c = &sb->machine.config->hypervisor;
	const struct virtiofsd_spec spec = {
		.program = c->virtio_fs_daemon,
		.source = share_export_path(sb->machine.share),
		.private_dir = share_private_path(sb->machine.share),
		.cache = c->virtio_fs_cache,
		.extra_args = (const char *const *) c->virtio_fs_extra_args.items,
		.n_extra_args = c->virtio_fs_extra_args.n,
	};

	log_debug("step: start virtiofsd");

	int r = worker_on_loop(sb->machine.worker, make_virtiofsd, sb, e);

	return r < 0 ? r : virtiofsd_start(sb->machine.virtiofsd, &spec, ret_fd, e);
}

/* Attaches the share to the machine that was created; @fd is
 * virtiofsd's socket, or -1 if the VMM serves the files itself (9p). */
static int attach_share(struct sandbox *sb, int fd, msec_t deadline, struct err *e)
{
	const struct config_hypervisor *c = &sb->machine.config->hypervisor;
	struct device share = {.id = "share"};

	if (fd < 0) {
		share.kind = DEVICE_9P;
		share.nine_p = (struct device_9p){
			.tag = SHARE_TAG,
			.path = share_export_path(sb->machine.share),
		};
	} else {
		share.kind = DEVICE_VIRTIO_FS;
		share.virtio_fs = (struct device_virtio_fs){
			.tag = SHARE_TAG,
			.socket_fd = fd,
			.queue_size = c->virtio_fs_queue_size,
		};
	}
	return hv_attach(sb->machine.hv, &share, deadline, &sb->machine.share_at, e);
}

/* Starts what serves the share's files, if it is not the VMM. *@ret_fd is the caller's, or -1. */
static int serve_share(struct sandbox *sb, int *ret_fd, struct err *e)
{
	switch (sb->machine.config->hypervisor.shared_fs) {
	case CONFIG_SHARED_FS_VIRTIO_9P:
		return 0;
	case CONFIG_SHARED_FS_NONE:
		return err_say(e, ENOTSUP,
			       "shared_fs \"none\" is not supported yet: the root of a "
			       "container cannot be shown to the guest");
	default:
		return start_virtiofsd(sb, ret_fd, e);
	}
}

static const char *agent_params(const struct machine *m, char buf[MACHINE_PARAMS_BYTES])
{
	struct machine_server server;

	if (!m->virtiofsd)
		return machine_agent_params(&m->config->agent, NULL, buf);
	server = (struct machine_server){
		.appends = virtiofsd_appends(m->virtiofsd),
		.files_max = virtiofsd_files_max(m->virtiofsd),
	};
	return machine_agent_params(&m->config->agent, &server, buf);
}

/* What the machine needs at its start. One that cannot grow must have room for all containers that
 * will come. */
static struct machine_need first_need(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	const struct pod_limits pod = pod_limits_read(spec->annotations, spec->n_annotations);
	struct machine_need need;

	if (!sb->options.lone && !sb->machine.may_grow && machine_need_of_pod(&pod, &need))
		return need;
	return machine_need(spec->resources);
}

static struct machine_size first_size(const struct sandbox *sb, const struct machine_need *need)
{
	const struct host_size host = host_size();

	return machine_size(&sb->machine.config->hypervisor, need, &host);
}

/* Whether the machine is as large as one of which nothing more is asked, as templates are. */
static bool has_usual_size(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	const struct machine_need nothing = machine_need(NULL), need = first_need(sb, spec);
	struct machine_size usual = first_size(sb, &nothing), own = first_size(sb, &need);

	return own.vcpus == usual.vcpus && own.memory_bytes == usual.memory_bytes;
}

static void describe_machine(struct sandbox *sb, const struct sandbox_spec *spec,
			     struct vm_spec *vm)
{
	const struct config_hypervisor *c = &sb->machine.config->hypervisor;
	struct host_size host = host_size();
	struct machine_need need = first_need(sb, spec);
	struct machine_size size = first_size(sb, &need);
	struct machine_size most = machine_size_most(c, &host);

	machine_describe(sb->machine.config, &size, sb->machine.may_grow ? &most : NULL, vm);
	vm->id = sb->options.id;
}

/* Makes the VMM of the machine, and the server of its files. *@ret_share is as serve_share() has
 * it. */
static int create_machine(struct sandbox *sb, const struct sandbox_spec *spec, int *ret_share,
			  struct err *e)
{
	char params[MACHINE_PARAMS_BYTES];
	int cgroup_fds[VM_CGROUPS_MAX];
	struct vm_spec vm;
	int r = worker_on_loop(sb->machine.worker, make_hv, sb, e);

	if (r < 0)
		return r;
	describe_machine(sb, spec, &vm);
	r = machine_claim_user(&vm, &sb->machine.vmm_user_fd, e);
	if (r == 0)
		r = serve_share(sb, ret_share, e);
	vm.agent_params = agent_params(&sb->machine, params);
	vm.cgroup_fds = cgroup_fds;
	if (r == 0)
		r = cgroups_open_vmm(sb, cgroup_fds, &vm.n_cgroup_fds, e);
	if (r == 0)
		r = hv_create(sb->machine.hv, &vm, e);
	for (size_t i = 0; i < vm.n_cgroup_fds; i++)
		fd_close(cgroup_fds[i]);
	return r;
}

static int open_template(struct sandbox *sb, const struct sandbox_spec *spec, struct hv_saved *ret,
			 struct err *e)
{
	const struct machine *m = &sb->machine;
	char key[HV_KEY_BYTES];
	int r = hv_key(m->hv, key, e);

	if (r < 0)
		return r;
	r = template_open(m->config->hypervisor.template_path, key, ret, e);
	if ((r == -ENOENT || r == -EIO) && has_usual_size(sb, spec))
		memcpy(sb->machine.missed, key, sizeof key);
	return r;
}

/* Has the machine that was created go on from a template, if there is one for it. */
static void use_template(struct sandbox *sb, const struct sandbox_spec *spec, struct hv_saved *ret)
{
	struct machine *m = &sb->machine;
	struct err e = {0};
	int r = open_template(sb, spec, ret, &e);

	if (r == 0)
		r = hv_load(m->hv, ret, &e);
	m->from_template = r == 0;
	if (r < 0) {
		(void) err_wrap(&e, 0, "the machine boots, and does not start from a template");
		log_err(LOG_WARN, &e, "ignoring");
	}
}

static int attach_all(struct sandbox *sb, int share_fd, msec_t deadline, struct err *e)
{
	int r = attach_share(sb, share_fd, deadline, e);

	if (r == 0)
		r = disks_attach(&sb->machine.disks, sb->machine.hv, deadline, e);
	if (r == 0)
		r = interfaces_update(&sb->machine.interfaces, sb->machine.hv, deadline, e);
	return r;
}

int machine_start(struct sandbox *sb, const struct sandbox_spec *spec, bool may_load,
		  msec_t deadline, struct err *e)
{
	auto_template struct hv_saved template = TEMPLATE_NONE;
	auto_close int share_fd = -1;
	int r = create_machine(sb, spec, &share_fd, e);

	if (r == 0 && may_load)
		use_template(sb, spec, &template);
	if (may_load && !sb->machine.from_template)
		(void) cause_end_trial(sb, sb->machine.worker);
	if (r == 0)
		r = attach_all(sb, share_fd, deadline, e);
	phase_end(&sb->phases, "runtime");
	if (r == 0) {
		log_debug("step: start the machine");
		r = hv_start(sb->machine.hv, deadline, e);
	}
	if (r == 0)
		r = cgroups_place_vcpus(sb, deadline, e);
	if (r == 0)
		disks_started(&sb->machine.disks);
	phase_end(&sb->phases, "vmm start");
	return r;
}

uint32_t sandbox_vmm_pid(struct sandbox *sb)
{
	struct hv_info info = {0};

	if (sb->machine.hv)
		hv_describe(sb->machine.hv, &info);
	return (uint32_t) info.pid;
}

uint32_t sandbox_file_server_pid(struct sandbox *sb)
{
	return sb->machine.virtiofsd ? (uint32_t) virtiofsd_pid(sb->machine.virtiofsd) : 0;
}
