/* Do resources make sense? The kernel judges the numbers for a cgroup controller. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "oci/check.h"

#define WEIGHT_MIN 10
#define WEIGHT_MAX 1000

static int check_device_rule(const Grpc__LinuxDeviceCgroup *d, size_t i, struct err *e)
{
	const char *type = d->type ? d->type : "";
	const char *access = d->access ? d->access : "";

	if (type[0] && (strlen(type) != 1 || !strchr("abc", type[0])))
		return refuse(e, EINVAL,
			      "linux.resources.devices[%zu].type: '%.32s' is not a, b or c", i,
			      type);
	if (access[strspn(access, "rwm")])
		return refuse(
			e, EINVAL,
			"linux.resources.devices[%zu].access: '%.32s' is not made of r, w and m", i,
			access);
	return 0;
}

static int check_memory(const Grpc__LinuxMemory *m, struct err *e)
{
	if (!m)
		return 0;
	if (m->has_swappiness && m->swappiness > 100)
		return refuse(e, EINVAL,
			      "linux.resources.memory.swappiness: %llu is out of range (0 to 100)",
			      (unsigned long long) m->swappiness);
	if (m->has_limit && m->has_swap && m->limit > 0 && m->swap > 0 && m->swap < m->limit)
		return refuse(e, EINVAL,
			      "linux.resources.memory.swap: is memory and swap together, thus not "
			      "less than limit");
	return 0;
}

/* 0 is how engines written in Go say "not set". */
static int check_weight(uint32_t weight, const char *field, struct err *e)
{
	if (weight != 0 && (weight < WEIGHT_MIN || weight > WEIGHT_MAX))
		return refuse(e, EINVAL,
			      "linux.resources.blockIO.%s: %u is out of range (%d to %d)", field,
			      weight, WEIGHT_MIN, WEIGHT_MAX);
	return 0;
}

static int check_block_io(const Grpc__LinuxBlockIO *b, struct err *e)
{
	int r;

	if (!b)
		return 0;
	if ((r = check_weight(b->weight, "weight", e)) < 0 ||
	    (r = check_weight(b->leafweight, "leafWeight", e)) < 0)
		return r;
	for (size_t i = 0; i < b->n_weightdevice; i++)
		if ((r = check_weight(b->weightdevice[i]->weight, "weightDevice.weight", e)) < 0)
			return r;
	return 0;
}

/* "2MB", "1GB" */
static bool is_page_size(const char *text)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;

	return digits && text[0] != '0' && text[digits] && strchr("KMG", text[digits]) &&
	       strcmp(text + digits + 1, "B") == 0;
}

/* The name of a file in the cgroup's folder. */
static int check_unified(const char *name, struct err *e)
{
	if (!name || !name[0] || strchr(name, '/') || name[0] == '.')
		return refuse(e, EINVAL, "linux.resources.unified['%.64s']: is no name of a file",
			      name ? name : "");
	return 0;
}

int oci_resources_check(const Grpc__LinuxResources *res, struct err *e)
{
	int r;

	for (size_t i = 0; i < res->n_devices; i++)
		if ((r = check_device_rule(res->devices[i], i, e)) < 0)
			return r;
	if ((r = check_memory(res->memory, e)) < 0 || (r = check_block_io(res->blockio, e)) < 0)
		return r;
	if (res->cpu && res->cpu->has_idle && (res->cpu->idle < 0 || res->cpu->idle > 1))
		return refuse(e, EINVAL, "linux.resources.cpu.idle: is neither 0 nor 1");
	for (size_t i = 0; i < res->n_hugepagelimits; i++)
		if (!is_page_size(res->hugepagelimits[i]->pagesize))
			return refuse(
				e, EINVAL,
				"linux.resources.hugepageLimits[%zu].pageSize: '%.32s' is not "
				"like 2MB",
				i, res->hugepagelimits[i]->pagesize ?: "");
	for (size_t i = 0; i < res->n_unified; i++)
		if ((r = check_unified(res->unified[i]->key, e)) < 0)
			return r;
	return 0;
}
