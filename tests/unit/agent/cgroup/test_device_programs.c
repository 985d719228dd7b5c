#include "agent/cgroup/device_programs.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bpf.h"

#include "tests/test.h"

/* The number by which the kernel knows the program; 0: there is none. Closes @fd. */
static uint32_t id_of(int fd)
{
	struct bpf_prog_info info = {0};
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.info.bpf_fd = (uint32_t) fd;
	attr.info.info_len = sizeof info;
	attr.info.info = (uint64_t) (uintptr_t) &info;

	int r = bpf_call(BPF_OBJ_GET_INFO_BY_FD, &attr);

	close(fd);
	return r < 0 ? 0 : info.id;
}

/* The program of containers that may use character device 7:@minor besides. */
static struct device_program program(int64_t minor)
{
	Grpc__LinuxDeviceCgroup rule = GRPC__LINUX_DEVICE_CGROUP__INIT, *list = &rule;
	struct device_program p;

	rule.has_allow = rule.allow = true;
	rule.type = (char *) "c";
	rule.has_major = rule.has_minor = true;
	rule.major = 7;
	rule.minor = minor;
	CHECK_EQ(device_program_make(&list, 1, &p, NULL), 0);
	return p;
}

static uint32_t get(struct device_programs *all, int64_t minor)
{
	struct device_program p = program(minor);
	int fd = device_programs_get(all, &p);

	free(p.insns);
	if (fd == -EPERM || fd == -ENOSYS)
		exit(TEST_SKIP);
	CHECK(fd >= 0);
	return id_of(fd);
}

TEST(equal_rules_have_one_program)
{
	struct device_programs all = {0};
	uint32_t first = get(&all, 1);

	CHECK(first != 0);
	CHECK_EQ(get(&all, 1), first);
	CHECK(get(&all, 2) != first);
	CHECK_EQ(get(&all, 1), first);
	device_programs_fini(&all);
}

TEST(the_one_that_was_loaded_first_is_forgotten_first)
{
	struct device_programs all = {0};
	uint32_t first = get(&all, 0), second = get(&all, 1);

	for (int64_t minor = 2; minor <= DEVICE_PROGRAMS_KEPT; minor++)
		(void) get(&all, minor);
	CHECK_EQ(get(&all, 1), second);
	CHECK(get(&all, 0) != first);
	device_programs_fini(&all);
}

TEST(the_engines_programs_can_be_loaded_beforehand)
{
	struct device_programs all = {0};
	int r = device_programs_warm(&all);

	if (r == -EPERM || r == -ENOSYS)
		exit(TEST_SKIP);
	CHECK_EQ(r, 0);
	CHECK_EQ(all.next, 2);
	device_programs_fini(&all);
}
