#include "tests/test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "agent/rpc/device_numbers.h"

static Grpc__LinuxDevice device(const char *path, const char *type, int64_t major_, int64_t minor_)
{
	Grpc__LinuxDevice d = GRPC__LINUX_DEVICE__INIT;

	d.path = (char *) path;
	d.type = (char *) type;
	d.has_major = d.has_minor = true;
	d.major = major_;
	d.minor = minor_;
	return d;
}

static Grpc__LinuxDeviceCgroup rule(const char *type, int64_t major_, int64_t minor_)
{
	Grpc__LinuxDeviceCgroup r = GRPC__LINUX_DEVICE_CGROUP__INIT;

	r.type = (char *) type;
	r.has_major = r.has_minor = true;
	r.major = major_;
	r.minor = minor_;
	return r;
}

#define CHECK_NUMBER(x, major_, minor_)      \
	do {                                 \
		CHECK_EQ((x).major, major_); \
		CHECK_EQ((x).minor, minor_); \
	} while (0)

TEST(numbers_of_one_device_are_not_taken_for_those_of_another)
{
	/* The guest gives the first the numbers that the second has on the host. */
	struct device_number known[] = {{"/dev/a", makedev(254, 16), NULL},
					{"/dev/b", makedev(254, 32), NULL}};
	Grpc__LinuxDevice a = device("/dev/a", "b", 7, 0), b = device("/dev/b", "b", 254, 16);
	Grpc__LinuxDevice other = device("/dev/c", "c", 7, 0);
	Grpc__LinuxDevice *devices[] = {&a, &b, &other};
	Grpc__LinuxDeviceCgroup of_a = rule("b", 7, 0), of_b = rule("b", 254, 16);
	Grpc__LinuxDeviceCgroup of_other = rule("c", 7, 0), wide = rule("b", 7, -1);
	Grpc__LinuxDeviceCgroup *rules[] = {&of_a, &of_b, &of_other, &wide};
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Linux linux = GRPC__LINUX__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;

	linux.devices = devices;
	linux.n_devices = 3;
	resources.devices = rules;
	resources.n_devices = 4;
	linux.resources = &resources;
	spec.linux = &linux;
	CHECK_EQ(device_numbers_correct(&spec, known, 2, NULL), 0);
	CHECK_NUMBER(a, 254, 16);
	CHECK_NUMBER(b, 254, 32);
	CHECK_NUMBER(other, 7, 0);
	CHECK_NUMBER(of_a, 254, 16);
	CHECK_NUMBER(of_b, 254, 32);
	CHECK_NUMBER(of_other, 7, 0);
	CHECK_NUMBER(wide, 7, -1);
}

TEST(limits_of_a_device_follow_it)
{
	struct device_number known[] = {{"/dev/a", makedev(254, 16), NULL}};
	Grpc__LinuxDevice a = device("/dev/a", "b", 7, 0), *devices[] = {&a};
	Grpc__LinuxThrottleDevice bps = GRPC__LINUX_THROTTLE_DEVICE__INIT, *limits[] = {&bps};
	Grpc__LinuxWeightDevice weight = GRPC__LINUX_WEIGHT_DEVICE__INIT, *weights[] = {&weight};
	Grpc__LinuxBlockIO io = GRPC__LINUX_BLOCK_IO__INIT;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__Linux linux = GRPC__LINUX__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;

	bps.major = 7;
	weight.major = 8;
	io.throttlewriteiopsdevice = limits;
	io.n_throttlewriteiopsdevice = 1;
	io.weightdevice = weights;
	io.n_weightdevice = 1;
	resources.blockio = &io;
	linux.devices = devices;
	linux.n_devices = 1;
	linux.resources = &resources;
	spec.linux = &linux;
	CHECK_EQ(device_numbers_correct(&spec, known, 1, NULL), 0);
	CHECK_NUMBER(bps, 254, 16);
	CHECK_NUMBER(weight, 8, 0);
}

TEST(a_specification_without_linux_is_left_alone)
{
	Grpc__Spec spec = GRPC__SPEC__INIT;

	CHECK_EQ(device_numbers_correct(&spec, NULL, 0, NULL), 0);
	CHECK(!spec.linux);
}

static Grpc__LinuxDeviceCgroup **rule_list(const Grpc__LinuxDeviceCgroup *list, size_t n)
{
	Grpc__LinuxDeviceCgroup **copies = calloc(n, sizeof(*copies));

	for (size_t i = 0; i < n; i++) {
		copies[i] = malloc(sizeof **copies);
		*copies[i] = list[i];
		copies[i]->type = strdup(list[i].type);
		copies[i]->access = strdup("rw");
	}
	return copies;
}

TEST(rules_of_a_disk_that_the_guest_has_twice_are_about_both)
{
	/* The disk is bind-mounted three times, once of them with a disk of its own. */
	Grpc__LinuxDevice host = device(NULL, NULL, 7, 0);
	struct device_number known[] = {{"/a", makedev(254, 16), &host},
					{"/b", makedev(254, 16), &host},
					{"/c", makedev(254, 32), &host}};
	Grpc__LinuxDeviceCgroup said[] = {rule("b", 254, 16), rule("b", 7, 0), rule("b", 7, 1)};
	Grpc__Linux linux = GRPC__LINUX__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__LinuxResources *r = malloc(sizeof *r);

	said[1].has_allow = said[1].allow = true;
	grpc__linux_resources__init(r);
	r->devices = rule_list(said, 3);
	r->n_devices = 3;
	linux.resources = r;
	spec.linux = &linux;
	CHECK_EQ(device_numbers_correct(&spec, known, 3, NULL), 0);
	CHECK_EQ(r->n_devices, 4);
	CHECK_NUMBER(*r->devices[0], 254, 16);
	CHECK(!r->devices[0]->allow);
	CHECK_NUMBER(*r->devices[1], 254, 16);
	CHECK_NUMBER(*r->devices[2], 254, 32);
	CHECK(r->devices[2]->allow && r->devices[2]->has_allow);
	CHECK_STR(r->devices[2]->type, "b");
	CHECK_STR(r->devices[2]->access, "rw");
	CHECK_NUMBER(*r->devices[3], 7, 1);
	grpc__linux_resources__free_unpacked(r, NULL);
}
