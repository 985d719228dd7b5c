#include "tests/agent/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "health.pb-c.h"
#include "host/hypervisor/qemu/arch.h"

#define LINE_DOWN_MS 1500

static const char *setting(const char *name, const char *preset)
{
	const char *value = getenv(name);

	return value && *value ? value : preset;
}

/* Program, machine, processor and kernel parameters are those that the driver takes. */
static const struct qemu_arch *arch_wanted(struct err *e)
{
	const char *name = setting("GUEST_ARCH", "x86_64");
	const struct qemu_arch *arch = qemu_arch_find(name);

	if (!arch)
		(void) err_say(e, EINVAL, "GUEST_ARCH is '%s'", name);
	return arch;
}

const char *vm_image(void)
{
	return setting("GUEST_IMAGE", "build/guest");
}

int vm_make_disk(const char *path, struct err *e)
{
	auto_free char *command = str_printf("d=$(mktemp -d) && echo from the host >$d/greeting && "
					     "truncate -s 8M %1$s && "
					     "mke2fs -q -F -t ext4 -d $d %1$s && rm -r $d",
					     path);

	return system(command) == 0 ? 0 : err_say(e, EIO, "make the disk '%s'", path);
}

static int start_qemu(struct vm *vm, unsigned mb, struct err *e)
{
	const struct qemu_arch *arch = arch_wanted(e);

	if (!arch)
		return -EINVAL;

	auto_free char *kernel = str_printf("%s/vmlinux", vm_image());
	auto_free char *initrd = str_printf("%s/initrd.img", vm_image());
	auto_free char *line = str_printf("socket,id=agent,path=%s,server=on,wait=off", vm->socket);
	auto_free char *append =
		str_printf("quiet %s %s agent.server_addr=serial://agent.channel.0 "
			   "agent.log=warn agent.hotplug_timeout=30",
			   arch->kernel_params, arch->tcg_params);
	auto_free char *memory = str_printf("%uM", mb);
	auto_free char *console = str_printf("file:%s", vm->console);
	auto_free char *disk = str_printf("file=%s,format=raw,if=none,id=disk", vm->disk);
	auto_free char *plug = str_printf("driver=file,node-name=plug,filename=%s", vm->plug);
	auto_free char *monitor = str_printf("unix:%s,server=on,wait=off", vm->monitor);
	const char *const argv[] = {
		arch->program,
		"-M",
		arch->machines[0].name,
		"-accel",
		"tcg,thread=multi",
		"-cpu",
		arch->tcg_cpu,
		"-m",
		memory,
		"-nodefaults",
		"-no-reboot",
		"-display",
		"none",
		"-serial",
		console,
		"-kernel",
		kernel,
		"-initrd",
		initrd,
		"-append",
		append,
		"-device",
		"virtio-serial-pci",
		"-chardev",
		line,
		"-device",
		"virtserialport,chardev=agent,name=agent.channel.0",
		"-drive",
		disk,
		"-device",
		"virtio-blk-pci,drive=disk,addr=0x" VM_DISK_PCI_PATH,
		"-device",
		"pcie-root-port,id=behind,chassis=1,addr=0x11",
		"-device",
		"pcie-root-port,id=nics,chassis=2,addr=0x12",
		"-netdev",
		"user,id=nic,restrict=on,ipv6=off",
		"-device",
		"virtio-net-pci,netdev=nic,romfile=,mac=" VM_NIC_MAC ",addr=0x" VM_NIC_PCI_PATH,
		"-blockdev",
		plug,
		"-qmp",
		monitor,
		NULL,
	};
	struct child_spec spec = {
		.path = argv[0],
		.argv = argv,
		.die_with_parent = true,
	};

	return child_start(&spec, &vm->qemu, e);
}

static int say_hello(struct vm *vm, struct err *e)
{
	Grpc__CheckRequest message = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__health__descriptor,
		.method = "Check",
		.message = &message.base,
		.deadline = clock_deadline(VM_PATIENCE_MS),
	};

	return ttrpc_call_wait(vm->agent, &request, NULL, e);
}

/* QEMU makes the socket as soon as it has started. */
static int dial(const char *path, struct err *e)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	msec_t deadline = clock_deadline(VM_PATIENCE_MS);

	if (fd < 0)
		return err_sys(e, errno, "make a line");
	memcpy(name.sun_path, path, strlen(path) + 1);
	while (connect(fd, (struct sockaddr *) &name, sizeof name) < 0) {
		if (clock_now() > deadline)
			return err_sys(e, errno, "reach '%s'", path);
		(void) poll(NULL, 0, 5);
	}
	return take_fd(&fd);
}

static int open_line(struct vm *vm, struct err *e)
{
	auto_close int fd = dial(vm->socket, e);
	int r = fd < 0 ? fd : ttrpc_client_new(vm->loop, fd, &vm->agent, e);

	if (r < 0)
		return r;
	(void) take_fd(&fd);
	return say_hello(vm, e);
}

int vm_open(struct vm *vm, unsigned mb, struct err *e)
{
	*vm = (struct vm){.qemu = CHILD_NONE, .busybox = setting("GUEST_BUSYBOX", NULL)};
	(void) snprintf(vm->console, sizeof vm->console, "/tmp/test-agent-console-%d", getpid());
	(void) snprintf(vm->socket, sizeof vm->socket, "/tmp/test-agent-line-%d", getpid());
	(void) snprintf(vm->monitor, sizeof vm->monitor, "/tmp/test-agent-monitor-%d", getpid());
	(void) snprintf(vm->plug, sizeof vm->plug, "/tmp/test-agent-plug-%d", getpid());
	(void) snprintf(vm->disk, sizeof vm->disk, "/tmp/test-agent-disk-%d", getpid());

	int r = loop_new(&vm->loop, e);

	if (r == 0)
		r = vm_make_disk(vm->disk, e);
	if (r == 0)
		r = vm_make_disk(vm->plug, e);
	if (r == 0)
		r = start_qemu(vm, mb, e);
	return r < 0 ? r : open_line(vm, e);
}

int vm_reconnect(struct vm *vm, const void *garbage, size_t bytes, struct err *e)
{
	ttrpc_client_free(take_ptr(vm->agent));
	/* A virtio-serial port that is down for a moment only looks as if it had never been: give
	 * the guest the time to see it. Nothing on this side tells that it has. */
	(void) poll(NULL, 0, LINE_DOWN_MS);
	if (bytes > 0) {
		auto_close int fd = dial(vm->socket, e);

		if (fd < 0)
			return fd;

		int r = fd_write_all(fd, garbage, bytes);
		char byte;

		if (r < 0)
			return err_sys(e, -r, "send garbage");
		/* Whatever the agent says to that, until it hangs up or keeps silent. */
		struct pollfd p = {.fd = fd, .events = POLLIN};

		while (poll(&p, 1, LINE_DOWN_MS) > 0 && read(fd, &byte, 1) > 0)
			;
		fd = fd_close(fd);
		(void) poll(NULL, 0, LINE_DOWN_MS);
	}
	return open_line(vm, e);
}

/* Reads what QEMU says until @wanted has come @times. */
static int hear(int fd, const char *wanted, unsigned times, struct err *e)
{
	msec_t deadline = clock_deadline(VM_PATIENCE_MS);
	char line[1024];
	size_t n = 0;

	while (times > 0) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (clock_now() > deadline || n == sizeof line - 1)
			return err_say(e, ETIMEDOUT, "QEMU does not say '%s'", wanted);
		if (poll(&p, 1, 100) <= 0)
			continue;
		if (read(fd, line + n, 1) != 1)
			return err_say(e, ECONNRESET, "QEMU hangs up");
		line[++n] = '\0';
		if (line[n - 1] != '\n')
			continue;
		if (strstr(line, "\"error\""))
			return err_say(e, EIO, "QEMU says %s", line);
		times -= strstr(line, wanted) != NULL;
		n = 0;
	}
	return 0;
}

/* Sends commands of QMP, a NULL-terminated list, and waits for the answers and for @event unless
 * that is NULL. */
static int command(struct vm *vm, const char *const *list, const char *event, struct err *e)
{
	static const char greet[] = "{\"execute\":\"qmp_capabilities\"}";
	auto_close int fd = dial(vm->monitor, e);
	int r = fd < 0 ? fd : fd_write_all(fd, greet, strlen(greet));

	if (r == 0)
		r = hear(fd, "\"return\"", 1, e);
	for (; r == 0 && *list; list++) {
		r = fd_write_all(fd, *list, strlen(*list));
		if (r == 0)
			r = hear(fd, "\"return\"", 1, e);
	}
	return r == 0 && event ? hear(fd, event, 1, e) : r;
}

int vm_plug_disk(struct vm *vm, struct err *e)
{
	const char *const list[] = {
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\","
		"\"id\":\"plugged\",\"drive\":\"plug\",\"bus\":\"behind\"}}",
		NULL,
	};

	return command(vm, list, NULL, e);
}

int vm_unplug_disk(struct vm *vm, struct err *e)
{
	const char *const list[] = {
		"{\"execute\":\"device_del\",\"arguments\":{\"id\":\"plugged\"}}",
		NULL,
	};

	return command(vm, list, "DEVICE_DELETED", e);
}

int vm_plug_nic(struct vm *vm, struct err *e)
{
	const char *const list[] = {
		"{\"execute\":\"netdev_add\",\"arguments\":{\"type\":\"user\","
		"\"id\":\"more\",\"restrict\":true,\"ipv6\":false}}",
		"{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-net-pci\","
		"\"id\":\"pluggednic\",\"netdev\":\"more\",\"bus\":\"nics\",\"romfile\":\"\","
		"\"mac\":\"" VM_PLUG_NIC_MAC "\"}}",
		NULL,
	};

	return command(vm, list, NULL, e);
}

int vm_unplug_nic(struct vm *vm, struct err *e)
{
	const char *const out[] = {
		"{\"execute\":\"device_del\",\"arguments\":{\"id\":\"pluggednic\"}}",
		NULL,
	};
	const char *const rest[] = {
		"{\"execute\":\"netdev_del\",\"arguments\":{\"id\":\"more\"}}",
		NULL,
	};
	int r = command(vm, out, "DEVICE_DELETED", e);

	return r < 0 ? r : command(vm, rest, NULL, e);
}

void vm_close(struct vm *vm, bool show)
{
	auto_free char *text = NULL;

	ttrpc_client_free(vm->agent);
	child_kill(&vm->qemu);
	loop_free(vm->loop);
	if (show && file_read(AT_FDCWD, vm->console, 1 << 20, &text, NULL, NULL) == 0)
		fprintf(stderr, "---- console\n%s----\n", text);
	(void) unlink(vm->console);
	(void) unlink(vm->socket);
	(void) unlink(vm->monitor);
	(void) unlink(vm->plug);
	(void) unlink(vm->disk);
}

static struct ttrpc_request request_for(const char *method, const void *message)
{
	return (struct ttrpc_request){
		.service = &grpc__agent_service__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(VM_PATIENCE_MS),
	};
}

int vm_call(struct vm *vm, const char *method, const void *message, void *ret, struct err *e)
{
	struct ttrpc_request request = request_for(method, message);

	return ttrpc_call_wait(vm->agent, &request, ret, e);
}

int vm_begin(struct vm *vm, const char *method, const void *message, ttrpc_done_fn done, void *arg)
{
	struct ttrpc_request request = request_for(method, message);

	return ttrpc_call(vm->agent, &request, done, arg, NULL, NULL);
}
