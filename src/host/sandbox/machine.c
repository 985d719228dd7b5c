/* The machine and its helpers: made, described, started. */
#include "host/sandbox/machine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/confine/ids.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/process.h"
#include "host/state/run_dir.h"

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
	return hv_attach(sb->machine.hv, &share, deadline, NULL, e);
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

static const char *set(const char *text)
{
	return text && text[0] ? text : NULL;
}

/* Claims a user and group for the VMM that nothing else uses. A server that is not root cannot. */
static int choose_user(struct machine *m, struct vm_spec *vm, struct err *e)
{
	if (geteuid() != 0 || m->vmm_user_fd >= 0)
		return 0;

	auto_free char *dir = run_dir_path(RUN_DIR, CONFINE_IDS_DIR);
	int r = dir ? confine_id_claim(dir, &vm->uid, &m->vmm_user_fd, e)
		    : err_sys(e, ENOMEM, "name a folder");

	if (r == -ENOENT) {
		log_err(LOG_WARN, e, "ignoring, the VMM is this server's user");
		err_clear(e);
		return 0;
	}
	vm->gid = vm->uid;
	return r < 0 ? err_wrap(e, r, "choose the VMM's user") : 0;
}

#define AGENT_PARAMS_BYTES 128

/* Kernel parameters for what the agent must know at its start: from [agent.kata], and about its
 * file server, which runs by now. */
static const char *agent_params(const struct machine *m, char buf[AGENT_PARAMS_BYTES])
{
	const struct config_agent *c = &m->config->agent;
	struct virtiofsd *server = m->virtiofsd;
	int n = snprintf(buf, AGENT_PARAMS_BYTES, "%s%s", c->enable_debug ? "agent.log=debug " : "",
			 server && virtiofsd_appends(server) ? "agent.server_appends=1 " : "");

	if (server)
		n += snprintf(buf + n, AGENT_PARAMS_BYTES - (size_t) n,
			      "agent.shared_files_max=%u ", virtiofsd_files_max(server));
	if (c->container_pipe_size)
		n += snprintf(buf + n, AGENT_PARAMS_BYTES - (size_t) n,
			      "agent.container_pipe_size=%u ", c->container_pipe_size);
	if (n > 0)
		buf[n - 1] = '\0';
	return set(buf);
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

static void describe_machine(struct sandbox *sb, const struct sandbox_spec *spec,
			     struct vm_spec *vm)
{
	const struct config_hypervisor *c = &sb->machine.config->hypervisor;
	struct host_size host = host_size();
	struct machine_need need = first_need(sb, spec);
	struct machine_size size = machine_size(c, &need, &host);
	struct machine_size most = machine_size_most(c, &host);
	bool grows = sb->machine.may_grow;

	*vm = (struct vm_spec){
		.id = sb->options.id,
		.vcpus = size.vcpus,
		.memory_bytes = size.memory_bytes,
		.max_vcpus = grows ? most.vcpus : 0,
		.max_memory_bytes = grows ? most.memory_bytes : 0,
		.kernel_path = c->kernel,
		.initrd_path = set(c->initrd),
		.kernel_params = set(c->kernel_params),
		.options = c,
		.accel = c->accelerator,
		.vmm_path = set(c->path),
		.debug = c->enable_debug,
		.channel = c->channel,
		.hugepages = c->enable_hugepages,
		.mem_prealloc = c->enable_mem_prealloc,
		.require_confinement = c->require_confinement,
		.hotplug = true, /* later containers' disks */
	};
}

int machine_start(struct sandbox *sb, const struct sandbox_spec *spec, msec_t deadline,
		  struct err *e)
{
	auto_close int share_fd = -1;
	char params[AGENT_PARAMS_BYTES];
	int cgroup_fds[VM_CGROUPS_MAX];
	struct vm_spec vm;
	int r = worker_on_loop(sb->machine.worker, make_hv, sb, e);

	if (r < 0)
		return r;
	describe_machine(sb, spec, &vm);
	r = choose_user(&sb->machine, &vm, e);
	if (r == 0)
		r = serve_share(sb, &share_fd, e);
	vm.agent_params = agent_params(&sb->machine, params);
	vm.cgroup_fds = cgroup_fds;
	if (r == 0)
		r = cgroups_open_vmm(sb, cgroup_fds, &vm.n_cgroup_fds, e);
	if (r == 0)
		r = hv_create(sb->machine.hv, &vm, e);
	for (size_t i = 0; i < vm.n_cgroup_fds; i++)
		fd_close(cgroup_fds[i]);
	if (r == 0)
		r = attach_share(sb, share_fd, deadline, e);
	if (r == 0)
		r = disks_attach(&sb->machine.disks, sb->machine.hv, deadline, e);
	if (r == 0)
		r = interfaces_update(&sb->machine.interfaces, sb->machine.hv, deadline, e);
	phase_end(&sb->phases, "runtime");
	if (r == 0) {
		log_debug("step: start the machine");
		r = hv_start(sb->machine.hv, deadline, e);
	}
	if (r == 0)
		r = cgroups_place_vcpus(sb, deadline, e);
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
