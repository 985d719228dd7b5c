#include "agent/rpc/device_numbers.h"

#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/array.h"

struct known {
	const Grpc__Linux *linux; /* its devices have the host's numbers */
	const struct device_number *list;
	size_t n;
};

static const struct device_number *find_path(const struct known *k, const char *path)
{
	for (size_t i = 0; path && i < k->n; i++)
		if (strcmp(k->list[i].container_path, path) == 0)
			return &k->list[i];
	return NULL;
}

static bool is_block(const Grpc__LinuxDevice *d)
{
	return d->type && strcmp(d->type, "b") == 0;
}

/* Looks a number up among those of the host, because a number of the guest's may be the host's of
 * another device. */
static void correct(const struct known *k, int64_t *major_, int64_t *minor_)
{
	for (size_t i = 0; i < k->linux->n_devices; i++) {
		const Grpc__LinuxDevice *d = k->linux->devices[i];
		const struct device_number *number = find_path(k, d->path);

		if (!number || !is_block(d) || d->major != *major_ || d->minor != *minor_)
			continue;
		*major_ = major(number->guest);
		*minor_ = minor(number->guest);
		return;
	}
}

static void correct_rules(const struct known *k, Grpc__LinuxResources *r)
{
	for (size_t i = 0; i < r->n_devices; i++) {
		Grpc__LinuxDeviceCgroup *rule = r->devices[i];

		if (rule->has_major && rule->has_minor && rule->type &&
		    strcmp(rule->type, "b") == 0)
			correct(k, &rule->major, &rule->minor);
	}
}

static void correct_limits(const struct known *k, Grpc__LinuxBlockIO *io)
{
	const struct {
		Grpc__LinuxThrottleDevice **list;
		size_t n;
	} limits[] = {
		{io->throttlereadbpsdevice, io->n_throttlereadbpsdevice},
		{io->throttlewritebpsdevice, io->n_throttlewritebpsdevice},
		{io->throttlereadiopsdevice, io->n_throttlereadiopsdevice},
		{io->throttlewriteiopsdevice, io->n_throttlewriteiopsdevice},
	};

	for (size_t i = 0; i < io->n_weightdevice; i++)
		correct(k, &io->weightdevice[i]->major, &io->weightdevice[i]->minor);
	for (size_t kind = 0; kind < ARRAY_LEN(limits); kind++)
		for (size_t i = 0; i < limits[kind].n; i++)
			correct(k, &limits[kind].list[i]->major, &limits[kind].list[i]->minor);
}

static void correct_devices(const struct known *k, Grpc__Linux *linux)
{
	for (size_t i = 0; i < linux->n_devices; i++) {
		Grpc__LinuxDevice *d = linux->devices[i];
		const struct device_number *number = find_path(k, d->path);

		if (!number || !is_block(d))
			continue;
		d->major = major(number->guest);
		d->minor = minor(number->guest);
		d->has_major = d->has_minor = true;
	}
}

void device_numbers_correct(Grpc__Spec *spec, const struct device_number *list, size_t n)
{
	const struct known k = {.linux = spec->linux, .list = list, .n = n};

	if (!spec->linux)
		return;
	if (spec->linux->resources) {
		correct_rules(&k, spec->linux->resources);
		if (spec->linux->resources->blockio)
			correct_limits(&k, spec->linux->resources->blockio);
	}
	/* Last, because the others are looked up by the host's numbers. */
	correct_devices(&k, spec->linux);
}
