#include <errno.h>
#include <fcntl.h>

#include "base/array.h"
#include "host/config/config.h"
#include "host/config/key.h"
#include "tests/test.h"

#define H "io.katacontainers.config.hypervisor."

/* Defaults with these lists; what is in them is separated by blanks. */
static struct config *with(const char *enabled, const char *paths)
{
	struct config *c = NULL;
	char copy[256], *save;

	CHECK_EQ(config_new(&c, NULL), 0);
	CHECK_EQ(config_put_defaults(c, NULL), 0);
	strcpy(copy, enabled);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		CHECK_EQ(list_add(&c->hypervisor.enable_annotations, w), 0);
	strcpy(copy, paths);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		CHECK_EQ(list_add(&c->hypervisor.valid_hypervisor_paths, w), 0);
	return c;
}

static void refused(struct config *c, const char *key, const char *value, int code,
		    const char *sentence)
{
	struct err e = {0};
	int r = config_annotate(c, key, value, &e);

	if (r == 0)
		test_fail(__FILE__, __LINE__, "%s = %s is accepted", key, value);
	CHECK_STR(e.text, sentence);
	CHECK_EQ(r, -code);
}

static void accepted(struct config *c, const char *key, const char *value)
{
	struct err e = {0};

	if (config_annotate(c, key, value, &e) < 0)
		test_fail(__FILE__, __LINE__, "%s", e.text);
}

TEST(other_annotations_are_none_of_ours)
{
	auto_ptr(config_free) struct config *c = with("", "");

	accepted(c, "io.kubernetes.cri.sandbox-id", "x");
	accepted(c, "io.katacontainers.pkg.oci.bundle_path", "x");
	accepted(c, "io.katacontainers.configuration", "x");
}

TEST(nothing_is_allowed_unless_it_is_listed)
{
	auto_ptr(config_free) struct config *c = with("", "");

	refused(c, H "default_memory", "512", EPERM,
		"annotation " H "default_memory: not allowed by enable_annotations");
	refused(c, H "kernel_params", "init=/bin/sh", EPERM,
		"annotation " H "kernel_params: not allowed: enable_annotations does not have "
		"'kernel_params'");
	refused(c, "io.katacontainers.config.runtime.disable_guest_seccomp", "true", EPERM,
		"annotation io.katacontainers.config.runtime.disable_guest_seccomp: not allowed by "
		"enable_annotations");
	CHECK_EQ(c->hypervisor.default_memory, 2048);
	accepted(c, "io.katacontainers.config.runtime.create_container_timeout", "120");
	CHECK_EQ(c->agent.create_container_timeout_ms, 120000);
}

TEST(listed_values_are_typed_and_checked)
{
	auto_ptr(config_free) struct config *c = with("default_.* enable_.* .*_type", "");

	accepted(c, H "default_memory", "512");
	accepted(c, H "default_vcpus", "1.5");
	accepted(c, H "enable_hugepages", "true");
	accepted(c, H "machine_type", "microvm");
	CHECK_EQ(c->hypervisor.default_memory, 512);
	CHECK_EQ(c->hypervisor.default_vcpus, 2);
	CHECK(c->hypervisor.enable_hugepages);
	CHECK_STR(c->hypervisor.machine_type, "microvm");
	CHECK_STR(config_origin(c, "hypervisor.qemu.default_memory"),
		  "annotation " H "default_memory");
	refused(c, H "default_memory", "1", ERANGE,
		"annotation " H "default_memory: hypervisor.qemu.default_memory: 1 is out of range "
		"(64 to 16777216)");
	refused(c, H "default_memory", "2G", EINVAL,
		"annotation " H "default_memory: expected a number, not '2G'");
	refused(c, H "default_memory", "", EINVAL,
		"annotation " H "default_memory: expected a number, not ''");
	refused(c, H "enable_hugepages", "yes", EINVAL,
		"annotation " H "enable_hugepages: expected true or false, not 'yes'");
	refused(c, H "enable_iommu", "true", ENOTSUP,
		"annotation " H "enable_iommu: hypervisor.qemu.enable_iommu: not supported yet");
	accepted(c, H "enable_iommu", "false");
	refused(c, H "default_nonsense", "1", EINVAL,
		"annotation " H "default_nonsense: not known");
}

TEST(an_expression_is_for_the_whole_name)
{
	auto_ptr(config_free) struct config *c = with("enable_huge default_mem ( [", "");

	refused(c, H "enable_hugepages", "true", EPERM,
		"annotation " H "enable_hugepages: not allowed by enable_annotations");
}

TEST(free_text_must_be_named_itself)
{
	auto_ptr(config_free) struct config *c = with(".*", "/usr/*");
	static const char *const text[] = {"path",
					   "kernel",
					   "initrd",
					   "kernel_params",
					   "cpu_features",
					   "machine_accelerators",
					   "virtio_fs_daemon",
					   "virtio_fs_extra_args",
					   "entropy_source"};

	for (size_t i = 0; i < ARRAY_LEN(text); i++) {
		char key[96], want[256];

		(void) snprintf(key, sizeof key, H "%s", text[i]);
		(void) snprintf(want, sizeof want,
				"annotation %s: not allowed: enable_annotations does not have '%s'",
				key, text[i]);
		refused(c, key, "/usr/x", EPERM, want);
	}
}

TEST(paths_must_be_in_their_list)
{
	auto_ptr(config_free) struct config *c = with("path", "/usr/bin/qemu-* /opt/q");

	accepted(c, H "path", "/opt/q");
	accepted(c, H "path", "/usr/bin/qemu-system-x86_64");
	CHECK_STR(c->hypervisor.path, "/usr/bin/qemu-system-x86_64");
	refused(c, H "path", "/bin/sh", EPERM,
		"annotation " H "path: '/bin/sh' is not in valid_hypervisor_paths");
	refused(c, H "path", "/usr/bin/qemu-x/../sh", EPERM,
		"annotation " H "path: '/usr/bin/qemu-x/../sh' is not in valid_hypervisor_paths");
	refused(c, H "path", "/usr/bin/qemu-/sh", EPERM,
		"annotation " H "path: '/usr/bin/qemu-/sh' is not in valid_hypervisor_paths");
	refused(c, H "path", "opt/q", EPERM,
		"annotation " H "path: 'opt/q' is not in valid_hypervisor_paths");
}

TEST(some_keys_are_never_for_pods)
{
	auto_ptr(config_free) struct config *c = with(
		"enable_annotations valid_hypervisor_paths sandbox_bind_mounts accelerator", "");

	refused(c, H "enable_annotations", "[\".*\"]", EPERM,
		"annotation " H "enable_annotations: no pod may set this");
	refused(c, H "valid_hypervisor_paths", "/bin/*", EPERM,
		"annotation " H "valid_hypervisor_paths: no pod may set this");
	refused(c, "io.katacontainers.config.runtime.sandbox_bind_mounts", "/etc", EPERM,
		"annotation io.katacontainers.config.runtime.sandbox_bind_mounts: no pod may set this");
	refused(c, "io.katacontainers.config_path", "/tmp/x.toml", EPERM,
		"annotation io.katacontainers.config_path: no pod may set this");
}

TEST(kernel_parameters_are_appended)
{
	auto_ptr(config_free) struct config *c = with("kernel_params", "");

	accepted(c, H "kernel_params", "a=1");
	accepted(c, H "kernel_params", "b");
	CHECK_STR(c->hypervisor.kernel_params, "a=1 b");
}

TEST(lists_have_two_spellings)
{
	auto_ptr(config_free) struct config *c = with("virtio_fs_extra_args kernel_modules", "");

	accepted(c, H "virtio_fs_extra_args", "[\"-o\", \"a,b\"]");
	CHECK_EQ(c->hypervisor.virtio_fs_extra_args.n, 2);
	CHECK_STR(c->hypervisor.virtio_fs_extra_args.items[1], "a,b");
	accepted(c, H "virtio_fs_extra_args", "-o a,b;--debug");
	CHECK_EQ(c->hypervisor.virtio_fs_extra_args.n, 2);
	CHECK_STR(c->hypervisor.virtio_fs_extra_args.items[0], "-o a,b");
	accepted(c, H "virtio_fs_extra_args", "");
	CHECK_EQ(c->hypervisor.virtio_fs_extra_args.n, 0);
	accepted(c, "io.katacontainers.config.agent.kernel_modules", "loop max_part=8;dummy");
	CHECK_EQ(c->agent.kernel_modules.n, 2);
	CHECK_STR(c->agent.kernel_modules.items[0], "loop max_part=8");
	accepted(c, "io.katacontainers.config.agent.kernel_modules", "");
	refused(c, H "virtio_fs_extra_args", "[1]", EINVAL,
		"annotation " H
		"virtio_fs_extra_args: hypervisor.qemu.virtio_fs_extra_args: expected a "
		"list of strings, not an integer");
	CHECK_EQ(config_annotate(c, H "virtio_fs_extra_args", "[]\ny = 1", NULL), -EINVAL);
	CHECK_EQ(config_annotate(c, H "virtio_fs_extra_args", "[", NULL), -EINVAL);
}

TEST(a_name_that_differs_is_known_by_it)
{
	auto_ptr(config_free) struct config *c = with("default_max_vcpus", "");

	accepted(c, H "default_max_vcpus", "4");
	CHECK_EQ(c->hypervisor.default_maxvcpus, 4);
	refused(c, H "default_maxvcpus", "4", EINVAL,
		"annotation " H "default_maxvcpus: not known");
}

TEST(a_long_value_is_refused)
{
	auto_ptr(config_free) struct config *c = with("kernel_params", "");
	auto_free char *value = malloc(65538);

	memset(value, 'a', 65537);
	value[65537] = '\0';
	CHECK_EQ(config_annotate(c, H "kernel_params", value, NULL), -EINVAL);
}
