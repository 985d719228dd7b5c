#include "agent/rpc/device_numbers.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/array.h"

struct known {
	const Grpc__Linux *linux; /* its devices have the host's numbers until the end */
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

/* Looks up what is known by its path only. */
static void find_hosts(const Grpc__Linux *linux, struct device_number *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; !list[i].host && k < linux->n_devices; k++)
			if (is_block(linux->devices[k]) && linux->devices[k]->path &&
			    strcmp(linux->devices[k]->path, list[i].container_path) == 0)
				list[i].host = linux->devices[k];
}

/* The next of the list, from *@at on, that is block device @major_:@minor_ of the host. Looked up
 * by the host's numbers, because a number of the guest's may be the host's of another device. */
static const struct device_number *next_of(const struct known *k, int64_t major_, int64_t minor_,
					   size_t *at)
{
	while (*at < k->n) {
		const struct device_number *number = &k->list[(*at)++];
		const Grpc__LinuxDevice *host = number->host;

		if (host && host->major == major_ && host->minor == minor_)
			return number;
	}
	return NULL;
}

static void correct(const struct known *k, int64_t *major_, int64_t *minor_)
{
	size_t at = 0;
	const struct device_number *number = next_of(k, *major_, *minor_, &at);

	if (!number)
		return;
	*major_ = major(number->guest);
	*minor_ = minor(number->guest);
}

static bool is_about_one(const Grpc__LinuxDeviceCgroup *r)
{
	return r->has_major && r->has_minor && r->type && strcmp(r->type, "b") == 0;
}

static Grpc__LinuxDeviceCgroup *rule_copy(const Grpc__LinuxDeviceCgroup *r)
{
	Grpc__LinuxDeviceCgroup *copy = malloc(sizeof *copy);

	if (!copy)
		return NULL;
	grpc__linux_device_cgroup__init(copy);
	copy->has_allow = r->has_allow;
	copy->allow = r->allow;
	copy->has_major = copy->has_minor = true;
	copy->type = strdup(r->type);
	copy->access = r->access ? strdup(r->access) : NULL;
	if (copy->type && (copy->access || !r->access))
		return copy;
	grpc__linux_device_cgroup__free_unpacked(copy, NULL);
	return NULL;
}

/* Puts @rule, which may be NULL, at @at of the list, which owns it then. */
static int insert(Grpc__LinuxResources *r, size_t at, Grpc__LinuxDeviceCgroup *rule, struct err *e)
{
	Grpc__LinuxDeviceCgroup **longer =
		rule ? reallocarray(r->devices, r->n_devices + 1, sizeof *longer) : NULL;

	if (!longer) {
		if (rule)
			grpc__linux_device_cgroup__free_unpacked(rule, NULL);
		return err_sys(e, ENOMEM, "correct the rules for devices");
	}
	r->devices = longer;
	memmove(longer + at + 1, longer + at, (r->n_devices - at) * sizeof *longer);
	longer[at] = rule;
	r->n_devices++;
	return 0;
}

static void set_guests(Grpc__LinuxDeviceCgroup *rule, const struct device_number *number)
{
	rule->major = major(number->guest);
	rule->minor = minor(number->guest);
}

/* Corrects the rule at *@at of the list, and leaves *@at at the last of those that it becomes. */
static int correct_rule(const struct known *k, Grpc__LinuxResources *r, size_t *at, struct err *e)
{
	Grpc__LinuxDeviceCgroup *rule = r->devices[*at];
	const int64_t major_ = rule->major, minor_ = rule->minor;
	const struct device_number *number, *last;
	size_t next = 0;

	last = next_of(k, major_, minor_, &next);
	if (!last)
		return 0;
	set_guests(rule, last);
	while ((number = next_of(k, major_, minor_, &next))) {
		/* Several nodes of one disk need no more than one rule. */
		if (number->guest == last->guest)
			continue;

		int err = insert(r, ++*at, rule_copy(rule), e);

		if (err < 0)
			return err;
		set_guests(r->devices[*at], number);
		last = number;
	}
	return 0;
}

static int correct_rules(const struct known *k, Grpc__LinuxResources *r, struct err *e)
{
	int err = 0;

	for (size_t i = 0; err == 0 && i < r->n_devices; i++)
		if (is_about_one(r->devices[i]))
			err = correct_rule(k, r, &i, e);
	return err;
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

int device_numbers_correct(Grpc__Spec *spec, struct device_number *list, size_t n, struct err *e)
{
	const struct known k = {.linux = spec->linux, .list = list, .n = n};
	Grpc__LinuxResources *resources = spec->linux ? spec->linux->resources : NULL;
	int r = 0;

	if (!spec->linux)
		return 0;
	find_hosts(spec->linux, list, n);
	if (resources)
		r = correct_rules(&k, resources, e);
	if (r == 0 && resources && resources->blockio)
		correct_limits(&k, resources->blockio);
	/* Last, because the others are looked up by the host's numbers. */
	if (r == 0)
		correct_devices(&k, spec->linux);
	return r;
}
