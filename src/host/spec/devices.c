/* The devices of the spec. Their numbers are those of this host's kernel. Disks are lent to the
 * machine; any other device whose numbers mean another one in the guest, or none, is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/array.h"
#include "base/log.h"
#include "host/spec/spec.h"
#include "host/storage/device_access.h"

/* Character devices that are a service of the kernel and no hardware, and have the same numbers
 * everywhere (Documentation/admin-guide/devices.txt): the container gets the guest's. */
static const struct {
	int64_t major, first_minor, last_minor;
} kernels[] = {
	{1, 0, INT64_MAX},   /* null, zero, full, random, urandom, kmsg */
	{5, 0, 2},           /* tty, console, ptmx */
	{10, 200, 200},      /* net/tun */
	{10, 229, 229},      /* fuse */
	{136, 0, INT64_MAX}, /* pts */
};

static bool is_kernels(const Grpc__LinuxDevice *d)
{
	if (d->type[0] == 'b')
		return false;
	for (size_t i = 0; i < ARRAY_LEN(kernels); i++)
		if (d->major == kernels[i].major && d->minor >= kernels[i].first_minor &&
		    d->minor <= kernels[i].last_minor)
			return true;
	return false;
}

/* Whether @d is a node of this host. Asked because some drivers, of graphics cards for one, keep
 * their devices out of /sys. */
static bool is_node_here(const Grpc__LinuxDevice *d)
{
	mode_t type = d->type[0] == 'b' ? S_IFBLK : S_IFCHR;
	struct stat st;

	return stat(d->path, &st) == 0 && (st.st_mode & S_IFMT) == type &&
	       major(st.st_rdev) == d->major && minor(st.st_rdev) == d->minor;
}

/* If no device of this host has these numbers, nothing is lost by making the node anyway, as runc
 * does. */
static bool is_hosts(const Grpc__LinuxDevice *d)
{
	char path[80];

	if (d->type[0] == 'p' || is_kernels(d))
		return false;
	(void) snprintf(path, sizeof path, "/sys/dev/%s/%lld:%lld",
			d->type[0] == 'b' ? "block" : "char", (long long) d->major,
			(long long) d->minor);
	return access(path, F_OK) == 0 || is_node_here(d);
}

/* Whether the container may use every device. Then it did not ask for one in particular, because
 * engines list all of /dev for a privileged container. */
static bool is_privileged(const Grpc__LinuxResources *r)
{
	for (size_t i = 0; r && i < r->n_devices; i++) {
		const Grpc__LinuxDeviceCgroup *rule = r->devices[i];
		bool all_types = !rule->type || !rule->type[0] || strcmp(rule->type, "a") == 0;

		if (rule->allow && all_types && (!rule->has_major || rule->major < 0) &&
		    (!rule->has_minor || rule->minor < 0))
			return true;
	}
	return false;
}

/* Lends the machine a disk. One that the rules keep the container from is no loss: its node is
 * made, but cannot be opened. */
static int lend(const struct guest_rules *rules, Grpc__Linux *linux, const Grpc__LinuxDevice *d,
		struct err *e)
{
	const struct volume_owner owner = guest_volume_owner(rules, linux);
	char access[DEVICE_ACCESS_BYTES];

	device_access(linux->resources, d->major, d->minor, access);
	if (!strpbrk(access, "rw"))
		return 0;

	int r = volumes_add_device(&owner, d, !strchr(access, 'w'), e);

	return r < 0 ? r : guest_device_allow(linux, d, e);
}

static int make(const struct guest_rules *rules, Grpc__Linux *linux, const Grpc__LinuxDevice *d,
		struct err *e)
{
	if (d->type[0] == 'b')
		return err_wrap(e, lend(rules, linux, d, e), "'%s'", d->path);
	return err_say(e, ENOTSUP,
		       "'%s' is a device of this host, which a virtual machine does not have",
		       d->path);
}

int guest_devices_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e)
{
	bool privileged = is_privileged(linux->resources);
	size_t kept = 0, n = linux->n_devices;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		Grpc__LinuxDevice *d = linux->devices[i];

		if (r == 0 && privileged && is_hosts(d)) {
			grpc__linux_device__free_unpacked(d, NULL);
			continue;
		}
		if (r == 0 && is_hosts(d))
			r = err_wrap(e, make(rules, linux, d, e), "linux.devices[%zu]", i);
		linux->devices[kept++] = d;
	}
	linux->n_devices = kept;
	if (kept < n)
		log_warn("ignoring %zu of linux.devices: devices of this host, and a privileged "
			 "container is so in its virtual machine",
			 n - kept);
	return r;
}
