#include "host/hypervisor/fake/fake.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/array.h"

static const struct hv_ops fake_ops;

static struct hv_fake *fake_of(struct hv *hv)
{
	return container_of(hv, struct hv_fake, hv);
}

/* A fail_* field makes one call fail and is then reset. */
static int fail_once(int *code, const char *what, struct err *e)
{
	int now = *code;

	*code = 0;
	return now ? err_sys(e, now, "%s a fake machine", what) : 0;
}

static int fake_create(struct hv *hv, const struct vm_spec *spec, struct err *e)
{
	struct hv_fake *f = fake_of(hv);
	int r = fail_once(&f->fail_create, "create", e);

	if (r < 0)
		return r;
	f->memory_bytes = spec->memory_bytes;
	f->vcpus = spec->vcpus;
	(void) snprintf(f->kernel_params, sizeof f->kernel_params, "%s %s",
			spec->agent_params ? spec->agent_params : "",
			spec->kernel_params ? spec->kernel_params : "");
	return 0;
}

static int fake_start(struct hv *hv, msec_t deadline, struct err *e)
{
	(void) deadline;
	return fail_once(&fake_of(hv)->fail_start, "start", e);
}

static int fake_dial(struct hv *hv, uint32_t port, msec_t deadline, int *ret_fd, struct err *e)
{
	struct hv_fake *f = fake_of(hv);
	int sv[2], r = fail_once(&f->fail_dial, "dial", e);

	(void) deadline;
	if (r < 0)
		return r;
	if (f->dead)
		return err_say(e, ECONNRESET, "%s", f->why.text);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return err_sys(e, errno, "make a socket pair");
	if (f->serve) {
		f->serve(f->serve_arg, port, sv[1]);
	} else {
		fd_close(f->guest_fd);
		f->guest_fd = sv[1];
	}
	*ret_fd = sv[0];
	return 0;
}

static int fake_stop(struct hv *hv, msec_t deadline, struct err *e)
{
	struct hv_fake *f = fake_of(hv);

	(void) deadline;
	(void) e;
	f->stopped = true;
	f->guest_fd = fd_close(f->guest_fd);
	return 0;
}

static int fake_pause(struct hv *hv, msec_t deadline, struct err *e)
{
	(void) hv;
	(void) deadline;
	(void) e;
	return 0;
}

static int fake_attach(struct hv *hv, const struct device *device, msec_t deadline,
		       struct device_address *ret, struct err *e)
{
	struct hv_fake *f = fake_of(hv);

	(void) deadline;
	(void) e;
	f->attached |= DEVICE_BIT(device->kind);
	ret->kind = DEVICE_AT_SERIAL;
	(void) snprintf(ret->text, sizeof ret->text, "%s", device->id);
	return 0;
}

static int fake_resize(struct hv *hv, const struct hv_size *want, msec_t deadline,
		       struct hv_size *ret, struct err *e)
{
	struct hv_fake *f = fake_of(hv);
	int r = fail_once(&f->fail_resize, "resize", e);

	(void) deadline;
	if (r == 0) {
		f->memory_bytes = want->memory_bytes;
		f->vcpus = want->vcpus;
	}
	*ret = (struct hv_size){f->vcpus, f->memory_bytes};
	return r;
}

static void fake_describe(struct hv *hv, struct hv_info *ret)
{
	*ret = (struct hv_info){
		.driver = hv->ops->name,
		.accel = HV_ACCEL_TCG,
		.channel = HV_CHANNEL_SERIAL,
		.vcpus = fake_of(hv)->vcpus,
		.max_vcpus = fake_of(hv)->vcpus,
		.memory_bytes = fake_of(hv)->memory_bytes,
		.accel_why = "a fake machine computes nothing",
		.version = "0",
		.machine_type = "none",
	};
}

static void fake_free(struct hv *hv)
{
	struct hv_fake *f = fake_of(hv);

	fd_close(f->guest_fd);
	hv_fini(&f->hv);
	free(f);
}

static int fake_new(struct loop *loop, struct hv **ret, struct err *e)
{
	struct hv_fake *f = NULL;
	int r = hv_fake_new(loop, &f, e);

	if (r == 0)
		*ret = &f->hv;
	return r;
}

static char *fake_find_program(const char *path, struct err *e)
{
	(void) path;
	(void) err_say(e, ENOENT, "a fake machine runs no program");
	return NULL;
}

static int fake_resize_disk(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline,
			    struct err *e)
{
	struct hv_fake *f = fake_of(hv);

	(void) deadline, (void) e;
	(void) snprintf(f->resized_disk, sizeof f->resized_disk, "%s", id);
	f->disk_bytes = bytes;
	return 0;
}

static const struct hv_device_ops fake_device_ops = {
	.attach = fake_attach,
	.resize_disk = fake_resize_disk,
};

static const struct hv_ops fake_ops = {
	.name = "fake",
	.cold_devices = DEVICE_BIT(DEVICE_DISK) | DEVICE_BIT(DEVICE_VIRTIO_FS) |
			DEVICE_BIT(DEVICE_9P) | DEVICE_BIT(DEVICE_NIC),
	.new = fake_new,
	.find_program = fake_find_program,
	.create = fake_create,
	.start = fake_start,
	.dial = fake_dial,
	.stop = fake_stop,
	.describe = fake_describe,
	.free = fake_free,
	.pause = fake_pause,
	.resume = fake_pause,
	.devices = &fake_device_ops,
	.resize = fake_resize,
};

int hv_fake_new(struct loop *loop, struct hv_fake **ret, struct err *e)
{
	struct hv_fake *f = calloc(1, sizeof *f);

	if (!f)
		return err_sys(e, ENOMEM, "make a fake machine");
	f->guest_fd = -1;

	int r = hv_init(&f->hv, &fake_ops, loop, e);

	if (r < 0)
		fake_free(&f->hv);
	else
		*ret = f;
	return r;
}

void hv_fake_die(struct hv_fake *fake, const char *why)
{
	fake->dead = true;
	err_clear(&fake->why);
	(void) err_say(&fake->why, ECONNRESET, "%s", why);
	fake->guest_fd = fd_close(fake->guest_fd);
	hv_report_exit(&fake->hv, &fake->why);
}

void hv_fake_print(struct hv_fake *fake, const char *line)
{
	struct console *c = &fake->hv.console;

	tail_put(&c->tail, line, strlen(line));
	tail_put(&c->tail, "\n", 1);
	c->fn(c->fn_arg, line);
}
