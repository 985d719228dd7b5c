#include "host/hypervisor/qemu/resize.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>

#define MORE_PATH "/machine/peripheral/" QEMU_MORE_DEVICE

/* Most vCPUs that QEMU may tell about. */
#define VCPUS_MAX 1024
/* How often to look whether the guest has taken or given memory. */
#define LOOK_MS 10

AUTO_PTR(json_t, json_decref)

void qemu_resize_init(struct qemu *q, const struct vm_spec *spec)
{
	bool can = q->machine->can_plug;

	q->info.vcpus = spec->vcpus;
	q->max_vcpus = can && spec->max_vcpus > spec->vcpus ? spec->max_vcpus : spec->vcpus;
	q->info.max_vcpus = q->max_vcpus;
	q->memory = (struct qemu_memory){
		.bytes = spec->memory_bytes,
		.hugepages = spec->hugepages,
		.prealloc = spec->mem_prealloc,
		.fd = -1,
	};
	q->info.memory_bytes = spec->memory_bytes;
	if (can && !spec->hugepages && spec->max_memory_bytes > spec->memory_bytes)
		q->memory.more_bytes = (spec->max_memory_bytes - spec->memory_bytes) /
				       QEMU_MORE_BLOCK_BYTES * QEMU_MORE_BLOCK_BYTES;
}

const char *qemu_resize_kernel_params(const struct qemu *q)
{
	return q->memory.more_bytes ? "memhp_default_state=online "
				      "memory_hotplug.online_policy=auto-movable swiotlb=noforce"
				    : NULL;
}

/* ---- vCPUs ---- */

/* The places for vCPUs, the last one first, as query-hotpluggable-cpus has them. */
static int list_places(struct qmp *qmp, msec_t deadline, json_t **ret, struct err *e)
{
	int r = qmp_call(qmp, "query-hotpluggable-cpus", NULL, deadline, ret, e);

	if (r == 0 && (!json_is_array(*ret) || json_array_size(*ret) > VCPUS_MAX))
		r = err_say(e, EPROTO, "QEMU does not say which vCPUs it can have");
	return r;
}

static int plug_vcpu(struct qmp *qmp, const json_t *place, const char *name, msec_t deadline,
		     struct err *e)
{
	json_t *args = json_pack("{s:s,s:O}", "id", name, "driver", json_object_get(place, "type"));

	if (!args || json_object_update_missing(args, json_object_get(place, "props")) < 0) {
		json_decref(args);
		return err_say(e, EPROTO, "QEMU does not say how a vCPU is made");
	}
	return qmp_call(qmp, "device_add", args, deadline, NULL, e);
}

/* Low numbers come first. *@n: how many there are; kept up to date. */
static int add_vcpus(struct qmp *qmp, const json_t *places, uint32_t want, uint32_t *n,
		     msec_t deadline, struct err *e)
{
	size_t all = json_array_size(places);
	int r = 0;

	for (size_t i = all; i-- > 0 && *n < want && r == 0;) {
		const json_t *place = json_array_get(places, i);
		char name[32];

		if (json_object_get(place, "qom-path")) /* it is taken */
			continue;
		(void) snprintf(name, sizeof name, "vcpu-%zu", all - 1 - i);
		r = plug_vcpu(qmp, place, name, deadline, e);
		*n += r == 0;
	}
	return r;
}

static int resize_vcpus(struct qemu *q, uint32_t want, uint32_t *n, msec_t deadline, struct err *e)
{
	auto_ptr(json_decref) json_t *places = NULL;

	want = want > q->max_vcpus ? q->max_vcpus : want;
	if (want <= *n)
		return 0;

	int r = list_places(q->qmp, deadline, &places, e);

	return r < 0 ? r : add_vcpus(q->qmp, places, want, n, deadline, e);
}

/* ---- memory ---- */

/* How much of the device's memory the guest has taken. */
static int look_at_more(struct qemu *q, msec_t deadline, uint64_t *ret, struct err *e)
{
	auto_ptr(json_decref) json_t *size = NULL;
	int r = qmp_call(q->qmp, "qom-get",
			 json_pack("{s:s,s:s}", "path", MORE_PATH, "property", "size"), deadline,
			 &size, e);

	if (r < 0)
		return r;
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return err_say(e, EPROTO, "QEMU does not say how much memory the guest has");
	*ret = (uint64_t) json_integer_value(size);
	return 0;
}

/* Waits until the guest has taken, or given back, all but *@have. */
static int await_more(struct qemu *q, uint64_t want, msec_t deadline, uint64_t *have, struct err *e)
{
	for (;;) {
		struct err why = {0};
		int r = look_at_more(q, deadline, have, &why);

		if (r == 0 && *have == want)
			return 0;
		if (r < 0 && r != -ETIMEDOUT) {
			if (e)
				*e = why;
			return r;
		}
		if (clock_now() >= deadline)
			return err_say(e, ETIMEDOUT,
				       "the guest has %" PRIu64 " MiB of memory, and does not get "
				       "to %" PRIu64 " in time",
				       (q->memory.bytes + *have) >> 20,
				       (q->memory.bytes + want) >> 20);
		(void) poll(NULL, 0, LOOK_MS);
	}
}

/* @have: how much of the device's memory the guest has; kept up to date. */
static int resize_memory(struct qemu *q, uint64_t bytes, uint64_t *have, msec_t deadline,
			 struct err *e)
{
	uint64_t want = bytes > q->memory.bytes ? bytes - q->memory.bytes : 0;

	want = (want + QEMU_MORE_BLOCK_BYTES - 1) / QEMU_MORE_BLOCK_BYTES * QEMU_MORE_BLOCK_BYTES;
	if (want > q->memory.more_bytes)
		want = q->memory.more_bytes;
	if (!q->memory.more_bytes)
		return 0;

	/* Always, because an earlier request that the guest has not met may still stand. */
	int r = qmp_call(q->qmp, "qom-set",
			 json_pack("{s:s,s:s,s:I}", "path", MORE_PATH, "property", "requested-size",
				   "value", (json_int_t) want),
			 deadline, NULL, e);

	return r < 0 ? r : await_more(q, want, deadline, have, e);
}

static void keep(struct qemu *q, const struct hv_size *now)
{
	pthread_mutex_lock(&q->lock);
	q->info.vcpus = now->vcpus;
	q->info.memory_bytes = now->memory_bytes;
	pthread_mutex_unlock(&q->lock);
}

/* Memory first, because vCPUs that come take some of it. */
int qemu_resize(struct hv *hv, const struct hv_size *want, msec_t deadline, struct hv_size *ret,
		struct err *e)
{
	struct qemu *q = qemu_of(hv);
	uint64_t more = q->info.memory_bytes - q->memory.bytes;
	uint32_t vcpus = q->info.vcpus;

	int r = resize_memory(q, want->memory_bytes, &more, deadline, e);
	int r_vcpus = resize_vcpus(q, want->vcpus, &vcpus, deadline, r == 0 ? e : NULL);

	*ret = (struct hv_size){vcpus, q->memory.bytes + more};
	keep(q, ret);
	return r < 0 ? r : r_vcpus;
}
