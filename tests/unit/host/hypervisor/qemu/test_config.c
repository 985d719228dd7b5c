#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/hypervisor/qemu/kernel_params.h"
#include "host/hypervisor/qemu/qemu.h"
#include "host/hypervisor/qemu/resize.h"

#define MIB (UINT64_C(1) << 20)

/* A folder with a kernel, an initrd and a disk that look like such. */
struct scene {
	char dir[32], kernel[64], initrd[64], disk[64];
	struct vm_spec spec;
	struct config_hypervisor options;
	struct qemu_choice choice;
	struct device channel;
	struct qemu q; /* only its machine, command and devices */
};

static void make_file(char *path, size_t bytes, const char *dir, const char *name,
		      const char *content)
{
	(void) snprintf(path, bytes, "%s/%s", dir, name);
	CHECK_EQ(file_replace(AT_FDCWD, path, content, strlen(content), 0600, NULL), 0);
}

static void scene_open(struct scene *s)
{
	*s = (struct scene){.dir = "/tmp/command.XXXXXX"};
	CHECK(mkdtemp(s->dir));
	make_file(s->kernel, sizeof s->kernel, s->dir, "vmlinux", "\177ELF and so on");
	make_file(s->initrd, sizeof s->initrd, s->dir, "initrd", "07");
	make_file(s->disk, sizeof s->disk, s->dir, "disk", "512");
	s->spec = (struct vm_spec){
		.id = "pod",
		.vcpus = 1,
		.memory_bytes = 256 * MIB,
		.kernel_path = s->kernel,
		.initrd_path = s->initrd,
		.options = &s->options,
	};
	s->channel = (struct device){
		.kind = DEVICE_PORT, .id = "agent", .port = {.name = VMM_AGENT_PORT}};
	s->choice = (struct qemu_choice){
		.arch = qemu_arch_host(),
		.machine = qemu_machine_find(qemu_arch_host(), NULL, NULL),
		.options = &s->options,
		.accel = HV_ACCEL_TCG,
		.channel = &s->channel,
		.program = "/usr/bin/qemu",
		.kernel_params = "quiet a=b,c",
	};
}

static void scene_close(struct scene *s)
{
	qemu_command_fini(&s->q.command);
	CHECK_EQ(dir_remove(AT_FDCWD, s->dir, NULL), 0);
}

/* As far as hv_create() goes. */
static int build(struct scene *s, struct err *e)
{
	qemu_command_fini(&s->q.command);
	s->q = (struct qemu){.hv.state = HV_CREATED, .machine = s->choice.machine};
	s->q.devices.has_plug_bus = s->choice.has_plug_bus;
	qemu_resize_init(&s->q, &s->spec);
	s->choice.max_vcpus = s->q.max_vcpus;
	s->choice.more_memory_bytes = s->q.memory.more_bytes;
	return qemu_config_build(&s->q.command, &s->spec, &s->choice, e);
}

/* As hv_start() does. */
static void finish(struct scene *s)
{
	CHECK_EQ(qemu_config_finish(&s->q.command, &s->q.memory, &s->q.devices, NULL), 0);
}

static int attach(struct scene *s, const struct device *d, struct device_address *ret)
{
	return qemu_attach(&s->q.hv, d, CLOCK_NEVER, ret, NULL);
}

/* The value behind @option that begins with @start, or NULL. */
static const char *option(const struct scene *s, const char *name, const char *start)
{
	for (size_t i = 0; i + 1 < s->q.command.argc; i++)
		if (strcmp(s->q.command.argv[i], name) == 0 &&
		    strncmp(s->q.command.argv[i + 1], start, strlen(start)) == 0)
			return s->q.command.argv[i + 1];
	return NULL;
}

static bool has(const struct scene *s, const char *name, const char *value)
{
	const char *found = option(s, name, value);

	return found && strcmp(found, value) == 0;
}

#if defined(__x86_64__)
/* The whole of it, once: what changes here changes what QEMU sees. */
TEST(the_plainest_machine)
{
	static const char *const golden[] = {
		"/usr/bin/qemu",
		"-name",
		"kata-pod",
		"-nodefaults",
		"-no-user-config",
		"-display",
		"none",
		"-no-reboot",
		"-S",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-chardev",
		"socket,id=monitor,fd=3",
		"-mon",
		"chardev=monitor,mode=control",
		"-chardev",
		"socket,id=console,fd=4",
		"-serial",
		"chardev:console",
		"-machine",
		NULL,
		"-accel",
		"tcg,thread=multi",
		"-cpu",
		"max,erms=off,fsrm=off",
		"-smp",
		"1",
		"-m",
		"256M",
		"-kernel",
		"/proc/self/fd/6",
		"-initrd",
		"/proc/self/fd/7",
		"-append",
		"quiet a=b,c",
		"-device",
		"{\"driver\":\"virtio-serial-pci\",\"disable-legacy\":\"on\",\"max_ports\":2}",
		"-chardev",
		"socket,id=kata-agent,fd=5",
		"-device",
		"{\"driver\":\"virtserialport\",\"chardev\":\"kata-agent\","
		"\"name\":\"agent.channel.0\"}",
		"-add-fd",
		"fd=8,set=1",
		"-object",
		"rng-random,id=entropy,filename=/dev/fdset/1",
		"-device",
		"{\"driver\":\"virtio-rng-pci\",\"disable-legacy\":\"on\",\"rng\":\"entropy\"}",
	};
	struct scene s;

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	finish(&s);
	for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
		if (golden[i])
			CHECK_STR(s.q.command.argv[i], golden[i]);
	CHECK_EQ(s.q.command.argc, sizeof golden / sizeof golden[0]);
	CHECK(strncmp(option(&s, "-machine", ""), "q35,usb=off,", 12) == 0);
	CHECK(!s.q.command.argv[s.q.command.argc]);
	scene_close(&s);
}

TEST(microvm_has_its_devices_on_another_bus)
{
	struct scene s;

	scene_open(&s);
	s.choice.machine = qemu_machine_find(s.choice.arch, "microvm", NULL);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(has(&s, "-device", "{\"driver\":\"virtio-rng-device\",\"rng\":\"entropy\"}"));
	CHECK(has(&s, "-device", "{\"driver\":\"virtio-serial-device\",\"max_ports\":2}"));
	CHECK(has(&s, "-global", "virtio-mmio.force-legacy=off"));
	scene_close(&s);
}
#endif

#if defined(__x86_64__)
/* Bytes in the file that QEMU finds as "/proc/self/fd/N". */
static int64_t file_size_behind(const struct scene *s, const char *path)
{
	int as = atoi(path + strlen("/proc/self/fd/"));
	struct stat st;

	for (size_t i = 0; i < s->q.command.n_fds; i++)
		if (s->q.command.fds[i].as == as && fstat(s->q.command.fds[i].fd, &st) == 0)
			return st.st_size;
	return -1;
}

/* A QEMU in bin has its firmware in share/qemu beside it. */
TEST(the_fastest_firmware_is_taken_where_qemu_has_it)
{
	char program[96], firmware[96], folder[96];
	struct scene s;

	scene_open(&s);
	for (size_t i = 0; i < 3; i++) {
		(void) snprintf(folder, sizeof folder, "%s/%s", s.dir,
				(const char *[]){"bin", "share", "share/qemu"}[i]);
		CHECK_EQ(mkdir(folder, 0700), 0);
	}
	make_file(program, sizeof program, s.dir, "bin/qemu", "#!");
	s.choice.program = program;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(!option(&s, "-bios", ""));
	make_file(firmware, sizeof firmware, s.dir, "share/qemu/qboot.rom", "fast");
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(option(&s, "-bios", "/proc/self/fd/"));
	/* What the administrator names comes first. */
	s.options.firmware = s.disk;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(file_size_behind(&s, option(&s, "-bios", "/proc/self/fd/")), 3);
	s.options.firmware = NULL;
	s.choice.machine = qemu_machine_find(s.choice.arch, "microvm", NULL);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(option(&s, "-bios", "/proc/self/fd/"));
	scene_close(&s);
}
#endif

TEST(an_unknown_machine_is_named_with_the_known_ones)
{
	struct err e = {0};

	CHECK(!qemu_machine_find(qemu_arch_host(), "z900", &e));
	CHECK(strstr(e.text, "unknown machine type 'z900'"));
	CHECK(strstr(e.text, "known: "));
}

TEST(kvm_takes_the_hosts_processor)
{
	struct scene s;

	scene_open(&s);
	s.choice.accel = HV_ACCEL_KVM;
	s.options.cpu_features = (char *) "pmu=off,-cx16";
	s.spec.vcpus = 2;
	s.spec.max_vcpus = 4;
	s.options.machine_accelerators = (char *) "nvdimm=on";
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(has(&s, "-accel", "kvm"));
	CHECK(has(&s, "-cpu", "host,pmu=off,-cx16"));
	CHECK(has(&s, "-smp", "2,maxcpus=4"));
	CHECK(strstr(option(&s, "-machine", ""), ",nvdimm=on"));
	scene_close(&s);
}

TEST(virtio_fs_takes_shared_memory_and_the_socket)
{
	struct scene s;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct device share = {
		.kind = DEVICE_VIRTIO_FS,
		.id = "share",
		.virtio_fs = {.tag = "a,b", .socket_fd = fd, .queue_size = 512},
	};
	struct device_address at;

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &share, &at), 0);
	CHECK_EQ(at.kind, DEVICE_AT_NAME);
	CHECK_STR(at.text, "a,b");
	finish(&s);
	CHECK(has(&s, "-machine", "memory-backend=memory"));
	CHECK(has(&s, "-object",
		  "memory-backend-file,id=memory,size=256M,share=on,align=2097152,"
		  "mem-path=/proc/self/fd/10"));
	CHECK_EQ(lseek(s.q.command.fds[4].fd, 0, SEEK_END), 256 << 20);
	CHECK_EQ(ftruncate(s.q.command.fds[4].fd, 0), -1); /* sealed */
	const char *device = option(&s, "-device", "{\"driver\":\"vhost-user-fs-");

	CHECK(device);
	CHECK(strstr(device, "\"chardev\":\"kata-share\",\"tag\":\"a,b\",\"queue-size\":512}"));
	CHECK(!strstr(device, "legacy"));
	CHECK(has(&s, "-chardev", "socket,id=kata-share,fd=9"));
	CHECK(s.q.command.fds[3].fd != fd); /* the caller's stays the caller's */
	scene_close(&s);
}

TEST(huge_pages_and_touched_memory)
{
	struct scene s;

	scene_open(&s);
	s.spec.hugepages = s.spec.mem_prealloc = true;
	CHECK_EQ(build(&s, NULL), 0);
	finish(&s);
	CHECK(has(&s, "-object",
		  "memory-backend-memfd,id=memory,size=256M,share=off,hugetlb=on,prealloc=on"));
	scene_close(&s);
}

TEST(what_the_guest_frees_is_given_back_unless_it_is_to_have_it_for_certain)
{
	static const char balloon[] = "{\"driver\":\"virtio-balloon-pci\"";
	struct scene s;

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(!option(&s, "-device", balloon));

	s.options.reclaim_guest_freed_memory = true;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(strstr(option(&s, "-device", balloon), "\"free-page-reporting\":true}"));

	s.spec.mem_prealloc = true;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(!option(&s, "-device", balloon));

	s.spec.mem_prealloc = false;
	s.spec.hugepages = true;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(!option(&s, "-device", balloon));
	scene_close(&s);
}

TEST(a_machine_that_may_grow_has_room_for_it)
{
	struct scene s;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct device share = {
		.kind = DEVICE_VIRTIO_FS,
		.id = "share",
		.virtio_fs = {.tag = "tag", .socket_fd = fd},
	};
	struct device_address at;

	scene_open(&s);
	s.spec.max_vcpus = 4;
	s.spec.max_memory_bytes = 1025 * MIB;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &share, &at), 0);
	finish(&s);
	CHECK(has(&s, "-smp", "1,maxcpus=4"));
	CHECK(has(&s, "-m", "256M,maxmem=1024M")); /* in blocks of 2 MiB */
	CHECK(has(&s, "-object",
		  "memory-backend-file,id=more-memory,size=768M,share=on,align=2097152,"
		  "mem-path=/proc/self/fd/11"));
	CHECK(has(&s, "-device",
		  "{\"driver\":\"virtio-mem-pci\",\"id\":\"more\",\"memdev\":\"more-memory\","
		  "\"block-size\":2097152}"));
	CHECK(strstr(qemu_resize_kernel_params(&s.q), "memhp_default_state=online"));

	s.spec.hugepages = true;
	CHECK_EQ(build(&s, NULL), 0);
	finish(&s);
	CHECK(has(&s, "-m", "256M"));
	CHECK(!option(&s, "-object", "memory-backend-file,id=more-memory"));
	CHECK(!qemu_resize_kernel_params(&s.q));

	s.choice.machine = qemu_machine_find(qemu_arch_host(), "microvm", NULL);
	s.spec.hugepages = false;
	CHECK_EQ(build(&s, NULL), 0);
	finish(&s);
	CHECK(has(&s, "-smp", "1"));
	CHECK(has(&s, "-m", "256M"));
	scene_close(&s);
}

/* As QEMU sees it, which is another user and opens it again. */
TEST(a_kernel_that_only_its_owner_may_read_is_given_as_a_copy)
{
	struct scene s;
	struct stat st;
	auto_free char *path = NULL;
	auto_close int again = -1;
	char head[4] = "";

	scene_open(&s);
	CHECK_EQ(chmod(s.spec.kernel_path, 0600), 0);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(s.q.command.fds[0].as, 6);
	CHECK_EQ(fstat(s.q.command.fds[0].fd, &st), 0);
	CHECK(st.st_mode & S_IROTH);
	path = str_printf("/proc/self/fd/%d", s.q.command.fds[0].fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(again >= 0);
	CHECK_EQ(read(again, head, sizeof head), 4);
	CHECK(memcmp(head, "\177ELF", 4) == 0);
	scene_close(&s);
}

TEST(nine_p_gives_files_to_others_unless_rootless)
{
	struct scene s;
	struct device share = {.kind = DEVICE_9P, .id = "share", .nine_p = {.tag = "kataShared"}};
	struct device_address at;
	struct stat kernel, given;

	scene_open(&s);
	share.nine_p.path = s.dir;
	CHECK_EQ(chmod(s.kernel, 0644), 0);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &share, &at), 0);
	CHECK(has(&s, "-fsdev",
		  "local,id=kata-share,path=/proc/self/fd/9,security_model=passthrough,"
		  "multidevs=remap"));
	CHECK(s.q.devices.serves_others);
	/* QEMU could change mode and owner of the kernel itself. */
	CHECK_EQ(stat(s.kernel, &kernel), 0);
	CHECK_EQ(fstat(s.q.command.fds[0].fd, &given), 0);
	CHECK_EQ(given.st_ino, kernel.st_ino);
	finish(&s);
	CHECK_EQ(fstat(s.q.command.fds[0].fd, &given), 0);
	CHECK(given.st_ino != kernel.st_ino || given.st_dev != kernel.st_dev);
	CHECK_EQ(given.st_size, kernel.st_size);
	CHECK_EQ(build(&s, NULL), 0);
	share.nine_p.rootless = true;
	CHECK_EQ(attach(&s, &share, &at), 0);
	CHECK(!s.q.devices.serves_others);
	CHECK(strstr(option(&s, "-fsdev", "local"), "security_model=none"));
	CHECK(strstr(option(&s, "-device", "{\"driver\":\"virtio-9p-"),
		     "\"fsdev\":\"kata-share\",\"mount_tag\":\"kataShared\"}"));
	scene_close(&s);
}

TEST(a_readonly_disk_is_opened_for_reading_only)
{
	struct scene s;
	struct device disk = {.kind = DEVICE_DISK, .id = "root", .disk = {.readonly = true}};
	struct device_address at;

	scene_open(&s);
	disk.disk.path = s.disk;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &disk, &at), 0);
	disk = (struct device){
		.kind = DEVICE_DISK, .id = "data_1", .disk = {.path = s.disk, .direct = true}};
	CHECK_EQ(attach(&s, &disk, &at), 0);
	CHECK(has(&s, "-blockdev",
		  "{\"driver\":\"raw\",\"node-name\":\"kata-root\",\"read-only\":true,"
		  "\"cache\":{\"direct\":false},\"discard\":\"unmap\","
		  "\"file\":{\"driver\":\"file\",\"filename\":\"/dev/fdset/2\","
		  "\"locking\":\"off\",\"discard\":\"unmap\"}}"));
	CHECK(option(&s, "-blockdev",
		     "{\"driver\":\"raw\",\"node-name\":\"kata-data_1\",\"read-only\":false,"
		     "\"cache\":{\"direct\":true}"));
	CHECK(strstr(option(&s, "-device", "{\"driver\":\"virtio-blk-"),
		     "\"id\":\"kata-root\",\"drive\":\"kata-root\",\"serial\":\"root\""));
	CHECK_EQ(fcntl(s.q.command.fds[3].fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(fcntl(s.q.command.fds[4].fd, F_GETFL) & O_ACCMODE, O_RDWR);
	scene_close(&s);
}

#if defined(__x86_64__)
/* @bus: what the device's arguments say of its place. */
static void disk_is_at(struct scene *s, const char *id, enum device_address_kind kind,
		       const char *address, const char *bus)
{
	auto_free char *start = NULL;
	const struct device disk = {.kind = DEVICE_DISK, .id = id, .disk = {.path = s->disk}};
	struct device_address at;

	CHECK_EQ(attach(s, &disk, &at), 0);
	CHECK_EQ(at.kind, kind);
	CHECK_STR(at.text, address);
	start = str_printf("{\"driver\":\"virtio-blk-%s\",%s\"id\":\"kata-%s\"",
			   s->choice.machine->bus,
			   s->choice.machine->has_legacy ? "\"disable-legacy\":\"on\"," : "", id);

	const char *device = option(s, "-device", start);

	CHECK(device);
	CHECK(strstr(device, bus));
}

TEST(a_disk_has_an_address_by_the_bus_that_it_is_on)
{
	struct scene s;

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	disk_is_at(&s, "a", DEVICE_AT_PCI, "08",
		   "\"bus\":\"pcie.0\",\"addr\":\"8\",\"werror\":\"report\"");
	disk_is_at(&s, "b", DEVICE_AT_PCI, "09",
		   "\"bus\":\"pcie.0\",\"addr\":\"9\",\"werror\":\"report\"");
	CHECK(!option(&s, "-device", "{\"driver\":\"pci-bridge\""));
	s.choice.has_plug_bus = true;
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(has(&s, "-device",
		  "{\"driver\":\"pci-bridge\",\"id\":\"plug\",\"addr\":\"1e\",\"chassis_nr\":1,"
		  "\"shpc\":false}"));
	disk_is_at(&s, "a", DEVICE_AT_PCI, "1e/02",
		   "\"bus\":\"plug\",\"addr\":\"2\",\"werror\":\"report\"");
	s.choice.has_plug_bus = false;
	s.choice.machine = qemu_machine_find(s.choice.arch, "microvm", NULL);
	CHECK_EQ(build(&s, NULL), 0);
	disk_is_at(&s, "a", DEVICE_AT_SERIAL, "a", "\"serial\":\"a\",\"werror\":\"report\"");
	scene_close(&s);
}
#endif

#if defined(__x86_64__)
TEST(an_interface_is_a_tap_by_descriptor_and_a_card_with_its_address)
{
	int fds[2] = {open("/dev/null", O_RDWR | O_CLOEXEC), open("/dev/null", O_RDWR | O_CLOEXEC)};
	struct scene s;
	struct device nic = {.kind = DEVICE_NIC,
			     .id = "nic1",
			     .nic = {.tap_fds = fds, .n_queues = 1, .mac = {2, 0, 0, 0, 0xa, 1}}};
	struct device_address at;

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &nic, &at), 0);
	CHECK_EQ(at.kind, DEVICE_AT_PCI);
	CHECK_STR(at.text, "08");

	const char *tap = option(&s, "-netdev", "{\"type\":\"tap\",\"id\":\"kata-nic1\",\"fd\":\"");
	char number[16];

	(void) snprintf(number, sizeof number, "%d\"", s.q.command.fds[s.q.command.n_fds - 1].as);
	CHECK(tap && strstr(tap, number) && strstr(tap, "\"vhost\":false"));
	CHECK(strstr(option(&s, "-device", "{\"driver\":\"virtio-net-pci\""),
		     "\"netdev\":\"kata-nic1\",\"mac\":\"02:00:00:00:0a:01\",\"romfile\":\"\","
		     "\"bus\":\"pcie.0\",\"addr\":\"8\"}"));

	/* Without PCI the guest finds it by its hardware address. */
	s.choice.machine = qemu_machine_find(s.choice.arch, "microvm", NULL);
	CHECK_EQ(build(&s, NULL), 0);
	CHECK_EQ(attach(&s, &nic, &at), 0);
	CHECK_EQ(at.kind, DEVICE_AT_NAME);
	CHECK_STR(at.text, "");
	CHECK(strstr(option(&s, "-device", "{\"driver\":\"virtio-net-device\""),
		     "\"mac\":\"02:00:00:00:0a:01\"}"));

	nic.nic.n_queues = 2;
	nic.id = "nic2";
	CHECK_EQ(attach(&s, &nic, &at), 0);
	tap = option(&s, "-netdev", "{\"type\":\"tap\",\"id\":\"kata-nic2\",\"fds\":\"");
	(void) snprintf(number, sizeof number, "%d:%d\"", s.q.command.fds[s.q.command.n_fds - 2].as,
			s.q.command.fds[s.q.command.n_fds - 1].as);
	CHECK(tap && strstr(tap, number));
	CHECK(strstr(
		option(&s, "-device", "{\"driver\":\"virtio-net-device\",\"id\":\"kata-nic2\""),
		"\"mq\":true}"));
	fd_close(fds[0]);
	fd_close(fds[1]);
	scene_close(&s);
}
#endif

TEST(a_device_that_cannot_be_attached_is_refused)
{
	struct scene s;
	struct device d = {.kind = DEVICE_DISK, .id = "one"};
	struct device_address at;
	char name[16];

	scene_open(&s);
	CHECK_EQ(build(&s, NULL), 0);
	d.disk.path = "/no/such/disk";
	CHECK_EQ(attach(&s, &d, &at), -ENOENT);
	d.disk.path = s.disk;
	CHECK_EQ(attach(&s, &d, &at), 0);
	CHECK_EQ(attach(&s, &d, &at), -EEXIST);
	d.id = name;
	/* As many as the root bus has slots for, from 8 to 0x1d. */
	for (int i = 1; i < 22; i++) {
		(void) snprintf(name, sizeof name, "d%d", i);
		CHECK_EQ(attach(&s, &d, &at), 0);
	}
	d.id = "more";
	CHECK_EQ(attach(&s, &d, &at), -E2BIG);
	finish(&s); /* as many as that fit */
	scene_close(&s);
}

TEST(vsock_gets_the_descriptor_and_the_id)
{
	struct scene s;
	auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	scene_open(&s);
	s.channel = (struct device){
		.kind = DEVICE_VSOCK, .id = "agent", .vsock = {.vhost_fd = fd, .cid = 4711}};
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(strstr(option(&s, "-device", "{\"driver\":\"vhost-vsock-"),
		     "\"vhostfd\":\"8\",\"guest-cid\":4711}"));
	CHECK(!option(&s, "-chardev", "socket,id=kata-agent"));
	scene_close(&s);
}

TEST(missing_and_wrong_files_name_their_key)
{
	struct scene s;
	struct err e = {0};

	scene_open(&s);
	s.spec.kernel_path = "/no/such/kernel";
	CHECK_EQ(build(&s, &e), -ENOENT);
	CHECK_STR(e.text,
		  "there is no guest kernel '/no/such/kernel': run 'make guest' or install the "
		  "guest image, or set the key 'kernel'");
	err_clear(&e);
	s.spec.kernel_path = s.initrd;
	CHECK_EQ(build(&s, &e), -ENOEXEC);
	CHECK(strstr(e.text, "is no kernel"));
	err_clear(&e);
	s.spec.kernel_path = s.kernel;
	s.spec.initrd_path = "/no/such/initrd";
	CHECK_EQ(build(&s, &e), -ENOENT);
	CHECK_STR(e.text,
		  "there is no guest initrd '/no/such/initrd': run 'make guest' or install the "
		  "guest image, or set the key 'initrd'");
	err_clear(&e);
	s.spec.initrd_path = NULL;
	s.options.firmware = (char *) "/no/such/firmware";
	CHECK_EQ(build(&s, &e), -ENOENT);
	CHECK_STR(
		e.text,
		"there is no firmware '/no/such/firmware': install it, or set the key 'firmware'");
	err_clear(&e);
	s.options.firmware = NULL;
	s.options.entropy_source = (char *) "/no/such/random";
	CHECK_EQ(build(&s, &e), -ENOENT);
	CHECK(strstr(e.text, "key 'entropy_source'"));
	scene_close(&s);
}

TEST(no_name_smuggles_an_option_in)
{
	struct scene s;

	scene_open(&s);
	s.spec.id = "x,debug-threads=on";
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(has(&s, "-name", "kata-x,,debug-threads=on"));
	scene_close(&s);
}

TEST(seccomp_is_what_the_administrator_says)
{
	struct scene s;

	scene_open(&s);
	s.options.seccomp_sandbox = (char *) "on,spawn=allow";
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(has(&s, "-sandbox", "on,spawn=allow"));
	s.options.seccomp_sandbox = (char *) "off";
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(!option(&s, "-sandbox", ""));
	s.options.seccomp_sandbox = (char *) "";
	CHECK_EQ(build(&s, NULL), 0);
	CHECK(option(&s, "-sandbox", "on,obsolete=deny"));
	scene_close(&s);
}

static int kernel_params(struct kernel_params *p, const struct vm_spec *spec, enum hv_accel accel,
			 enum hv_channel channel, bool privileged)
{
	const struct qemu_arch *arch = qemu_arch_host();

	*p = (struct kernel_params){.n = 0};
	qemu_kernel_params(p, arch, &arch->machines[0], accel, spec->debug, 2300000);
	return kernel_params_finish(p, spec, channel, privileged, NULL);
}

/* The agent is told when nobody but us can dial as we do, and only where that means something. */
TEST(the_agent_learns_that_the_host_dials_from_a_port_for_the_privileged)
{
	const struct vm_spec spec = {0};
	struct kernel_params p;

	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_KVM, HV_CHANNEL_VSOCK, true), 0);
	CHECK(strstr(p.text, " agent.privileged_host=1") != NULL);
	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_KVM, HV_CHANNEL_SERIAL, true), 0);
	CHECK(strstr(p.text, "privileged") == NULL);
}

#if defined(__x86_64__)
TEST(the_users_parameters_come_last)
{
	struct vm_spec spec = {.agent_params = "agent.log=debug", .kernel_params = "a=1 quiet=0"};
	struct kernel_params p;

	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_TCG, HV_CHANNEL_SERIAL, false), 0);
	CHECK_STR(p.text, "console=ttyS0 panic=-1 cryptomgr.notests tsc=nowatchdog nowatchdog "
			  "pci=lastbus=0 quiet noreplace-smp no_timer_check tsc_early_khz=2300000 "
			  "agent.server_addr=serial://agent.channel.0 agent.log=debug a=1 quiet=0");
	spec = (struct vm_spec){.debug = true};
	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_KVM, HV_CHANNEL_VSOCK, false), 0);
	CHECK_STR(p.text, "console=ttyS0 panic=-1 cryptomgr.notests tsc=nowatchdog nowatchdog "
			  "pci=lastbus=0");
}
#endif

TEST(a_command_line_that_is_too_long_is_refused)
{
	char lots[KERNEL_PARAMS_BYTES];
	struct vm_spec spec = {.kernel_params = lots};
	struct kernel_params p;
	size_t room;

	CHECK_EQ(kernel_params(&p, &(struct vm_spec){0}, HV_ACCEL_KVM, HV_CHANNEL_VSOCK, false), 0);
	room = sizeof p.text - 1 - strlen(p.text) - 1;
	memset(lots, 'x', sizeof lots);
	lots[room] = '\0';
	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_KVM, HV_CHANNEL_VSOCK, false), 0);
	CHECK_EQ(strlen(p.text), sizeof p.text - 1);
	lots[room] = 'x';
	lots[room + 1] = '\0';
	CHECK_EQ(kernel_params(&p, &spec, HV_ACCEL_KVM, HV_CHANNEL_VSOCK, false), -E2BIG);
}
