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

struct rule {
	bool allow;
	const char *type;
	int64_t major, minor; /* -1: any */
	const char *access;
};

/* As the engines write them: podman 4.3, containerd 1.6 (oci.WithDefaultUnixDevices), Docker 20.10
 * (oci.DefaultLinuxSpec). */
static const struct rule podman[] = {{false, "", -1, -1, "rwm"}};
static const struct rule containerd[] = {
	{false, "", -1, -1, "rwm"},  {true, "c", -1, -1, "m"},    {true, "b", -1, -1, "m"},
	{true, "c", 1, 3, "rwm"},    {true, "c", 1, 8, "rwm"},    {true, "c", 1, 7, "rwm"},
	{true, "c", 5, 0, "rwm"},    {true, "c", 1, 5, "rwm"},    {true, "c", 1, 9, "rwm"},
	{true, "c", 5, 1, "rwm"},    {true, "c", 136, -1, "rwm"}, {true, "c", 5, 2, "rwm"},
	{true, "c", 10, 200, "rwm"},
};
static const struct rule docker[] = {
	{false, "", -1, -1, "rwm"}, {true, "c", 1, 5, "rwm"},     {true, "c", 1, 3, "rwm"},
	{true, "c", 1, 9, "rwm"},   {true, "c", 1, 8, "rwm"},     {true, "c", 5, 0, "rwm"},
	{true, "c", 5, 1, "rwm"},   {false, "c", 10, 229, "rwm"},
};

/* Whether the program of these rules is there: nothing has to be loaded for it. */
static void has(struct device_programs *all, const struct rule *rules, size_t n)
{
	Grpc__LinuxDeviceCgroup specs[16], *list[16];
	struct device_program p;
	size_t next = all->next;

	for (size_t i = 0; i < n; i++) {
		grpc__linux_device_cgroup__init(&specs[i]);
		specs[i].has_allow = true;
		specs[i].allow = rules[i].allow;
		specs[i].type = (char *) rules[i].type;
		specs[i].access = (char *) rules[i].access;
		specs[i].has_major = rules[i].major >= 0;
		specs[i].major = rules[i].major;
		specs[i].has_minor = rules[i].minor >= 0;
		specs[i].minor = rules[i].minor;
		list[i] = &specs[i];
	}
	CHECK_EQ(device_program_make(list, n, &p, NULL), 0);
	CHECK(id_of(device_programs_get(all, &p)) != 0);
	CHECK_EQ(all->next, next);
	free(p.insns);
}

TEST(the_engines_programs_can_be_loaded_beforehand)
{
	struct device_programs all = {0};
	int r = device_programs_warm(&all);

	if (r == -EPERM || r == -ENOSYS)
		exit(TEST_SKIP);
	CHECK_EQ(r, 0);
	has(&all, podman, 1);
	has(&all, containerd, 13);
	has(&all, docker, 8);
	device_programs_fini(&all);
}
