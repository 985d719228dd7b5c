#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"
#include "tests/agent/box.h"

/* A block device of the host in a container: by virtio-blk into the guest, by the agent's driver
 * into the mount. */

#define PLACE "/run/kata-containers/sandbox/storage/disk"

static const char mount_json[] =
	", {\"destination\": \"/d\", \"type\": \"bind\", \"source\": \"" PLACE
	"\", \"options\": [\"rbind\"]}";

static Grpc__Storage disk_at(const char *source)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = (char *) "blk";
	s.source = (char *) source;
	s.fstype = (char *) "ext4";
	s.mount_point = (char *) PLACE;
	return s;
}

/* Runs @command in a container that has the disk at /d; its output must be @want. */
static void run_with(struct vm *vm, const char *id, Grpc__Storage *disk, const char *command,
		     const char *want)
{
	struct box_options o = {.storages = &disk, .n_storages = 1, .mounts_extra = mount_json};
	struct run r;
	int code = box_run(vm, id, command, &o, &r);

	if (code != 0)
		FAIL("'%s' ended with %d: %s", command, code, run_err(&r));
	CHECK_STR(run_out(&r), want);
	run_fini(&r);
}

/* What the file @disk has in @name. debugfs replays no journal: only an unmounted file system has
 * it all. */
static char *on_host(const char *disk, const char *name)
{
	auto_free char *command = str_printf("debugfs -R 'cat %s' %s 2>/dev/null", name, disk);
	FILE *out = popen(command, "re");
	char line[128] = "";

	CHECK(out);

	bool any = fgets(line, sizeof line, out);

	(void) pclose(out);
	CHECK(any);
	return strdup(line);
}

CASE(a_disk_of_the_host_is_read_and_written_and_let_go)
{
	Grpc__Storage disk = disk_at(VM_DISK_PCI_PATH);

	box_prepare(vm);
	run_with(vm, "disk", &disk, "cat /d/greeting; echo from the guest >/d/answer",
		 "from the host\n");
	/* Its last holder is gone, so the host may take it away: what was written is there. */
	auto_free char *answer = on_host(vm->disk, "answer");

	CHECK_STR(answer, "from the guest\n");
}

CASE(a_disk_is_found_by_its_node_as_well_and_ro_is_kept)
{
	Grpc__Storage disk = disk_at("/dev/vda");
	char *ro[] = {(char *) "ro"};

	box_prepare(vm);
	disk.options = ro;
	disk.n_options = 1;
	run_with(vm, "rodisk", &disk, "cat /d/greeting; echo >/d/more || echo refused",
		 "from the host\nrefused\n");
}

CASE(a_disk_that_is_plugged_in_is_found_behind_its_port_and_let_go)
{
	Grpc__Storage disk = disk_at(VM_PLUG_PCI_PATH);

	box_prepare(vm);
	/* Several times, because the agent may look when the guest has only half of the disk. */
	for (int i = 0; i < 5; i++) {
		MUST(vm_plug_disk(vm, &why));
		run_with(vm, "plugged", &disk, "cat /d/greeting; echo from the guest >/d/answer",
			 "from the host\n");
		MUST(vm_unplug_disk(vm, &why));
	}

	auto_free char *answer = on_host(vm->plug, "answer");

	CHECK_STR(answer, "from the guest\n");
}

CASE(a_disk_without_that_file_system_is_refused_by_name)
{
	Grpc__Storage disk = disk_at(VM_DISK_PCI_PATH), *list = &disk;
	struct box_options o = {.storages = &list, .n_storages = 1};
	struct err e = {0};

	box_prepare(vm);
	disk.fstype = (char *) "squashfs";
	CHECK(box_create(vm, "wrongfs", "true", &o, &e) < 0);
	if (!strstr(e.text, "mount squashfs") || !strstr(e.text, PLACE))
		FAIL("it says '%s'", e.text);
	CHECK_EQ(box_remove(vm, "wrongfs", 0, NULL), -ENOENT);
}

/* A machine of its own, because the tests' common one is not made by the driver. */
static struct hv *open_by_driver(struct vm *vm)
{
	const struct config_hypervisor options = {.machine_type = (char *) "q35"};
	const struct vm_spec spec = {
		.id = "test-agent",
		.vcpus = 1,
		.memory_bytes = 256U << 20,
		.kernel_path = "build/guest/vmlinux",
		.initrd_path = "build/guest/initrd.img",
		.agent_params = "agent.log=warn",
		.options = &options,
		.channel = HV_CHANNEL_SERIAL,
		.hotplug = true,
	};
	struct hv *hv = NULL;
	int fd = -1;

	*vm = (struct vm){.qemu = CHILD_NONE};
	MUST(loop_new(&vm->loop, &why));
	MUST(hv_new("qemu", vm->loop, &hv, &why));
	MUST(hv_create(hv, &spec, &why));
	MUST(hv_start(hv, clock_deadline(VM_PATIENCE_MS), &why));
	MUST(hv_dial(hv, 1024, clock_deadline(VM_PATIENCE_MS), &fd, &why));
	MUST(ttrpc_client_new(vm->loop, fd, &vm->agent, &why));
	return hv;
}

CASE(a_disk_that_the_driver_plugs_in_is_mounted_by_the_agent_and_can_be_taken_back)
{
	struct vm own;
	struct hv *hv = open_by_driver(&own);
	struct device disk = {.kind = DEVICE_DISK, .id = "plugged"};
	struct device_address at;
	Grpc__Storage storage;

	(void) vm;
	box_prepare(&own);
	(void) snprintf(own.disk, sizeof own.disk, "/tmp/test-agent-plugged-%d", getpid());
	MUST(vm_make_disk(own.disk, &why));
	disk.disk.path = own.disk;
	MUST(hv_attach(hv, &disk, clock_deadline(VM_PATIENCE_MS), &at, &why));
	CHECK_EQ(at.kind, DEVICE_AT_PCI);
	storage = disk_at(at.text);
	run_with(&own, "plugged", &storage, "cat /d/greeting; echo from the guest >/d/answer",
		 "from the host\n");
	MUST(hv_detach(hv, "plugged", clock_deadline(VM_PATIENCE_MS), &why));

	auto_free char *answer = on_host(own.disk, "answer");

	CHECK_STR(answer, "from the guest\n");
	ttrpc_client_free(own.agent);
	hv_free(hv);
	loop_free(own.loop);
	(void) unlink(own.disk);
}
