/*
 * The life of one QEMU.
 *
 *	create	choose accelerator, machine, channel; open every file; build the arguments
 *	start	make the sockets, start the process, wait until its monitor answers (it does when
 *		the machine is built), empty its root, let the guest run
 *	...	the loop reads console and monitor, and watches for the end
 *	stop	SIGKILL. A caller that wants a clean shutdown asks the agent first. No data is lost:
 *		what the guest's disks and shares have acknowledged is in the host's page cache.
 *		QEMU leaves no file to remove
 */
#include "host/hypervisor/qemu/qemu.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "host/hypervisor/qemu/arch.h"
#include "host/hypervisor/qemu/kernel_params.h"
#include "host/hypervisor/qemu/resize.h"
#include "host/hypervisor/vsock.h"

/* Resolves the program to a path, so that a missing one is reported before anything starts. */
static char *qemu_find_program(const char *named, struct err *e)
{
	const struct qemu_arch *arch = qemu_arch_host();
	const char *path = getenv("PATH");
	size_t n;

	if (named && *named) {
		if (access(named, X_OK) == 0)
			return strdup(named);
		(void) err_say(e, errno,
			       "run QEMU '%s' (key 'path'): %s: install %s, and let the key name "
			       "it or be empty",
			       named, strerror(errno), arch->package);
		return NULL;
	}
	if (!path || !*path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (; *path; path += n + (path[n] == ':')) {
		auto_free char *file = NULL;

		n = strcspn(path, ":");
		if (n > 0)
			file = str_printf("%.*s/%s", (int) n, path, arch->program);
		if (file && access(file, X_OK) == 0)
			return take_ptr(file);
	}
	(void) err_say(e, ENOENT, "there is no '%s' in PATH: install %s, or set the key 'path'",
		       arch->program, arch->package);
	return NULL;
}

static int choose_accel(struct qemu *q, const struct vm_spec *spec, struct err *e)
{
	struct hv_accel_facts facts;

	hv_accel_probe(&facts);
	return hv_accel_choose(spec->accel, &facts, &q->info.accel, q->info.accel_why,
			       sizeof q->info.accel_why, e);
}

/* Chooses vsock where the host has it, unless @spec asks for another channel. */
static int choose_channel(struct qemu *q, const struct vm_spec *spec, struct err *e)
{
	q->info.channel = HV_CHANNEL_SERIAL;
	if (spec->channel == HV_CHANNEL_SERIAL)
		return 0;

	int fd = vsock_reserve(&q->info.guest_cid, spec->channel == HV_CHANNEL_VSOCK ? e : NULL);

	if (fd < 0)
		return spec->channel == HV_CHANNEL_VSOCK ? fd : 0;
	q->info.channel = HV_CHANNEL_VSOCK;
	q->vhost_fd = fd;
	q->dials_privileged = vsock_is_privileged();
	if (!q->dials_privileged)
		log_warn(
			"any user of the host can be first to speak to the guest's agent: no vsock port "
			"below 1024 can be had (CAP_NET_BIND_SERVICE)");
	return 0;
}

static void forget_spec(struct qemu *q)
{
	qemu_command_fini(&q->command);
	confine_fini(&q->confine);
	q->vhost_fd = fd_close(q->vhost_fd);
}

static int build_command(struct qemu *q, const struct vm_spec *spec, const struct qemu_arch *arch,
			 const char *program, struct err *e)
{
	bool is_serial = q->info.channel == HV_CHANNEL_SERIAL;
	struct kernel_params params = {.n = 0};
	struct device channel = {.kind = is_serial ? DEVICE_PORT : DEVICE_VSOCK, .id = "agent"};
	const struct qemu_choice choice = {
		.arch = arch,
		.machine = q->machine,
		.options = spec->options,
		.accel = q->info.accel,
		.channel = &channel,
		.has_plug_bus = q->devices.has_plug_bus,
		.max_vcpus = q->max_vcpus,
		.more_memory_bytes = q->memory.more_bytes,
		.program = program,
		.kernel_params = params.text,
	};
	int r;

	if (is_serial)
		channel.port.name = VMM_AGENT_PORT;
	else
		channel.vsock = (struct device_vsock){q->vhost_fd, q->info.guest_cid};
	qemu_kernel_params(&params, arch, q->machine, q->info.accel, spec->debug,
			   tsc_khz_since(&q->born));
	kernel_params_add(&params, qemu_resize_kernel_params(q));
	r = kernel_params_finish(&params, spec, q->info.channel, q->dials_privileged, e);
	return r < 0 ? r : qemu_config_build(&q->command, spec, &choice, e);
}

static int qemu_create(struct hv *hv, const struct vm_spec *spec, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	const struct qemu_arch *arch = qemu_arch_host();

	q->machine = qemu_machine_find(arch, spec->options->machine_type, e);
	if (!q->machine)
		return -EINVAL;

	auto_free char *program = qemu_find_program(spec->vmm_path, e);

	if (!program)
		return -ENOENT;

	int r = choose_accel(q, spec, e);

	q->devices.has_plug_bus = spec->hotplug && q->machine->can_plug;
	qemu_resize_init(q, spec);
	if (r == 0)
		r = choose_channel(q, spec, e);
	if (r == 0)
		r = build_command(q, spec, arch, program, e);
	if (r == 0 && spec->to_be_saved)
		r = q->memory.fd = qemu_memory_file(spec->memory_bytes, e);
	if (r >= 0)
		r = confine_cgroups(&q->confine, spec->cgroup_fds, spec->n_cgroup_fds, e);
	if (r < 0) {
		forget_spec(q);
		return r;
	}
	q->user = (struct qemu_user){spec->uid, spec->gid, spec->require_confinement};
	(void) snprintf(q->info.machine_type, sizeof q->info.machine_type, "%s", q->machine->name);
	return 0;
}

static int dial_serial(struct qemu *q, uint32_t port, int *ret_fd, struct err *e)
{
	if (port != HV_AGENT_PORT)
		return err_say(e, EOPNOTSUPP,
			       "only the agent can be reached over virtio-serial (the host has no "
			       "vhost-vsock)");
	if (q->agent_fd < 0)
		return err_say(e, EBUSY, "the one line to the agent is in use");
	*ret_fd = take_fd(&q->agent_fd);
	return 0;
}

static int qemu_dial(struct hv *hv, uint32_t port, msec_t deadline, int *ret_fd, struct err *e)
{
	struct qemu *q = qemu_of(hv);

	if (qemu_ended(q, e))
		return -ECONNRESET;
	if (q->info.channel == HV_CHANNEL_SERIAL)
		return dial_serial(q, port, ret_fd, e);

	int r = vsock_dial(q->info.guest_cid, port, q->dials_privileged, q->process.child.pidfd,
			   deadline, ret_fd, e);

	if (r == -ECONNRESET)
		(void) qemu_ended(q, e);
	return r;
}

static int qemu_pause(struct hv *hv, msec_t deadline, struct err *e)
{
	return qmp_call(qemu_of(hv)->qmp, "stop", NULL, deadline, NULL, e);
}

static int qemu_resume(struct hv *hv, msec_t deadline, struct err *e)
{
	return qmp_call(qemu_of(hv)->qmp, "cont", NULL, deadline, NULL, e);
}

static void qemu_describe(struct hv *hv, struct hv_info *ret)
{
	struct qemu *q = qemu_of(hv);

	pthread_mutex_lock(&q->lock);
	*ret = q->info;
	pthread_mutex_unlock(&q->lock);
	ret->pid = subprocess_pid(&q->process);
}

static void qemu_free(struct hv *hv)
{
	struct qemu *q = qemu_of(hv);

	qemu_unwatch(q);
	subprocess_fini(&q->process);
	qmp_close(q->qmp);
	forget_spec(q);
	qemu_saved_fini(q);
	fd_close(q->memory.fd);
	fd_close(q->agent_fd);
	(void) pthread_mutex_destroy(&q->lock);
	hv_fini(&q->hv);
	free(q);
}

static int qemu_new(struct loop *loop, struct hv **ret, struct err *e)
{
	struct qemu *q = calloc(1, sizeof *q);

	if (!q)
		return err_sys(e, ENOMEM, "make a machine");
	q->confine = CONFINE_NONE;
	q->vhost_fd = q->agent_fd = q->memory.fd = q->saved.memory_fd = -1;
	q->info.driver = hv_qemu.name;
	(void) pthread_mutex_init(&q->lock, NULL);
	tsc_read(&q->born);

	int r = hv_init(&q->hv, &hv_qemu, loop, e);

	if (r == 0)
		r = subprocess_init(&q->process, loop, e);
	if (r < 0) {
		qemu_free(&q->hv);
		return r;
	}
	qemu_watch(q);
	*ret = &q->hv;
	return 0;
}

static const struct hv_device_ops qemu_device_ops = {
	.attach = qemu_attach,
	.detach = qemu_detach,
	.resize_disk = qemu_resize_disk,
};

const struct hv_ops hv_qemu = {
	.name = HV_QEMU,
	.cold_devices = DEVICE_BIT(DEVICE_DISK) | DEVICE_BIT(DEVICE_VIRTIO_FS) |
			DEVICE_BIT(DEVICE_9P) | DEVICE_BIT(DEVICE_NIC),
	.hot_devices = DEVICE_BIT(DEVICE_DISK) | DEVICE_BIT(DEVICE_NIC),
	.find_program = qemu_find_program,
	.new = qemu_new,
	.create = qemu_create,
	.start = qemu_start,
	.dial = qemu_dial,
	.stop = qemu_stop,
	.describe = qemu_describe,
	.free = qemu_free,
	.pause = qemu_pause,
	.resume = qemu_resume,
	.devices = &qemu_device_ops,
	.resize = qemu_resize,
	.vcpu_threads = qemu_vcpu_threads,
	.saved = &qemu_saved_ops,
};
