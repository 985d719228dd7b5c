/*
 * One machine under the QEMU driver, from its making to its end: the guest half is PID 1 of the
 * guest (built static with -DGUEST), the host half drives it and tells on stdout what happened, a
 * line each.
 *
 *	qemu_machine KERNEL INITRD SCENE [MACHINE [SHARE]]
 *
 * Scenes, told to the guest on its command line:
 *	echo	the agent's line both ways, and many bytes; then the guest powers off
 *	panic	the guest's kernel panics
 *	reboot	the guest reboots
 *	hang	the guest never answers: the deadline decides
 *	wait	starts, prints pids, waits for its own end by a signal
 *	share	the guest reads and writes in SHARE over virtio-fs
 *	disk	SHARE is a file: the guest's first disk, and its second, which is read-only
 *	plug	the same disks come while the guest runs, and go when it has read them
 *	size	vCPUs come, and memory comes and goes; the guest tells what it has
 *	nobus	a disk comes to a machine that has no place for one
 */
#ifdef GUEST
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static void load_modules(void)
{
	FILE *order = fopen("/lib/modules/load-order", "re");
	char line[1024], name[64], path[256];

	while (order && fgets(line, sizeof line, order)) {
		if (sscanf(line, "%63s %255s", name, path) != 2 || path[0] != '/')
			continue;

		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0) < 0)
			printf("module %s: %s\n", name, strerror(errno));
		close(fd);
	}
}

/* The port with our name: /sys/class/virtio-ports/vportNpM/name. */
static int open_port(void)
{
	for (int tries = 0; tries < 1000; tries++, usleep(5000)) {
		DIR *d = opendir("/sys/class/virtio-ports");
		struct dirent *entry;

		while (d && (entry = readdir(d))) {
			char path[300], name[64] = "";
			FILE *f;

			snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name",
				 entry->d_name);
			f = fopen(path, "re");
			if (!f || !fgets(name, sizeof name, f) ||
			    strcmp(name, "agent.channel.0\n") != 0)
				continue;
			snprintf(path, sizeof path, "/dev/%s", entry->d_name);
			return open(path, O_RDWR | O_CLOEXEC);
		}
		if (d)
			closedir(d);
	}
	return -1;
}

/* Everything that comes goes back, until a line "bye". */
static void echo(void)
{
	int port = open_port();
	char buf[32768];
	ssize_t n;

	printf("port %s\n", port < 0 ? "missing" : "open");
	while ((n = read(port, buf, sizeof buf)) > 0) {
		for (ssize_t done = 0, w; done < n; done += w)
			if ((w = write(port, buf + done, (size_t) (n - done))) <= 0)
				return;
		if (n >= 4 && memcmp(buf + n - 4, "bye\n", 4) == 0)
			return;
	}
}

static void share(void)
{
	char text[64] = "";
	int fd;

	mkdir("/share", 0755);
	if (mount("kataShared", "/share", "virtiofs", 0, NULL) < 0)
		printf("mount: %s\n", strerror(errno));
	fd = open("/share/from-host", O_RDONLY);
	if (read(fd, text, sizeof text - 1) > 0)
		printf("read %s", text);
	fd = open("/share/from-guest", O_CREAT | O_WRONLY, 0640);
	if (write(fd, "guest\n", 6) == 6 && fchown(fd, 1234, 5678) == 0)
		printf("written\n");
	close(fd);
	sync();
}

/* Which of the two is vda the kernel decides: the serial number says it. */
static void disk(const char *name)
{
	char path[64], serial[32] = "", text[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "/sys/block/%s/serial", name);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%20s", serial) != 1)
		printf("%s has no serial\n", name);

	snprintf(path, sizeof path, "/dev/%s", name);
	int writable = open(path, O_RDWR | O_SYNC);
	int fd = open(path, O_RDONLY);

	if (pread(fd, text, 9, 0) == 9)
		printf("disk %s: %s, ", serial, text);
	printf("%s\n", pwrite(writable, "guest", 5, 4096) == 5 ? "written" : "not written");
	close(writable);
	close(fd);
}

/* The name of the disk with this serial number, once the kernel has it. */
static char *await_disk(const char *serial)
{
	for (;; usleep(5000)) {
		for (char last = 'a'; last < 'e'; last++) {
			char path[64], text[32] = "";
			static char name[4];
			FILE *f;

			snprintf(name, sizeof name, "vd%c", last);
			snprintf(path, sizeof path, "/sys/block/%s/serial", name);
			f = fopen(path, "re");
			if (f && fscanf(f, "%20s", text) != 1)
				text[0] = '\0';
			if (f)
				fclose(f);
			if (strcmp(text, serial) == 0)
				return name;
		}
	}
}

/* Tells where the disk is, as slots from the root bus on, and what is on it; waits until it is
 * gone. */
static void plugged(const char *serial)
{
	char path[64], place[512] = "", *name = await_disk(serial);

	snprintf(path, sizeof path, "/sys/block/%s", name);
	if (readlink(path, place, sizeof place - 1) < 0)
		printf("%s: %s\n", path, strerror(errno));
	printf("%s is at", serial);
	for (char *at = place; (at = strstr(at, "/0000:")); at += 6)
		printf(" %.2s", at + 9);
	printf("\n");
	disk(name);
	printf("seen %s\n", serial);
	while (access(path, F_OK) == 0)
		usleep(5000);
	printf("gone %s\n", serial);
}

static void bring_online(void)
{
	int fd = open("/sys/devices/system/cpu/cpu1/online", O_WRONLY);

	if (fd >= 0 && write(fd, "1", 1) != 1)
		printf("cpu1 does not come online\n");
	close(fd);
}

/* Writes to more memory than the machine had at its start. */
static void use_memory(size_t bytes)
{
	volatile char *m =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; m != MAP_FAILED && i < bytes; i += 4096)
		m[i] = 1;
	printf("used %zu MiB\n", bytes >> 20);
	munmap((void *) m, bytes);
}

static long mib_of_memory(void)
{
	struct sysinfo info;

	sysinfo(&info);
	return (long) (info.totalram * info.mem_unit >> 20);
}

/* Waits for a second processor and 512 MiB, uses them, and waits until the memory is gone. What the
 * kernel keeps for itself is less than 64 MiB of it. */
static void size(void)
{
	long first = mib_of_memory();

	printf("size %ld %ld\n", sysconf(_SC_NPROCESSORS_ONLN), first);
	for (; sysconf(_SC_NPROCESSORS_ONLN) < 2 || mib_of_memory() < first + 448; usleep(5000))
		bring_online();
	printf("grown\n");
	use_memory(400U << 20);
	while (mib_of_memory() > first + 64)
		usleep(5000);
	printf("shrunk\n");
	pause();
}

static int on(const char *cmdline, const char *scene)
{
	const char *at = strstr(cmdline, "scene=");

	return at && strncmp(at + 6, scene, strlen(scene)) == 0;
}

int main(void)
{
	char cmdline[4096] = "";
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mount("dev", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sys", "/sys", "sysfs", 0, NULL);
	fd = open("/proc/cmdline", O_RDONLY);
	if (read(fd, cmdline, sizeof cmdline - 1) < 0)
		return 1;
	printf("guest is up\n");
	load_modules();
	if (on(cmdline, "echo"))
		echo();
	else if (on(cmdline, "share"))
		share();
	else if (on(cmdline, "disk"))
		disk("vda"), disk("vdb");
	else if (on(cmdline, "plug"))
		plugged("ours"), plugged("to-read"), pause();
	else if (on(cmdline, "size"))
		size();
	else if (on(cmdline, "panic"))
		return 1; /* the end of PID 1 is the kernel's */
	else if (on(cmdline, "reboot"))
		reboot(RB_AUTOBOOT);
	else
		for (;;)
			pause();
	reboot(RB_POWER_OFF);
	return 1;
}
#else
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/loop.h"
#include "host/config/config.h"
#include "host/hypervisor/hypervisor.h"
#include "host/storage/virtiofsd.h"

#define ECHO_BYTES (1U << 20)

struct test {
	struct loop *loop;
	struct hv *hv;
	struct virtiofsd *fs;
	struct vm_spec spec;
	struct config_hypervisor options;
	struct device devices[2];
	size_t n_devices;
	int ended;
	char private_dir[40];
};

static int fail(const char *what, const struct err *e)
{
	char sentence[640];

	printf("%s failed: %s\n", what, err_show(e, sentence, sizeof sentence));
	return 1;
}

static void on_ended(void *arg, const struct err *why)
{
	struct test *t = arg;

	t->ended = 1;
	printf("ended: %s\n", why->text);
}

static void on_fs_ended(void *arg, const struct err *why)
{
	(void) arg;
	printf("virtiofsd ended: %.27s\n", why->text);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int turn_until_ended(struct test *t, msec_t deadline, struct err *e)
{
	while (!t->ended && loop_step(t->loop, deadline, NULL) > 0)
		;
	return t->ended ? 0 : err_say(e, ETIMEDOUT, "the guest does not end");
}

static int lend_share(struct test *t, const char *source, struct err *e)
{
	struct virtiofsd_spec fs = {.source = source, .private_dir = t->private_dir};
	int fd = -1;

	(void) snprintf(t->private_dir, sizeof t->private_dir, "/tmp/qemu_machine.XXXXXX");
	if (!mkdtemp(t->private_dir))
		return err_sys(e, errno, "make a folder");

	int r = virtiofsd_start(t->fs, &fs, &fd, e);

	(void) rmdir(t->private_dir);
	t->devices[t->n_devices++] = (struct device){
		.kind = DEVICE_VIRTIO_FS,
		.id = "share",
		.virtio_fs = {.tag = "kataShared", .socket_fd = fd},
	};
	return r;
}

static void describe_disks(struct test *t, const char *path)
{
	t->devices[0] = (struct device){.kind = DEVICE_DISK, .id = "ours", .disk = {.path = path}};
	t->devices[1] = (struct device){
		.kind = DEVICE_DISK, .id = "to-read", .disk = {.path = path, .readonly = true}};
}

static int attach(struct test *t, const struct device *d, struct err *e)
{
	struct device_address at;
	int r = hv_attach(t->hv, d, clock_deadline(30000), &at, e);

	if (r == 0)
		printf("attached %s: kind %d, '%s'\n", d->id, at.kind, at.text);
	return r;
}

static int await_console(struct test *t, const char *words, struct err *e)
{
	msec_t deadline = clock_deadline(100000);
	char tail[8192] = "";

	do
		(void) hv_console_tail(t->hv, tail, sizeof tail);
	while (!strstr(tail, words) && loop_step(t->loop, deadline, NULL) > 0);
	return strstr(tail, words) ? 0 : err_say(e, ETIMEDOUT, "no '%s' on the console", words);
}

static void print_console(struct test *t)
{
	char tail[8192] = "";

	(void) hv_console_tail(t->hv, tail, sizeof tail);
	printf("%s\n", tail);
}

/* Two disks come, both are used, both go, and the first comes and goes again. */
static int plug(struct test *t, struct err *e)
{
	int r = await_console(t, "guest is up", e);

	for (size_t i = 0; r == 0 && i < 2; i++)
		r = attach(t, &t->devices[i], e);
	if (r == 0)
		r = await_console(t, "seen ours", e);
	if (r == 0)
		r = hv_detach(t->hv, "ours", clock_deadline(60000), e);
	if (r == 0)
		r = await_console(t, "seen to-read", e);
	if (r == 0)
		r = hv_detach(t->hv, "to-read", clock_deadline(60000), e);
	if (r == 0)
		r = await_console(t, "gone to-read", e);
	if (r == 0)
		r = attach(t, &t->devices[0], e);
	if (r == 0)
		r = hv_detach(t->hv, "ours", clock_deadline(60000), e);
	return r;
}

static int resize(struct test *t, uint32_t vcpus, uint64_t mib, struct err *e)
{
	const struct hv_size want = {vcpus, mib << 20};
	struct hv_size now;
	int r = hv_resize(t->hv, &want, clock_deadline(100000), &now, e);

	printf("resized to %u, %llu MiB\n", now.vcpus, (unsigned long long) now.memory_bytes >> 20);
	return r;
}

/* Larger than it may be, and smaller than it was. */
static int change_size(struct test *t, struct err *e)
{
	int r = await_console(t, "size 1", e);

	if (r == 0)
		r = resize(t, 3, 4096, e);
	if (r == 0)
		r = await_console(t, "used 400 MiB", e);
	if (r == 0)
		r = resize(t, 1, 1, e);
	return r < 0 ? r : await_console(t, "shrunk", e);
}

/* Sends while it receives, for the line holds less than that. */
static int echo(struct test *t, struct err *e)
{
	auto_free char *out = malloc(ECHO_BYTES);
	auto_free char *in = malloc(ECHO_BYTES);
	auto_close int fd = -1;
	int r = hv_dial(t->hv, 1024, clock_deadline(100000), &fd, e);

	if (r < 0 || !out || !in)
		return r;
	for (size_t i = 0; i < ECHO_BYTES; i++)
		out[i] = (char) (i * 7 + i / 4096);

	/* Before the guest has the port open: must wait for it. */
	size_t sent = 0, got = 0;

	while (got < ECHO_BYTES) {
		size_t n = ECHO_BYTES - sent > 4096 ? 4096 : ECHO_BYTES - sent;

		if (n > 0 && fd_write_all(fd, out + sent, n) < 0)
			return err_say(e, EIO, "the line broke");
		sent += n;
		while (got + 16384 < sent || (sent == ECHO_BYTES && got < ECHO_BYTES)) {
			ssize_t m = read(fd, in + got, sent - got);

			if (m <= 0)
				return err_say(e, EIO, "the line broke after %zu bytes", got);
			got += (size_t) m;
		}
	}
	printf("echo %s\n", memcmp(in, out, ECHO_BYTES) == 0 ? "same" : "different");
	/* Its echo too: a guest that writes to a port nobody holds on the other side is blocked. */
	if (fd_write_all(fd, "bye\n", 4) < 0 || fd_read_all(fd, in, 4) < 0)
		return err_say(e, EIO, "the line broke");
	return 0;
}

static int run(struct test *t, const char *scene, struct err *e)
{
	struct hv_info info;
	int r = hv_create(t->hv, &t->spec, e);

	for (size_t i = 0; r == 0 && i < t->n_devices; i++)
		r = attach(t, &t->devices[i], e);
	if (t->devices[0].kind == DEVICE_VIRTIO_FS)
		fd_close(t->devices[0].virtio_fs.socket_fd);
	if (r == 0)
		r = hv_start(t->hv, clock_deadline(30000), e);
	if (r < 0)
		return r;
	hv_describe(t->hv, &info);
	printf("started: %s %s, %s, %s, pid %d, virtiofsd %d\n", info.driver, info.version,
	       info.machine_type, info.accel_why, info.pid, virtiofsd_pid(t->fs));
	fflush(stdout);
	if (strcmp(scene, "echo") == 0)
		r = echo(t, e);
	if (strcmp(scene, "nobus") == 0)
		return attach(t, &t->devices[0], e);
	if (strcmp(scene, "plug") == 0) {
		r = plug(t, e);
		print_console(t);
		return r;
	}
	if (strcmp(scene, "size") == 0) {
		r = change_size(t, e);
		print_console(t);
		return r;
	}
	if (strcmp(scene, "hang") == 0) {
		/* The console says when there is nothing more to wait for. */
		(void) await_console(t, "guest is up", NULL);
		(void) err_say(e, ETIMEDOUT, "the agent does not answer");
		return hv_explain(t->hv, e);
	}
	if (r == 0)
		r = turn_until_ended(t, clock_deadline(200000), e);
	if (strcmp(scene, "disk") == 0)
		print_console(t);
	return r < 0 ? hv_explain(t->hv, e) : 0;
}

int main(int argc, char **argv)
{
	struct test t = {0};
	struct err e = {0};
	char params[64];
	int before = open_fds();

	if (argc < 4)
		return 2;
	(void) snprintf(params, sizeof params, "scene=%s", argv[3]);
	t.spec = (struct vm_spec){
		.id = "test",
		.vcpus = 1,
		.memory_bytes = 256U << 20,
		.kernel_path = argv[1],
		.initrd_path = argv[2],
		.kernel_params = params,
		.options = &t.options,
		.channel = HV_CHANNEL_SERIAL,
		.hotplug = strcmp(argv[3], "plug") == 0,
	};
	if (strcmp(argv[3], "size") == 0) {
		t.spec.max_vcpus = 2;
		t.spec.max_memory_bytes = 768U << 20;
	}
	if (argc > 4 && strcmp(argv[4], "microvm") == 0)
		t.options.machine_type = (char *) "microvm";
	if (getenv("UID_GID"))
		t.spec.uid = t.spec.gid = (uid_t) atoi(getenv("UID_GID"));
	if (getenv("MEMORY_MIB"))
		t.spec.memory_bytes = (uint64_t) atoll(getenv("MEMORY_MIB")) << 20;
	if (loop_new(&t.loop, &e) < 0 || hv_new("qemu", t.loop, &t.hv, &e) < 0 ||
	    virtiofsd_new(t.loop, &t.fs, &e) < 0)
		return fail("set-up", &e);
	hv_on_exit(t.hv, on_ended, &t);
	virtiofsd_on_exit(t.fs, on_fs_ended, &t);

	int r = 0;

	if (argc > 5) {
		bool cold = strcmp(argv[3], "disk") == 0;

		if (cold || strcmp(argv[3], "plug") == 0 || strcmp(argv[3], "nobus") == 0)
			describe_disks(&t, argv[5]);
		else
			r = lend_share(&t, argv[5], &e);
		if (cold)
			t.n_devices = 2;
	}
	if (r == 0)
		r = run(&t, argv[3], &e);
	if (r < 0)
		(void) fail(argv[3], &e);

	uint64_t began = clock_now_us();

	(void) hv_stop(t.hv, clock_deadline(10000), NULL);
	fprintf(stderr, "stop took %llu us\n", (unsigned long long) (clock_now_us() - began));
	hv_free(t.hv);
	virtiofsd_free(t.fs);
	loop_free(t.loop);
	printf("descriptors left: %d\n", open_fds() - before);
	return r < 0;
}
#endif
