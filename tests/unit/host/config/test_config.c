#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "host/config/config.h"
#include "host/config/key.h"
#include "host/hypervisor/drivers.h"
#include "tests/test.h"

#define DATA "tests/unit/host/config/data/"

/* A folder with a configuration.toml, removed at the end of the test. */
struct place {
	char folder[32];
	char file[64];
};

static void place_fini(struct place *p)
{
	(void) dir_remove(AT_FDCWD, p->folder, NULL);
}

#define auto_place __attribute__((cleanup(place_fini)))

static void put(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK_EQ(write(fd, text, strlen(text)), (ssize_t) strlen(text));
}

static struct place place_with(const char *text)
{
	struct place p = {.folder = "/tmp/test_config.XXXXXX"};

	CHECK(mkdtemp(p.folder));
	(void) snprintf(p.file, sizeof p.file, "%s/configuration.toml", p.folder);
	put(p.file, text);
	return p;
}

static void put_dropin(const struct place *p, const char *name, const char *text)
{
	char path[128];

	(void) snprintf(path, sizeof path, "%s/config.d", p->folder);
	(void) mkdir(path, 0755);
	(void) snprintf(path, sizeof path, "%s/config.d/%s", p->folder, name);
	put(path, text);
}

static struct config *loaded(const char *path)
{
	struct config *c = NULL;
	struct err e = {0};

	if (config_load(path, &c, &e) < 0)
		test_fail(__FILE__, __LINE__, "refused: %s", e.text);
	return c;
}

/* @sentence is what follows the file's name. */
static void refused(const char *text, int code, const char *sentence)
{
	auto_place struct place p = place_with(text);
	struct config *c = NULL;
	struct err e = {0};
	int r = config_load(p.file, &c, &e);

	if (r == 0)
		test_fail(__FILE__, __LINE__, "accepted: %s", text);
	CHECK_EQ(r, -code);
	if (strncmp(e.text, p.file, strlen(p.file)) != 0)
		test_fail(__FILE__, __LINE__, "no file in: %s", e.text);
	CHECK_STR(e.text + strlen(p.file), sentence);
}

TEST(an_empty_file_gives_the_defaults)
{
	auto_place struct place p = place_with("");
	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_STR(c->path, p.file);
	CHECK_STR(c->hypervisor.name, "qemu");
	CHECK_STR(c->hypervisor.path, "");
	CHECK_STR(c->hypervisor.machine_type, "q35");
	CHECK_EQ(c->hypervisor.accelerator, HV_ACCEL_AUTO);
	CHECK_EQ(c->hypervisor.default_vcpus, 1);
	CHECK_EQ(c->hypervisor.default_memory, 2048);
	CHECK_EQ(c->hypervisor.shared_fs, CONFIG_SHARED_FS_VIRTIO_FS);
	CHECK_EQ(c->hypervisor.enable_annotations.n, 0);
	CHECK_EQ(c->agent.create_container_timeout_ms, 60000);
	CHECK_EQ(c->runtime.network, CONFIG_NETWORK_TCFILTER);
	CHECK(!c->runtime.disable_guest_seccomp);
	CHECK_EQ(c->warnings.n, 0);
	CHECK_STR(config_origin(c, "hypervisor.qemu.kernel"), "default");
}

TEST(values_are_read_with_their_origin)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\n"
			   "path = \"/usr/bin/qemu\"\n"
			   "machine_type = \"microvm\"\n"
			   "default_vcpus = 1.2\n"
			   "virtio_fs_extra_args = [\n  \"-o\",\n  \"a\\\"b\",\n]\n"
			   "[agent.kata]\ncreate_container_timeout = 7\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	char want[128];

	CHECK_STR(c->hypervisor.path, "/usr/bin/qemu");
	CHECK_STR(c->hypervisor.machine_type, "microvm");
	CHECK_EQ(c->hypervisor.default_vcpus, 2);
	CHECK_EQ(c->hypervisor.virtio_fs_extra_args.n, 2);
	CHECK_STR(c->hypervisor.virtio_fs_extra_args.items[1], "a\"b");
	CHECK_EQ(c->agent.create_container_timeout_ms, 7000);
	(void) snprintf(want, sizeof want, "%s:3", p.file);
	CHECK_STR(config_origin(c, "hypervisor.qemu.machine_type"), want);
	CHECK(config_origin(c, "hypervisor.qemu.enable_iommu") == NULL);
	CHECK(config_origin(c, "nonsense") == NULL);
}

TEST(dropins_are_merged_in_the_order_of_their_names)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\ndefault_memory = 512\ndefault_vcpus = 2\n"
			   "virtio_fs_extra_args = [\"a\", \"b\"]\n");
	char want[128];

	put_dropin(&p, "50-b.toml", "[hypervisor.qemu]\ndefault_memory = 1024\n");
	put_dropin(&p, "10-a.toml",
		   "[hypervisor.qemu]\ndefault_memory = 768\n"
		   "virtio_fs_extra_args = [\"c\"]\n");
	put_dropin(&p, "60.conf", "this is not read");
	put_dropin(&p, ".70.toml", "this is not read");

	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_EQ(c->hypervisor.default_memory, 1024);
	CHECK_EQ(c->hypervisor.default_vcpus, 2);
	CHECK_EQ(c->hypervisor.virtio_fs_extra_args.n, 1);
	CHECK_EQ(c->dropins.n, 2);
	(void) snprintf(want, sizeof want, "%s/config.d/50-b.toml:2", p.folder);
	CHECK_STR(config_origin(c, "hypervisor.qemu.default_memory"), want);
}

TEST(a_link_leads_to_the_dropins_beside_its_target)
{
	auto_place struct place p = place_with("");
	auto_place struct place q = place_with("");
	char link[128];

	put_dropin(&p, "a.toml", "[hypervisor.qemu]\ndefault_memory = 99\n");
	(void) snprintf(link, sizeof link, "%s/link.toml", q.folder);
	CHECK_EQ(symlink(p.file, link), 0);

	auto_ptr(config_free) struct config *c = loaded(link);

	CHECK_EQ(c->hypervisor.default_memory, 99);
	CHECK_STR(c->path, p.file);
}

TEST(wrong_types_and_ranges_are_refused_with_file_and_line)
{
	refused("[hypervisor.qemu]\n\ndefault_memory = \"2G\"", EINVAL,
		":3: hypervisor.qemu.default_memory: expected an integer, not a string");
	refused("hypervisor.qemu.default_memory = 63", ERANGE,
		":1: hypervisor.qemu.default_memory: 63 is out of range (64 to 16777216)");
	refused("[hypervisor.qemu]\ndefault_vcpus = 257", ERANGE,
		":2: hypervisor.qemu.default_vcpus: 257 is out of range (-256 to 256)");
	refused("[hypervisor.qemu]\ndefault_vcpus = nan", ERANGE,
		":2: hypervisor.qemu.default_vcpus: nan is out of range (-256 to 256)");
	refused("[hypervisor.qemu]\ndefault_vcpus = true", EINVAL,
		":2: hypervisor.qemu.default_vcpus: expected a number, not true or false");
	refused("[hypervisor.qemu]\nrootless = 1", EINVAL,
		":2: hypervisor.qemu.rootless: expected true or false, not an integer");
	refused("[hypervisor.qemu]\nkernel = [\"a\"]", EINVAL,
		":2: hypervisor.qemu.kernel: expected a string, not a list");
	refused("[hypervisor.qemu]\nvirtio_fs_extra_args = \"-o\"", EINVAL,
		":2: hypervisor.qemu.virtio_fs_extra_args: expected a list of strings, not a string");
	refused("[agent.kata]\nkernel_modules = [\"a\", 1]", EINVAL,
		":2: agent.kata.kernel_modules: expected a list of strings, not an integer");
	refused("[hypervisor.qemu]\naccelerator = \"hvf\"", EINVAL,
		":2: hypervisor.qemu.accelerator: 'hvf' is none of auto, kvm, tcg");
	refused("[agent.kata]\ndial_timeout_ms = 0", ERANGE,
		":2: agent.kata.dial_timeout_ms: 0 is out of range (1 to 3600000)");
	refused("[hypervisor.qemu]\nmemory_slots = -1", ERANGE,
		":2: hypervisor.qemu.memory_slots: -1 is out of range (0 to 4294967295)");
	refused("[hypervisor.qemu]\nblock_device_aio = \"fast\"", EINVAL,
		":2: hypervisor.qemu.block_device_aio: 'fast' is none of threads, native, io_uring");
	refused("[runtime]\ncreate_container_timeout = 3601", ERANGE,
		":2: runtime.create_container_timeout: 3601 is out of range (1 to 3600)");
	refused("[hypervisor.qemu]\nmemory_slots = \"many\"", EINVAL,
		":2: hypervisor.qemu.memory_slots: expected an integer, not a string");
	refused("hypervisor = 1", EINVAL, ":1: hypervisor: expected a table, not an integer");
	refused("[hypervisor]\nqemu = []", EINVAL,
		":2: hypervisor.qemu: expected a table, not a list");
	refused("[agent.kata]\nmem_agent = 1", EINVAL,
		":2: agent.kata.mem_agent: expected a table, not an integer");
	refused("[agent.kata]\ndial_timeout_ms = 10\nreconnect_timeout_ms = 9\n", EINVAL,
		":3: agent.kata.reconnect_timeout_ms (9) is less than dial_timeout_ms (10)");
	refused("a = = b", EINVAL, ":1: expected a value, not '= b'");
}

TEST(what_is_not_supported_yet_is_refused_by_name)
{
	refused("[hypervisor.qemu]\nenable_iommu = true", ENOTSUP,
		":2: hypervisor.qemu.enable_iommu: not supported yet");
	refused("[hypervisor.qemu]\nimage = \"/x.img\"", ENOTSUP,
		":2: hypervisor.qemu.image: not supported yet: set 'initrd' instead");
	refused("[hypervisor.qemu]\nmachine_type = \"virt\"", ENOTSUP,
		":2: hypervisor.qemu.machine_type: 'virt' is not supported yet");
	refused("[runtime]\ninternetworking_model = \"macvtap\"", ENOTSUP,
		":2: runtime.internetworking_model: 'macvtap' is not supported: take 'tcfilter', which "
		"brings the same interfaces into the guest");
	refused("[hypervisor.qemu]\nshared_fs = \"virtio-fs-nydus\"", ENOTSUP,
		":2: hypervisor.qemu.shared_fs: 'virtio-fs-nydus' is not supported yet");
	refused("[[hypervisor.qemu.guest_extension_images]]\nname = \"gpu\"", ENOTSUP,
		":1: hypervisor.qemu.guest_extension_images: not supported yet");
	refused("[hypervisor.qemu.rootless_user]\nuid = 1", ENOTSUP,
		":1: hypervisor.qemu.rootless_user: not supported yet");
	refused("[factory]\nvm_cache_number = 1", ENOTSUP,
		":2: hypervisor.qemu.factory.vm_cache_number: not supported yet");
	refused("[hypervisor.qemu.factory]\nvm_cache_number = 1", ENOTSUP,
		":2: hypervisor.qemu.factory.vm_cache_number: not supported yet");
	refused("[agent.kata.mem_agent]\nmem_agent_enable = true", ENOTSUP,
		":2: agent.kata.mem_agent.mem_agent_enable: not supported yet");
	refused("[runtime]\nexperimental = [\"force_guest_pull\"]", ENOTSUP,
		":2: runtime.experimental: not supported yet");
	refused("[runtime]\nhypervisor_name = \"clh\"", ENOTSUP,
		":2: runtime.hypervisor_name: 'clh' is not supported yet");
	refused("[agent.kata]\nlog_port = 1026", ENOTSUP,
		":2: agent.kata.log_port: not supported yet");
	refused("[hypervisor.qemu]\ndisable_vhost_net = true", ENOTSUP,
		":2: hypervisor.qemu.disable_vhost_net: not supported yet");
	refused("[hypervisor.firecracker]\npath = \"/fc\"", ENOTSUP,
		":1: hypervisor.firecracker: not supported yet");
	refused("[runtime]\nhypervisor_name = \"xen\"", EINVAL,
		":2: runtime.hypervisor_name: 'xen' is none of qemu");
}

TEST(what_asks_for_nothing_is_accepted)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\nenable_iommu = false\nimage = \"\"\n"
			   "cold_plug_vfio = \"no-port\"\nmemory_slots = 10\n"
			   "[hypervisor.qemu.rootless_user]\n"
			   "[hypervisor.clh]\nanything = 1\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_EQ(c->warnings.n, 0);
}

TEST(unknown_keys_are_warnings)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\ndefault_memroy = 1\n[runtime]\nx.y = 1\n"
			   "[netmon]\n[hypervisor.xen]\n[agent.other]\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	static const char *const want[] = {
		":2: hypervisor.qemu.default_memroy: not known",
		":6: hypervisor.xen: not known",
		":4: runtime.x: not known",
		":5: netmon: not known",
		":7: agent.other: not known",
	};

	CHECK_EQ(c->warnings.n, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		CHECK_STR(c->warnings.items[i] + strlen(p.file), want[i]);
}

TEST(what_is_done_differently_is_a_warning)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\nblock_device_driver = \"virtio-scsi\"\n[runtime]\n"
			   "log_level = \"trace\"\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_EQ(c->warnings.n, 2);
	CHECK_STR(c->warnings.items[1] + strlen(p.file),
		  ":4: runtime.log_level: not supported yet: 'enable_debug' decides");
	CHECK_STR(c->warnings.items[0] + strlen(p.file),
		  ":2: hypervisor.qemu.block_device_driver: not supported yet: virtio-blk is used");
}

/* What the files that the upstream system ships have asks for nothing. */
TEST(what_tunes_and_is_not_there_is_a_warning)
{
	static const struct {
		const char *key, *shipped, *other;
	} keys[] = {
		{"[hypervisor.qemu]\noverhead_vcpus", "0.2", "0.5"},
		{"[hypervisor.qemu]\noverhead_memory", "32", "64"},
		{"[hypervisor.qemu]\nmemory_slots", "10", "3"},
		{"[hypervisor.qemu]\nblock_device_aio", "\"io_uring\"", "\"native\""},
		{"[hypervisor.qemu]\nqueue_size", "128", "64"},
		{"[hypervisor.qemu]\ndefault_bridges", "1", "5"},
		{"[agent.kata]\nhealth_check_request_timeout_ms", "90000", "1000"},
	};

	for (size_t i = 0; i < 2 * ARRAY_LEN(keys); i++) {
		bool is_shipped = i % 2 == 0;
		auto_free char *text =
			str_printf("%s = %s\n", keys[i / 2].key,
				   is_shipped ? keys[i / 2].shipped : keys[i / 2].other);
		auto_place struct place p = place_with(text);
		auto_ptr(config_free) struct config *c = loaded(p.file);

		CHECK_EQ(c->warnings.n, !is_shipped);
		CHECK(is_shipped || strstr(c->warnings.items[0], ": not supported yet: "));
	}
}

TEST(old_names_and_units_mean_the_new_ones)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\nseccompsandbox = \"on\"\n[agent.kata]\n"
			   "dial_timeout = 30\n[runtime]\n"
			   "create_container_timeout = 90\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	char want[128];

	CHECK_STR(c->hypervisor.seccomp_sandbox, "on");
	CHECK_EQ(c->agent.reconnect_timeout_ms, 30000);
	CHECK_EQ(c->agent.create_container_timeout_ms, 90000);
	(void) snprintf(want, sizeof want, "%s:2", p.file);
	CHECK_STR(config_origin(c, "hypervisor.qemu.seccomp_sandbox"), want);
}

TEST(the_hypervisor_is_the_named_one_or_the_only_one)
{
	auto_place struct place p = place_with("[hypervisor.clh]\n[hypervisor.qemu]\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_STR(c->hypervisor.name, "qemu");
}

TEST(a_named_file_that_is_absent_is_an_error)
{
	struct config *c = NULL;
	struct err e = {0};

	CHECK_EQ(config_load("/nonexistent.toml", &c, &e), -ENOENT);
	CHECK_STR(e.text, "find configuration '/nonexistent.toml'");
	err_clear(&e);
	(void) setenv("KATA_CONF_FILE", "/nonexistent2.toml", 1);
	CHECK_EQ(config_load(NULL, &c, &e), -ENOENT);
	CHECK_STR(e.text, "find configuration '/nonexistent2.toml'");
}

TEST(the_environment_names_a_file_and_the_caller_another)
{
	auto_place struct place p = place_with("[hypervisor.qemu]\ndefault_memory = 100\n");
	auto_place struct place q = place_with("[hypervisor.qemu]\ndefault_memory = 200\n");

	(void) setenv("KATA_CONF_FILE", p.file, 1);

	auto_ptr(config_free) struct config *c = loaded(NULL);
	auto_ptr(config_free) struct config *d = loaded(q.file);

	CHECK_EQ(c->hypervisor.default_memory, 100);
	CHECK_EQ(d->hypervisor.default_memory, 200);
}

TEST(a_folder_is_no_configuration)
{
	struct config *c = NULL;

	CHECK_EQ(config_load("/tmp", &c, NULL), -EISDIR);
}

struct shown {
	unsigned n, from_default;
	char vcpus[32], args[64], origin[128];
};

static void show(void *arg, const struct config_setting *s)
{
	struct shown *shown = arg;

	shown->n++;
	shown->from_default += strcmp(s->origin, "default") == 0;
	if (strcmp(s->key, "hypervisor.qemu.default_vcpus") == 0)
		strcpy(shown->vcpus, s->value);
	if (strcmp(s->key, "hypervisor.qemu.virtio_fs_extra_args") == 0)
		strcpy(shown->args, s->value);
	if (strcmp(s->key, "agent.kata.create_container_timeout") == 0)
		strcpy(shown->origin, s->value);
}

TEST(effective_values_are_shown_as_toml)
{
	auto_place struct place p = place_with("[hypervisor.qemu]\ndefault_vcpus = -1\n"
					       "virtio_fs_extra_args = [\"a\\\\\\\"\", '\x09']\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	struct shown shown = {0};

	config_each(c, show, &shown);
	CHECK(shown.n > 30);
	CHECK_EQ(shown.from_default, shown.n - 2);
	CHECK_STR(shown.vcpus, "-1");
	CHECK_STR(shown.args, "[\"a\\\\\\\"\", \"\\u0009\"]");
	CHECK_STR(shown.origin, "60");
}

TEST(a_copy_has_everything)
{
	auto_place struct place p = place_with(
		"[hypervisor.qemu]\nkernel = \"/k\"\nenable_annotations = [\"x\"]\nunknown = 1\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	auto_ptr(config_free) struct config *d = config_copy(c);

	CHECK(d && d->hypervisor.kernel != c->hypervisor.kernel);
	CHECK_STR(d->hypervisor.kernel, "/k");
	CHECK_STR(d->hypervisor.name, "qemu");
	CHECK_STR(d->hypervisor.enable_annotations.items[0], "x");
	CHECK_EQ(d->hypervisor.default_memory, 2048);
	CHECK_EQ(d->warnings.n, 1);
	CHECK_STR(config_origin(d, "hypervisor.qemu.kernel"),
		  config_origin(c, "hypervisor.qemu.kernel"));
	CHECK_STR(d->path, c->path);
}

static void list_unsupported(void *arg, const struct config_setting *s)
{
	char *names = arg;

	if (s->value)
		return;
	(void) strcat(strcat(names, s->key), " ");
	CHECK(strcmp(s->origin, "default") != 0);
}

TEST(what_was_set_without_effect_is_shown_as_such)
{
	auto_place struct place p =
		place_with("[hypervisor.qemu]\nmemory_slots = 7\nenable_iommu = false\n"
			   "[runtime]\nlog_level = \"trace\"\n");
	auto_ptr(config_free) struct config *c = loaded(p.file);
	char names[512] = "";

	config_each(c, list_unsupported, names);
	CHECK_STR(names, "hypervisor.qemu.memory_slots hypervisor.qemu.enable_iommu "
			 "runtime.log_level ");
}

/* The upstream system's own files say what they ship. */
static void upstream(const char *name, size_t warnings)
{
	auto_free char *text = NULL;
	char *image;

	CHECK_EQ(file_read(AT_FDCWD, name, 1 << 20, &text, NULL, NULL), 0);
	image = strstr(text, "\nimage = ");
	CHECK(image);
	memcpy(image + 1, "#mage", 5);

	auto_place struct place p = place_with(text);
	auto_ptr(config_free) struct config *c = loaded(p.file);

	CHECK_EQ(c->warnings.n, warnings);
	CHECK_STR(c->hypervisor.path, "/opt/kata/bin/qemu-system-x86_64");
	CHECK_STR(c->hypervisor.cpu_features, "pmu=off");
	CHECK(c->runtime.disable_guest_seccomp);
	CHECK_STR(c->hypervisor.valid_virtio_fs_daemon_paths.items[0],
		  "/opt/kata/libexec/virtiofsd");
}

TEST(upstream_files_load_but_for_the_image)
{
	upstream(DATA "upstream-qemu-runtime-rs.toml", 1);
	upstream(DATA "upstream-qemu-go.toml", 1);
}

TEST(every_key_of_the_upstream_system_is_known)
{
	static const struct {
		const char *name;
		enum section_id id;
	} sections[] = {
		{"hypervisor", SECTION_HYPERVISOR}, {"factory", SECTION_FACTORY},
		{"agent", SECTION_AGENT},           {"mem_agent", SECTION_MEM_AGENT},
		{"runtime", SECTION_RUNTIME},
	};
	FILE *f = fopen(DATA "upstream-keys.txt", "re");
	char section[32], key[96];
	unsigned n = 0;

	CHECK(f);
	while (fscanf(f, "%31s %95s", section, key) == 2) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(sections); i++)
			known |= strcmp(sections[i].name, section) == 0 &&
				 key_find(FOR_ALL, sections[i].id, key).key;
		if (!known)
			test_fail(__FILE__, __LINE__, "%s.%s is not known", section, key);
		n++;
	}
	(void) fclose(f);
	CHECK(n > 180);
}

TEST(the_shipped_file_says_the_defaults)
{
	auto_ptr(config_free) struct config *c = loaded("config/configuration-qemu.toml.in");
	auto_place struct place p = place_with("");
	auto_ptr(config_free) struct config *d = loaded(p.file);

	CHECK_EQ(c->warnings.n, 0);
	for (struct key_place k = key_first(FOR_ALL); k.key; k = key_next(k)) {
		char name[KEY_NAME_BYTES];

		if (!k.key->to || k.key->status != KEY_HONOURED)
			continue;
		(void) key_full_name(k, "qemu", name);
		if (!c->sources[k.number].origin)
			test_fail(__FILE__, __LINE__, "%s is missing", name);
		if (strcmp(k.key->name, "kernel") == 0 || strcmp(k.key->name, "initrd") == 0)
			continue;

		auto_free char *shipped = key_show(c, k.key), *preset = key_show(d, k.key);

		if (strcmp(shipped, preset) != 0)
			test_fail(__FILE__, __LINE__, "%s is %s, not %s", name, shipped, preset);
	}
}

/* @text: values of @k as TOML, with commas. Returns how many. */
static unsigned check_values(const struct key *k, const char *text)
{
	auto_free char *line = str_printf("x = [%s]\n", text);
	auto_ptr(toml_free) struct toml *t = NULL;
	struct err e = {0};

	if (toml_parse(k->name, line, strlen(line), &t, &e) < 0)
		test_fail(__FILE__, __LINE__, "%s: %s", k->name, e.text);
	for (const struct toml *v = t->first->first; v; v = v->next)
		if (k->kind != KEY_TABLES && key_check(k, v, 1, &e) < 0)
			test_fail(__FILE__, __LINE__, "%s: %s", k->name, e.text);
	return t->first->n;
}

static void check_tables(uint32_t driver)
{
	for (struct key_place p = key_first(driver); p.key; p = key_next(p)) {
		const struct key *k = p.key;
		struct key_place found = key_find(driver, p.table->section, k->name);

		if (found.key != k)
			test_fail(__FILE__, __LINE__, "%s stands twice", k->name);
		if (k->same_as) {
			if (!key_canonical(p).key)
				test_fail(__FILE__, __LINE__, "%s is the same as nothing", k->name);
			continue;
		}
		if (!k->help)
			test_fail(__FILE__, __LINE__, "%s has no help", k->name);
		if (!k->preset != !k->to)
			test_fail(__FILE__, __LINE__, "%s has only one of default and field",
				  k->name);
		if (k->preset)
			CHECK_EQ(check_values(k, k->preset), 1);
		if (!k->accepted != (k->status == KEY_HONOURED || k->status == KEY_IGNORED))
			test_fail(__FILE__, __LINE__, "%s has no use for its status", k->name);
		if (k->accepted)
			CHECK(check_values(k, k->accepted) > 0);
		CHECK(!k->globs || key_find(driver, SECTION_HYPERVISOR, k->globs).key);
	}
}

/* Calls @check with the bit of each driver. */
static void for_each_driver(void (*check)(uint32_t driver))
{
	unsigned n = 0;

	for (const struct key_word *w = hypervisor_key().key->words; w->name; w++)
		if (w->value != WORD_NOT_YET) {
			check((uint32_t) w->value);
			n++;
		}
	CHECK(n > 0);
}

TEST(the_tables_are_in_order)
{
	for_each_driver(check_tables);
}

TEST(every_driver_has_a_name_in_the_configuration)
{
	for (const struct hv_ops *const *driver = hv_drivers; *driver; driver++) {
		const struct key_word *word = key_word(hypervisor_key().key, (*driver)->name);

		if (!word || word->value == WORD_NOT_YET)
			test_fail(__FILE__, __LINE__, "%s cannot be chosen", (*driver)->name);
	}
}

/* No driver has this bit. */
#define FOR_ANOTHER (1U << 31)

TEST(a_section_knows_the_keys_of_its_own_driver)
{
	CHECK(key_find(FOR_QEMU, SECTION_HYPERVISOR, "machine_type").key);
	CHECK(key_find(FOR_QEMU, SECTION_HYPERVISOR, "msize_9p").key);
	CHECK(!key_find(FOR_ANOTHER, SECTION_HYPERVISOR, "machine_type").key);
	CHECK(!key_find(FOR_ANOTHER, SECTION_HYPERVISOR, "msize_9p").key);
	CHECK(key_find(FOR_ANOTHER, SECTION_HYPERVISOR, "kernel").key);
	CHECK(key_find(FOR_ANOTHER, SECTION_RUNTIME, "hypervisor_name").key);
}

/* What does not work stands apart from what does. */
TEST(only_one_file_has_keys_that_are_not_honoured)
{
	static const struct key_table *const honoured[] = {
		&keys_machine, &keys_processor, &keys_share, &keys_disks, &keys_device,
		&keys_pod,     &keys_factory,   &keys_qemu,  &keys_agent, &keys_runtime};

	for (struct key_place p = key_first(FOR_ALL); p.key; p = key_next(p)) {
		bool apart = true;

		for (size_t i = 0; i < ARRAY_LEN(honoured); i++)
			apart &= p.table != honoured[i];
		if (apart != (p.key->status != KEY_HONOURED))
			test_fail(__FILE__, __LINE__, "%s is in the wrong table", p.key->name);
	}
}

static void check_order(uint32_t driver)
{
	auto_free char *seen = calloc(key_count(), 1);

	for (struct key_place p = key_shown_first(driver); p.key; p = key_shown_next(p)) {
		const char *after = p.key->after;

		if (seen[p.number]++)
			test_fail(__FILE__, __LINE__, "%s is shown again", p.key->name);
		if (after && !seen[key_find(driver, p.table->section, after).number])
			test_fail(__FILE__, __LINE__, "%s is not behind %s", p.key->name, after);
	}
	for (struct key_place p = key_first(driver); p.key; p = key_next(p))
		if (!seen[p.number])
			test_fail(__FILE__, __LINE__, "%s is not shown", p.key->name);
}

TEST(every_key_is_shown_once_and_behind_its_predecessor)
{
	for_each_driver(check_order);
}

TEST(the_manual_is_what_the_tables_say)
{
	auto_free char *text = config_manual();
	auto_free char *file = NULL;

	CHECK_EQ(file_read(AT_FDCWD, "docs/configuration.md", 1 << 20, &file, NULL, NULL), 0);
	if (strcmp(text, file) != 0)
		test_fail(__FILE__, __LINE__, "%s", "docs/configuration.md is old: run make docs");
}
