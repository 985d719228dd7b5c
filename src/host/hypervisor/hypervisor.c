#include "host/hypervisor/hypervisor.h"

#include <errno.h>
#include <stdio.h>

#include "base/array.h"
#include "host/hypervisor/driver.h"
#include "host/hypervisor/drivers.h"
#include "host/hypervisor/ending.h"

static const char *const state_names[] = {
	[HV_NEW] = "new",       [HV_CREATED] = "created", [HV_RUNNING] = "running",
	[HV_PAUSED] = "paused", [HV_STOPPED] = "stopped",
};
TABLE_COVERS(state_names, HV_STATE_MAX);

static const char *const channel_names[] = {
	[HV_CHANNEL_AUTO] = "auto",
	[HV_CHANNEL_VSOCK] = "vsock",
	[HV_CHANNEL_SERIAL] = "serial",
};
TABLE_COVERS(channel_names, HV_CHANNEL_MAX);

const char *hv_state_name(enum hv_state state)
{
	return (size_t) state < HV_STATE_MAX ? state_names[state] : "?";
}

const char *hv_channel_name(enum hv_channel channel)
{
	return (size_t) channel < HV_CHANNEL_MAX ? channel_names[channel] : "?";
}

static const struct hv_ops *find_driver(const char *name, struct err *e)
{
	char known[128] = "";

	for (const struct hv_ops *const *p = hv_drivers; *p; p++) {
		size_t n = strlen(known);

		if (strcmp((*p)->name, name) == 0)
			return *p;
		(void) snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", (*p)->name);
	}
	(void) err_say(e, ENOENT, "unknown hypervisor '%s' (known: %s)", name, known);
	return NULL;
}

int hv_new(const char *driver, struct loop *loop, struct hv **ret, struct err *e)
{
	const struct hv_ops *ops = find_driver(driver, e);

	return ops ? ops->new (loop, ret, e) : -ENOENT;
}

char *hv_find_program(const char *driver, const char *path, struct err *e)
{
	const struct hv_ops *ops = find_driver(driver, e);

	return ops ? ops->find_program(path, e) : NULL;
}

void hv_free(struct hv *hv)
{
	if (hv)
		hv->ops->free(hv);
}

void hv_on_exit(struct hv *hv, hv_exit_fn fn, void *arg)
{
	hv->exit_fn = fn;
	hv->exit_arg = arg;
}

void hv_on_console(struct hv *hv, hv_console_fn fn, void *arg)
{
	hv->console_fn = fn;
	hv->console_arg = arg;
}

static void forget_end(struct hv *hv)
{
	pthread_mutex_lock(&hv->lock);
	hv->end = (struct err){0};
	pthread_mutex_unlock(&hv->lock);
}

/* Why the VMM ended; code 0 if it did not. */
static struct err noted_end(struct hv *hv)
{
	pthread_mutex_lock(&hv->lock);
	struct err why = hv->end;

	pthread_mutex_unlock(&hv->lock);
	return why;
}

static int expect(const struct hv *hv, enum hv_state want, const char *verb, struct err *e)
{
	if (hv->state == want)
		return 0;
	return err_say(e, EBUSY, "%s: cannot %s a machine that is %s", hv->ops->name, verb,
		       hv_state_name(hv->state));
}

static int cannot(const struct hv *hv, const char *verb, struct err *e)
{
	return err_say(e, EOPNOTSUPP, "%s: this hypervisor cannot %s", hv->ops->name, verb);
}

/* The checks of @spec that do not depend on the driver. */
static int check_spec(const struct vm_spec *spec, struct err *e)
{
	if (spec->vcpus == 0)
		return err_say(e, EINVAL, "a machine needs a vCPU");
	if (spec->memory_bytes == 0 || spec->memory_bytes % (1 << 20) != 0)
		return err_say(e, EINVAL, "a machine needs memory in whole MiB, not %llu bytes",
			       (unsigned long long) spec->memory_bytes);
	if (spec->max_memory_bytes % (1 << 20) != 0)
		return err_say(e, EINVAL, "a machine can have memory in whole MiB, not %llu bytes",
			       (unsigned long long) spec->max_memory_bytes);
	if (!spec->kernel_path)
		return err_say(e, EINVAL, "no guest kernel is configured (key 'kernel')");
	if (spec->n_cgroup_fds > VM_CGROUPS_MAX)
		return err_say(e, E2BIG, "%zu cgroups are more than %d", spec->n_cgroup_fds,
			       VM_CGROUPS_MAX);
	return 0;
}

int hv_create(struct hv *hv, const struct vm_spec *spec, struct err *e)
{
	int r = expect(hv, HV_NEW, "create", e);

	if (r < 0)
		return r;
	r = check_spec(spec, e);
	if (r == 0)
		r = hv->ops->create(hv, spec, e);
	if (r < 0)
		return err_wrap(e, r, "%s: create machine", hv->ops->name);
	hv->state = HV_CREATED;
	return 0;
}

int hv_start(struct hv *hv, msec_t deadline, struct err *e)
{
	int r = expect(hv, HV_CREATED, "start", e);

	if (r < 0)
		return r;
	forget_end(hv);
	r = hv->ops->start(hv, deadline, e);
	if (r < 0)
		return err_wrap(e, r, "%s: start machine", hv->ops->name);
	hv->state = HV_RUNNING;
	return 0;
}

int hv_dial(struct hv *hv, uint32_t port, msec_t deadline, int *ret_fd, struct err *e)
{
	int r = expect(hv, HV_RUNNING, "dial", e);

	if (r < 0)
		return r;
	r = hv->ops->dial(hv, port, deadline, ret_fd, e);
	if (r < 0)
		return err_wrap(e, r, "%s: dial guest port %u", hv->ops->name, port);
	return 0;
}

int hv_stop(struct hv *hv, msec_t deadline, struct err *e)
{
	if (hv->state == HV_STOPPED)
		return 0;
	if (hv->state != HV_NEW) {
		int r = hv->ops->stop(hv, deadline, e);

		if (r < 0)
			return err_wrap(e, r, "%s: stop machine", hv->ops->name);
		forget_end(hv);
	}
	hv->state = HV_STOPPED;
	return 0;
}

int hv_pause(struct hv *hv, msec_t deadline, struct err *e)
{
	if (!hv->ops->pause)
		return cannot(hv, "pause", e);

	int r = expect(hv, HV_RUNNING, "pause", e);

	if (r < 0)
		return r;
	r = hv->ops->pause(hv, deadline, e);
	if (r < 0)
		return err_wrap(e, r, "%s: pause machine", hv->ops->name);
	hv->state = HV_PAUSED;
	return 0;
}

int hv_resume(struct hv *hv, msec_t deadline, struct err *e)
{
	if (!hv->ops->resume)
		return cannot(hv, "resume", e);

	int r = expect(hv, HV_PAUSED, "resume", e);

	if (r < 0)
		return r;
	r = hv->ops->resume(hv, deadline, e);
	if (r < 0)
		return err_wrap(e, r, "%s: resume machine", hv->ops->name);
	hv->state = HV_RUNNING;
	return 0;
}

int hv_attach(struct hv *hv, const struct device *device, msec_t deadline,
	      struct device_address *ret, struct err *e)
{
	const char *kind = device_kind_name(device->kind);
	bool runs = hv->state == HV_RUNNING;
	uint32_t can = runs ? hv->ops->hot_devices : hv->ops->cold_devices;
	struct device_address address = {0};
	int r = runs ? 0 : expect(hv, HV_CREATED, "attach a device to", e);

	if (r < 0)
		return r;
	if (!(can & DEVICE_BIT(device->kind)))
		return err_say(e, EOPNOTSUPP, "%s: this hypervisor cannot attach a %s to %s",
			       hv->ops->name, kind, runs ? "a running machine" : "a machine");
	r = device_check_id(device, e);
	pthread_mutex_lock(&hv->turn);
	if (r == 0)
		r = hv->ops->devices->attach(hv, device, deadline, &address, e);
	pthread_mutex_unlock(&hv->turn);
	if (r < 0)
		return err_wrap(e, r, "%s: attach %s '%s'", hv->ops->name, kind,
				device->id ? device->id : "");
	if (ret)
		*ret = address;
	return 0;
}

int hv_detach(struct hv *hv, const char *id, msec_t deadline, struct err *e)
{
	if (!hv->ops->devices || !hv->ops->devices->detach)
		return cannot(hv, "detach devices", e);

	int r = expect(hv, HV_RUNNING, "detach a device from", e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&hv->turn);
	r = hv->ops->devices->detach(hv, id, deadline, e);
	pthread_mutex_unlock(&hv->turn);
	if (r < 0)
		return err_wrap(e, r, "%s: detach '%s'", hv->ops->name, id);
	return 0;
}

int hv_resize_disk(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline, struct err *e)
{
	if (!hv->ops->devices || !hv->ops->devices->resize_disk)
		return cannot(hv, "resize a disk", e);

	int r = expect(hv, HV_RUNNING, "resize a disk of", e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&hv->turn);
	r = hv->ops->devices->resize_disk(hv, id, bytes, deadline, e);
	pthread_mutex_unlock(&hv->turn);
	return r < 0 ? err_wrap(e, r, "%s: resize disk '%s'", hv->ops->name, id) : 0;
}

int hv_resize(struct hv *hv, const struct hv_size *want, msec_t deadline, struct hv_size *ret,
	      struct err *e)
{
	struct hv_size now = {0};

	if (!hv->ops->resize)
		return cannot(hv, "resize a machine", e);

	int r = expect(hv, HV_RUNNING, "resize", e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&hv->turn);
	r = hv->ops->resize(hv, want, deadline, &now, e);
	pthread_mutex_unlock(&hv->turn);
	if (ret)
		*ret = now;
	if (r < 0)
		return err_wrap(e, r, "%s: resize machine", hv->ops->name);
	return 0;
}

int hv_vcpu_threads(struct hv *hv, msec_t deadline, pid_t *ret, size_t max, size_t *ret_n,
		    struct err *e)
{
	if (!hv->ops->vcpu_threads)
		return cannot(hv, "tell which threads are its CPUs", e);

	int r = expect(hv, HV_RUNNING, "look for the threads of", e);

	if (r == 0)
		r = hv->ops->vcpu_threads(hv, deadline, ret, max, ret_n, e);
	return r < 0 ? err_wrap(e, r, "%s: find the vCPUs", hv->ops->name) : 0;
}

int hv_key(struct hv *hv, char ret[HV_KEY_BYTES], struct err *e)
{
	if (!hv->ops->saved)
		return cannot(hv, "be saved", e);

	int r = expect(hv, HV_CREATED, "name", e);

	return r < 0 ? r : hv->ops->saved->key(hv, ret, e);
}

int hv_load(struct hv *hv, const struct hv_saved *saved, struct err *e)
{
	if (!hv->ops->saved)
		return cannot(hv, "go on from what was saved", e);

	int r = expect(hv, HV_CREATED, "load", e);

	return r < 0 ? r : hv->ops->saved->load(hv, saved, e);
}

int hv_save(struct hv *hv, msec_t deadline, struct hv_saved *ret, struct err *e)
{
	if (!hv->ops->saved)
		return cannot(hv, "be saved", e);

	int r = expect(hv, HV_RUNNING, "save", e);

	if (r == 0)
		r = hv->ops->saved->save(hv, deadline, ret, e);
	if (r < 0)
		return err_wrap(e, r, "%s: save machine", hv->ops->name);
	hv->state = HV_PAUSED;
	return 0;
}

enum hv_state hv_state(const struct hv *hv)
{
	return hv->state;
}

void hv_describe(struct hv *hv, struct hv_info *ret)
{
	hv->ops->describe(hv, ret);
}

size_t hv_console_tail(struct hv *hv, char *buf, size_t bytes)
{
	return tail_copy(&hv->console.tail, buf, bytes);
}

int hv_explain(struct hv *hv, struct err *e)
{
	struct err why = noted_end(hv);

	/* hv_start() may have put the reason into @e already. */
	if (why.code && !strstr(e->text, why.text)) {
		char sentence[640];

		err_append(e, "; %s", err_show(&why, sentence, sizeof sentence));
	}
	/* The lines after a panic are a stack trace. */
	if (!strstr(why.text, VMM_PANICKED))
		console_explain(&hv->console, e);
	return -e->code;
}
