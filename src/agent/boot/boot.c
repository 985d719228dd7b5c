#include "agent/boot/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
/* Behind sys/socket.h, which it needs. */
#include <linux/vm_sockets.h>

#include "agent/boot/serial.h"
#include "agent/boot/steps.h"
#include "agent/device/device.h"
#include "agent/rpc/rpc.h"
#include "base/array.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "base/reaper.h"
#include "base/version.h"

#define BOOT_CMDLINE_BYTES 16384
/* A refused peer may try again and again, so the log is bounded. */
#define REFUSALS_LOGGED_MAX 8
#define BOOT_HOSTNAME       "localhost"

/* Of a machine that becomes a template: all devices of the machines that go on from it are plugged
 * in, and on a busy host that takes longer than one that comes by itself. The host's own deadline
 * comes first. */
#define TEMPLATE_HOTPLUG_TIMEOUT_MS 60000

/* For the descriptors of many containers: pipes and pidfds. */
#define BOOT_FILES_MAX      65536UL
#define BOOT_FILES_HARD_MAX 1048576UL

struct boot {
	bool is_init;
	struct boot_options options;
	struct loop *loop;
	struct reaper *reaper;
	struct devices *devices;
	struct rpc *rpc;
	struct channel channel;
	struct serial serial;
	unsigned refusals; /* that were logged */
};

/* The very first thing: proof that the kernel has come this far. */
static void say_hello(void)
{
	char line[128];
	int n = snprintf(line, sizeof line, "kata-agent %s (%s)\n", version_number(),
			 version_commit());

	(void) !write(STDERR_FILENO, line, (size_t) n);
}

/* The agent must never wait for a console that nobody reads, so it has its own descriptor, which
 * does not block; a container's child gets the kernel's as usual. */
static int open_console(void)
{
	int fd = open("/dev/console", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return STDERR_FILENO;
	/* Without /dev/console in the initramfs the kernel starts PID 1 with no descriptors. */
	if (fcntl(STDERR_FILENO, F_GETFD) < 0) {
		for (int i = 0; i < 3; i++)
			if (fcntl(i, F_GETFD) < 0)
				(void) dup2(fd, i);
		say_hello();
	}
	return fd;
}

static void read_options(struct boot_options *o)
{
	auto_free char *cmdline = NULL;
	struct err e = {0};

	*o = boot_options_default;
	if (file_read(AT_FDCWD, "/proc/cmdline", BOOT_CMDLINE_BYTES, &cmdline, NULL, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring the kernel's command line");
	else
		boot_options_read_cmdline(o, cmdline);
	boot_options_read_env(o);
}

/* What only PID 1 does. */
static void prepare_guest(void)
{
	struct rlimit files = {.rlim_cur = BOOT_FILES_MAX, .rlim_max = BOOT_FILES_HARD_MAX};
	struct err e = {0};

	if (mount_over_initramfs(&e) < 0)
		log_err(LOG_ERROR, &e, "ignoring");
	mount_base();
	log_open(open_console(), LOG_TEXT, LOG_INFO);
	err_clear(&e);
	if (net_lo_up(&e) < 0)
		log_err(LOG_ERROR, &e, "ignoring");
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("ignoring that the number of open files cannot be raised");
	/* For containers that ask for no hostname; the kernel's default is "(none)". */
	if (sethostname(BOOT_HOSTNAME, sizeof BOOT_HOSTNAME - 1) < 0)
		log_warn("ignoring that the guest cannot be named");
	/* Ctrl-Alt-Del of a hypervisor's console comes as SIGINT. */
	(void) reboot(RB_DISABLE_CAD);
	(void) umask(022);
}

static void stop(void *arg)
{
	struct boot *b = arg;

	loop_stop(b->loop);
}

static void on_signal(void *arg, const struct signalfd_siginfo *info)
{
	log_info("ending on signal %u", info->ssi_signo);
	stop(arg);
}

static void on_serial(void *arg, int line)
{
	struct boot *b = arg;
	auto_close int fd = line;
	struct err e = {0};

	if (rpc_serve(b->rpc, fd, &e) < 0)
		log_err(LOG_ERROR, &e, "cannot serve");
	else
		(void) take_fd(&fd);
}

static void on_connections(void *arg, size_t connections)
{
	struct boot *b = arg;

	if (connections == 0)
		serial_restart(&b->serial);
}

static bool on_vsock(void *arg, int fd)
{
	struct boot *b = arg;
	struct sockaddr_vm peer = {0};
	socklen_t size = sizeof peer;

	if (getpeername(fd, (struct sockaddr *) &peer, &size) == 0 &&
	    channel_admits(&peer, b->options.privileged_host))
		return true;
	if (b->refusals++ < REFUSALS_LOGGED_MAX)
		log_warn("refused a connection from vsock %u:%u", peer.svm_cid, peer.svm_port);
	return false;
}

/* For a machine from which others go on: what the first request would have to load. */
static void preload(struct boot *b)
{
	char *save = NULL;

	for (char *name = strtok_r(b->options.preload, ",", &save); name;
	     name = strtok_r(NULL, ",", &save)) {
		struct err e = {0};

		if (module_load_if_any(b->devices, name, &e) < 0)
			log_err(LOG_WARN, &e, "ignoring");
	}
}

/* For a machine from which others go on: the agent does now what their first container would wait
 * for, and leaves to them what is plugged into them. */
static void warm(struct boot *b)
{
	struct err e = {0};

	devices_ignore_plugs(b->devices);
	if (rpc_warm(b->rpc, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

static int open_channel(struct boot *b, struct err *e)
{
	int r = channel_parse(b->options.server_addr, &b->channel, e);

	if (r == 0 && b->is_init)
		r = channel_load_modules(&b->channel, b->devices, e);
	if (r < 0)
		return r;
	if (b->channel.kind == CHANNEL_SERIAL) {
		rpc_on_connections(b->rpc, on_connections, b);
		serial_start(&b->serial, b->loop, b->devices, b->channel.name, on_serial, b);
		return 0;
	}

	auto_close int fd = channel_listen(&b->channel, e);

	if (fd < 0)
		return fd;
	if (!b->channel.name[0])
		rpc_guard(b->rpc, on_vsock, b);
	r = rpc_listen(b->rpc, fd, e);
	if (r == 0)
		(void) take_fd(&fd);
	return r;
}

/* Containers would inherit ignored signals: container/child/zygote.c resets them. The kernel starts
 * PID 1 with no signal ignored; any other parent may ignore some. */
static void set_signals(bool is_init)
{
	for (int s = 1; s < _NSIG && !is_init; s++)
		(void) signal(s, SIG_DFL); /* refused for SIGKILL, SIGSTOP */
	(void) signal(SIGPIPE, SIG_IGN);
}

static int start(struct boot *b, struct err *e)
{
	static const int endings[] = {SIGTERM, SIGINT, SIGPWR};
	int r = loop_new(&b->loop, e);

	set_signals(b->is_init);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(endings); i++)
		r = loop_signal(b->loop, endings[i], on_signal, b, e);
	if (r == 0)
		r = reaper_new(b->loop, &b->reaper, e);
	if (r == 0)
		r = devices_new(b->loop, &DEVICE_PLACES, &b->devices, e);
	if (r < 0)
		return r;

	if (b->options.preload[0] && b->options.hotplug_timeout_ms < TEMPLATE_HOTPLUG_TIMEOUT_MS)
		b->options.hotplug_timeout_ms = TEMPLATE_HOTPLUG_TIMEOUT_MS;

	struct rpc_config config = {
		.loop = b->loop,
		.reaper = b->reaper,
		.devices = b->devices,
		.is_init = b->is_init,
		.hotplug_timeout_ms = b->options.hotplug_timeout_ms,
		.pipe_bytes = b->options.pipe_bytes,
		.shared_files_max = b->options.shared_files_max,
		.server_appends = b->options.server_appends,
		.run_dir = RPC_RUN_DIR,
		.finished = stop,
		.arg = b,
	};

	if (b->is_init)
		preload(b);
	r = rpc_new(&config, &b->rpc, e);
	if (r == 0 && b->options.preload[0])
		warm(b);
	return r < 0 ? r : open_channel(b, e);
}

void power_off(void)
{
	sync();
	(void) reboot(RB_POWER_OFF);
	log_error("the kernel does not switch off: %s", strerror(errno));
}

int boot_main(void)
{
	struct boot b = {.is_init = getpid() == 1};
	struct err e = {0};

	say_hello();
	if (b.is_init)
		prepare_guest();
	read_options(&b.options);

	int r = start(&b, &e);

	if (r == 0)
		r = loop_run(b.loop, &e);
	if (r < 0)
		log_err(LOG_ERROR, &e, "cannot go on");

	rpc_free(b.rpc);
	serial_stop(&b.serial);
	devices_free(b.devices);
	reaper_free(b.reaper);
	loop_free(b.loop);
	if (!b.is_init)
		return r < 0;
	power_off();
	for (;;)
		(void) pause();
}
