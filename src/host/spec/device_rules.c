/* Rules for disks of the machine, among those of linux.resources.devices. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/spec/spec.h"
#include "host/storage/device_access.h"

static Grpc__LinuxDeviceCgroup *rule_new(const Grpc__LinuxDevice *d, const char *access)
{
	Grpc__LinuxDeviceCgroup *r = malloc(sizeof *r);

	if (!r)
		return NULL;
	grpc__linux_device_cgroup__init(r);
	r->has_allow = r->allow = true;
	r->has_major = r->has_minor = true;
	r->major = d->major;
	r->minor = d->minor;
	r->type = strdup("b");
	r->access = strdup(access);
	if (r->type && r->access)
		return r;
	grpc__linux_device_cgroup__free_unpacked(r, NULL);
	return NULL;
}

int guest_device_allow(Grpc__Linux *linux, const Grpc__LinuxDevice *d, struct err *e)
{
	Grpc__LinuxResources *res = linux->resources;
	char access[DEVICE_ACCESS_BYTES];

	device_access(res, d->major, d->minor, access);
	if (!*access)
		return 0;

	Grpc__LinuxDeviceCgroup **longer =
		reallocarray(res->devices, res->n_devices + 1, sizeof *longer);
	Grpc__LinuxDeviceCgroup *rule = longer ? rule_new(d, access) : NULL;

	if (longer)
		res->devices = longer;
	if (!rule)
		return err_sys(e, ENOMEM, "rewrite the spec");
	res->devices[res->n_devices++] = rule;
	return 0;
}
