#include "host/hypervisor/qemu/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/hypervisor/kernel_params.h"

/* Refuses every group of system calls that QEMU's filter can refuse. */
#define SECCOMP_STRICTEST "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

#define FS_QUEUE_DEFAULT 1024
#define MIB              (1 << 20)
#define HUGE_PAGE_BYTES  (2 << 20) /* x86_64, and arm64 with pages of 4 KiB */
#define DISK_ID_MAX      20        /* virtio 1.2, 5.2.6.1: VIRTIO_BLK_ID_BYTES */

static void add_text(struct qemu_command *c, char *take_text)
{
	if (take_text && c->argc < QEMU_ARGS_MAX) {
		c->argv[c->argc++] = take_text;
		return;
	}
	if (!c->error)
		c->error = take_text ? E2BIG : ENOMEM;
	free(take_text);
}

static void add(struct qemu_command *c, const char *text)
{
	add_text(c, strdup(text));
}

/* An option and its formatted value. */
static void addf(struct qemu_command *c, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void addf(struct qemu_command *c, const char *option, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	add(c, option);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add_text(c, text);
}

/* @text as a value between commas; freed by the caller. */
static char *escaped(struct qemu_command *c, const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *p = out;

	if (!out) {
		c->error = ENOMEM;
		return NULL;
	}
	for (; *text; text++) {
		if (*text == ',')
			*p++ = ',';
		*p++ = *text;
	}
	*p = '\0';
	return out;
}

/* Gives QEMU a descriptor. Returns its number there, or -errno. @take_fd is taken in any case. */
static int give_fd(struct qemu_command *c, int take_fd)
{
	if (c->n_fds == QEMU_FDS_MAX) {
		fd_close(take_fd);
		c->error = EMFILE;
		return -EMFILE;
	}

	int as = QEMU_FD_FIRST + (int) c->n_fds;

	c->fds[c->n_fds++] = (struct child_fd){.fd = take_fd, .as = as};
	return as;
}

/* Gives QEMU a duplicate of the caller's @fd. Returns its number there, or -errno. */
static int give_copy(struct qemu_command *c, int fd, const char *what, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return err_sys(e, errno, "take over the descriptor of %s", what);
	return give_fd(c, copy);
}

/* As a file name for options that open files: "/dev/fdset/N". Returns N, or -errno. */
static int give_fdset(struct qemu_command *c, int take_fd)
{
	int as = give_fd(c, take_fd);

	if (as < 0)
		return as;
	addf(c, "-add-fd", "fd=%d,set=%d", as, ++c->fdsets);
	return c->fdsets;
}

/* @remedy: what the user can do about a missing file, besides setting @key to another. */
static int open_file(const char *path, const char *what, const char *key, const char *remedy,
		     struct err *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return err_say(e, ENOENT, "there is no %s '%s': %s, or set the key '%s'", what,
			       path, remedy, key);
	if (fd < 0)
		return err_sys(e, errno, "open %s '%s' (key '%s')", what, path, key);
	return fd;
}

/*
 * QEMU reopens the file through /proc/self/fd as its own user, so a file that only its owner may
 * read (some distributions' kernels in /boot) is copied into memory. With 9p every file is copied,
 * because QEMU's capabilities could then change mode, owner and attributes of the original.
 * Swallows @swallow_fd and returns a descriptor, or -errno.
 */
static int open_to_all(int swallow_fd, const struct vm_spec *spec, const char *what, struct err *e)
{
	auto_close int fd = swallow_fd;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "inspect %s", what);
	if (st.st_mode & S_IROTH && spec->share.kind != VM_SHARE_9P)
		return take_fd(&fd);
	auto_close int copy = memfd_create("guest-image", MFD_CLOEXEC);

	if (copy < 0)
		return err_sys(e, errno, "copy %s", what);
	for (off_t at = 0; at < st.st_size;) {
		ssize_t n = sendfile(copy, fd, &at, (size_t) (st.st_size - at));

		if (n <= 0)
			return err_sys(e, n < 0 ? errno : EIO, "copy %s", what);
	}
	return take_fd(&copy);
}

/* Tells a kernel from a configuration mistake by its magic: ELF, x86's bzImage, arm64's Image. */
static int check_kernel(int fd, const char *path, struct err *e)
{
	char head[0x210] = "";
	ssize_t n = pread(fd, head, sizeof head, 0);

	if (n < 0)
		return err_sys(e, errno, "read guest kernel '%s'", path);
	if (memcmp(head, "\177ELF", 4) == 0 || memcmp(head + 0x202, "HdrS", 4) == 0 ||
	    memcmp(head + 0x38, "ARM\x64", 4) == 0)
		return 0;
	return err_say(e, ENOEXEC,
		       "'%s' is no kernel: neither ELF nor bzImage nor Image (key 'kernel')", path);
}

static int add_kernel(struct qemu_command *c, const struct vm_spec *spec, const char *params,
		      struct err *e)
{
	auto_close int kernel =
		open_file(spec->kernel_path, "guest kernel", "kernel", HV_REMEDY_IMAGE, e);

	if (kernel < 0)
		return kernel;

	int r = check_kernel(kernel, spec->kernel_path, e);

	if (r == 0)
		r = open_to_all(take_fd(&kernel), spec, "the guest kernel", e);
	if (r < 0)
		return r;
	addf(c, "-kernel", "/proc/self/fd/%d", give_fd(c, r));
	if (spec->initrd_path && *spec->initrd_path) {
		int initrd =
			open_file(spec->initrd_path, "guest initrd", "initrd", HV_REMEDY_IMAGE, e);

		if (initrd >= 0)
			initrd = open_to_all(initrd, spec, "the guest initrd", e);
		if (initrd < 0)
			return initrd;
		addf(c, "-initrd", "/proc/self/fd/%d", give_fd(c, initrd));
	}
	addf(c, "-append", "%s", params);
	return 0;
}

/* A QEMU in PREFIX/bin has its firmware in PREFIX/share/qemu. Returns a descriptor, or -1 if the
 * firmware is not there. */
static int open_own_firmware(const struct qemu_choice *choice)
{
	auto_free char *program = realpath(choice->program, NULL);
	auto_free char *path = NULL;

	if (!program || !choice->machine->firmware)
		return -1;
	path = str_printf("%s/../share/qemu/%s", dirname(program), choice->machine->firmware);
	return path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

static int add_firmware(struct qemu_command *c, const struct vm_spec *spec,
			const struct qemu_choice *choice, struct err *e)
{
	const char *named =
		spec->firmware_path && *spec->firmware_path ? spec->firmware_path : NULL;
	int fd = named ? open_file(named, "firmware", "firmware", HV_REMEDY_FIRMWARE, e)
		       : open_own_firmware(choice);

	if (fd >= 0)
		fd = open_to_all(fd, spec, "the firmware", e);
	else if (!named)
		return 0;
	if (fd < 0)
		return fd;
	addf(c, "-bios", "/proc/self/fd/%d", give_fd(c, fd));
	return 0;
}

/*
 * A file in memory of @bytes, for the guest's memory. Its size is sealed, because virtiofsd shares
 * the file and could otherwise truncate it under QEMU.
 */
static int memory_file(uint64_t bytes, struct err *e)
{
	auto_close int fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, errno, "make the file of the guest's memory");
	if (ftruncate(fd, (off_t) bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		return err_sys(e, errno, "size the file of the guest's memory");
	return take_fd(&fd);
}

/*
 * The guest's memory. Memory that virtiofsd shares is a memfd of ours, because QEMU's own
 * (memory-backend-memfd) has no alignment: a host whose shmem_enabled is "advise" or more gives
 * huge pages only to memory that starts at a huge page's boundary, and with them KVM has a fraction
 * of the faults at the guest's start.
 */
static int add_memory(struct qemu_command *c, const struct vm_spec *spec, bool shared,
		      struct err *e)
{
	const char *prealloc = spec->mem_prealloc ? ",prealloc=on" : "";
	uint64_t mib = spec->memory_bytes / MIB;
	int fd;

	if (spec->hugepages) {
		addf(c, "-object",
		     "memory-backend-memfd,id=memory,size=%" PRIu64 "M,share=%s,hugetlb=on%s", mib,
		     shared ? "on" : "off", prealloc);
		return 0;
	}
	if (!shared) {
		if (spec->mem_prealloc)
			add(c, "-mem-prealloc");
		return 0;
	}
	fd = memory_file(mib * MIB, e);
	if (fd < 0)
		return fd;
	addf(c, "-object",
	     "memory-backend-file,id=memory,size=%" PRIu64
	     "M,share=on,align=%d,mem-path=/proc/self/fd/%d%s",
	     mib, HUGE_PAGE_BYTES, give_fd(c, fd), prealloc);
	return 0;
}

static int add_machine(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice, struct err *e)
{
	const char *more = spec->machine_accelerators;
	const char *features = spec->cpu_features;
	bool kvm = choice->accel == HV_ACCEL_KVM;
	/* vhost-user: virtiofsd maps the guest's memory, so that must be a shared file. */
	bool shared = spec->share.kind == VM_SHARE_VIRTIO_FS;
	bool backend = shared || spec->hugepages;

	if (!more)
		more = "";
	if (!features)
		features = "";
	addf(c, "-machine", "%s,%s%s%s%s", choice->machine->name, choice->machine->options,
	     backend ? ",memory-backend=memory" : "", *more ? "," : "", more);
	addf(c, "-accel", "%s", kvm ? "kvm" : "tcg,thread=multi");
	addf(c, "-cpu", "%s%s%s", kvm ? "host" : choice->arch->tcg_cpu, *features ? "," : "",
	     features);
	if (spec->max_vcpus > spec->vcpus)
		addf(c, "-smp", "%" PRIu32 ",maxcpus=%" PRIu32, spec->vcpus, spec->max_vcpus);
	else
		addf(c, "-smp", "%" PRIu32, spec->vcpus);
	addf(c, "-m", "%" PRIu64 "M", spec->memory_bytes / MIB);
	if (choice->machine->global)
		addf(c, "-global", "%s", choice->machine->global);
	return add_memory(c, spec, shared, e);
}

/* Adds device @name for the machine's bus: "virtio-rng" becomes "-device virtio-rng-pci,...". */
static void add_device(struct qemu_command *c, const struct qemu_machine *m, const char *name,
		       const char *options)
{
	/* vhost and vhost-user devices have no legacy mode, and so not this option either. */
	const char *modern = strncmp(name, "vhost-", 6) == 0 ? NULL : m->no_legacy;

	addf(c, "-device", "%s-%s,%s%s%s", name, m->bus, modern ? modern : "", modern ? "," : "",
	     options);
}

static int add_channel(struct qemu_command *c, const struct qemu_choice *choice, struct err *e)
{
	char options[64];

	if (choice->channel == HV_CHANNEL_SERIAL) {
		/* Port 0 is reserved for a console; each port costs two queues, used or not. */
		add_device(c, choice->machine, "virtio-serial", "max_ports=2");
		addf(c, "-chardev", "socket,id=agent,fd=%d", QEMU_FD_AGENT);
		addf(c, "-device", "virtserialport,chardev=agent,name=%s", VMM_AGENT_PORT);
		return 0;
	}

	int as = give_copy(c, choice->vhost_fd, "vhost-vsock", e);

	if (as < 0)
		return as;
	(void) snprintf(options, sizeof options, "vhostfd=%d,guest-cid=%" PRIu32, as,
			choice->guest_cid);
	add_device(c, choice->machine, "vhost-vsock", options);
	return 0;
}

static int add_entropy(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice, struct err *e)
{
	const char *path =
		spec->entropy_path && *spec->entropy_path ? spec->entropy_path : "/dev/urandom";
	int fd =
		open_file(path, "source of entropy", "entropy_source", "let it be /dev/urandom", e);

	if (fd < 0)
		return fd;

	int set = give_fdset(c, fd);

	addf(c, "-object", "rng-random,id=entropy,filename=/dev/fdset/%d", set);
	add_device(c, choice->machine, "virtio-rng", "rng=entropy");
	return 0;
}

static int add_share(struct qemu_command *c, const struct vm_spec *spec,
		     const struct qemu_choice *choice, struct err *e)
{
	const struct vm_share *s = &spec->share;
	auto_free char *options = NULL;
	auto_free char *tag = NULL;
	int fd, as;

	if (s->kind == VM_SHARE_NONE)
		return 0;
	tag = escaped(c, s->tag ? s->tag : "kataShared");
	if (s->kind == VM_SHARE_VIRTIO_FS) {
		as = give_copy(c, s->socket_fd, "virtiofsd", e);
		if (as < 0)
			return as;
		addf(c, "-chardev", "socket,id=share,fd=%d", as);
		options = str_printf("chardev=share,tag=%s,queue-size=%" PRIu32, tag,
				     s->queue_size ? s->queue_size : FS_QUEUE_DEFAULT);
		add_device(c, choice->machine, "vhost-user-fs", options ? options : "");
		return 0;
	}
	fd = open(s->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "open shared folder '%s'", s->path);
	as = give_fd(c, fd);
	/* Without capabilities (rootless) QEMU cannot chown: it owns every file it makes. */
	addf(c, "-fsdev", "local,id=share,path=/proc/self/fd/%d,security_model=%s,multidevs=remap",
	     as, spec->rootless ? "none" : "passthrough");
	options = str_printf("fsdev=share,mount_tag=%s", tag);
	add_device(c, choice->machine, "virtio-9p", options ? options : "");
	return 0;
}

static int check_disk_id(const char *id, struct err *e)
{
	size_t n = id ? strlen(id) : 0;

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char) id[i]) && id[i] != '-' && id[i] != '_')
			n = 0;
	if (n == 0 || n > DISK_ID_MAX)
		return err_say(e, EINVAL, "'%s' cannot be the serial number of a disk",
			       id ? id : "");
	return 0;
}

static int open_disk(const struct vm_disk *d, struct err *e)
{
	int fd;

	if (d->path)
		fd = open(d->path, (d->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	else
		fd = fcntl(d->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "open disk '%s'", d->path ? d->path : d->id);
	return fd;
}

static int add_disk(struct qemu_command *c, const struct vm_disk *d, size_t i,
		    const struct qemu_choice *choice, struct err *e)
{
	char options[64];
	struct stat st;
	int r = check_disk_id(d->id, e);

	if (r < 0)
		return r;

	auto_close int fd = open_disk(d, e);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "inspect disk '%s'", d->id);

	int set = give_fdset(c, take_fd(&fd));

	/* QEMU does not lock the disk, because the caller ensures that nobody else uses it. */
	addf(c, "-blockdev",
	     "driver=raw,node-name=disk%zu,read-only=%s,cache.direct=%s,file.driver=%s,"
	     "file.filename=/dev/fdset/%d,file.locking=off",
	     i, d->readonly ? "on" : "off", d->direct ? "on" : "off",
	     S_ISBLK(st.st_mode) ? "host_device" : "file", set);
	(void) snprintf(options, sizeof options, "drive=disk%zu,serial=%s", i, d->id);
	add_device(c, choice->machine, "virtio-blk", options);
	return 0;
}

static void add_basics(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice)
{
	auto_free char *id = escaped(c, spec->id ? spec->id : "");
	const char *seccomp = spec->seccomp && *spec->seccomp ? spec->seccomp : SECCOMP_STRICTEST;

	add(c, choice->program);
	addf(c, "-name", "kata-%s", id ? id : "");
	add(c, "-nodefaults");
	add(c, "-no-user-config");
	addf(c, "-display", "none");
	add(c, "-no-reboot");
	add(c, "-S"); /* process.c lets the guest run after it has emptied QEMU's root */
	if (strcmp(seccomp, "off") != 0)
		addf(c, "-sandbox", "%s", seccomp);
	addf(c, "-chardev", "socket,id=monitor,fd=%d", QEMU_FD_QMP);
	addf(c, "-mon", "chardev=monitor,mode=control");
	addf(c, "-chardev", "socket,id=console,fd=%d", QEMU_FD_CONSOLE);
	addf(c, "-serial", "chardev:console");
}

int qemu_command_build(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice, struct err *e)
{
	add_basics(c, spec, choice);

	int r = add_machine(c, spec, choice, e);

	if (r == 0)
		r = add_kernel(c, spec, choice->kernel_params, e);
	if (r == 0)
		r = add_firmware(c, spec, choice, e);
	if (r == 0)
		r = add_channel(c, choice, e);
	if (r == 0)
		r = add_entropy(c, spec, choice, e);
	if (r == 0)
		r = add_share(c, spec, choice, e);
	for (size_t i = 0; r == 0 && i < spec->n_disks; i++)
		r = add_disk(c, &spec->disks[i], i, choice, e);
	if (r == 0 && c->error)
		r = err_sys(e, c->error, "put QEMU's arguments together");
	if (r < 0)
		qemu_command_fini(c);
	return r;
}

void qemu_command_fini(struct qemu_command *c)
{
	for (size_t i = 0; i < c->argc; i++)
		free(c->argv[i]);
	for (size_t i = 0; i < c->n_fds; i++)
		fd_close(c->fds[i].fd);
	*c = (struct qemu_command){0};
}
