#include "tests/test.h"

#include <stdbool.h>
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
	const struct device_number known[] = {{"/dev/a", makedev(254, 16)},
					      {"/dev/b", makedev(254, 32)}};
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
	device_numbers_correct(&spec, known, 2);
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
	const struct device_number known[] = {{"/dev/a", makedev(254, 16)}};
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
	device_numbers_correct(&spec, known, 1);
	CHECK_NUMBER(bps, 254, 16);
	CHECK_NUMBER(weight, 8, 0);
}

TEST(a_specification_without_linux_is_left_alone)
{
	Grpc__Spec spec = GRPC__SPEC__INIT;

	device_numbers_correct(&spec, NULL, 0);
	CHECK(!spec.linux);
}
