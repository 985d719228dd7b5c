#include "host/hypervisor/qemu/config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "host/hypervisor/qemu/device.h"
#include "host/hypervisor/qemu/resize.h"

/* Refuses every group of system calls that QEMU's filter can refuse. */
#define SECCOMP_STRICTEST "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

#define MIB             (1 << 20)
#define HUGE_PAGE_BYTES (2 << 20) /* x86_64, and arm64 with pages of 4 KiB */

static bool is_set(const char *text)
{
	return text && *text;
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
		r = qemu_give_reopened(c, take_fd(&kernel), "the guest kernel", e);
	if (r < 0)
		return r;
	c->kernel_as = r;
	qemu_addf(c, "-kernel", "/proc/self/fd/%d", r);
	if (spec->initrd_path && *spec->initrd_path) {
		r = open_file(spec->initrd_path, "guest initrd", "initrd", HV_REMEDY_IMAGE, e);
		if (r >= 0)
			r = qemu_give_reopened(c, r, "the guest initrd", e);
		if (r < 0)
			return r;
		qemu_addf(c, "-initrd", "/proc/self/fd/%d", r);
	}
	qemu_addf(c, "-append", "%s", params);
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

static int add_firmware(struct qemu_command *c, const struct qemu_choice *choice, struct err *e)
{
	const char *named = choice->options->firmware;
	int fd = is_set(named) ? open_file(named, "firmware", "firmware", HV_REMEDY_FIRMWARE, e)
			       : open_own_firmware(choice);

	if (fd < 0)
		return is_set(named) ? fd : 0;
	fd = qemu_give_reopened(c, fd, "the firmware", e);
	if (fd < 0)
		return fd;
	qemu_addf(c, "-bios", "/proc/self/fd/%d", fd);
	return 0;
}

/* Its size is sealed, because virtiofsd shares the file and could otherwise truncate it under QEMU.
 */
int qemu_memory_file(uint64_t bytes, struct err *e)
{
	auto_close int fd = memfd_create("guest-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return err_sys(e, errno, "make the file of the guest's memory");
	if (ftruncate(fd, (off_t) bytes) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)
		return err_sys(e, errno, "size the file of the guest's memory");
	return take_fd(&fd);
}

/* Memory that comes and goes: a virtio-mem device, of whose memory the guest has at first nothing.
 * It is as large as the most that can come, and costs what the guest touches. */
static int add_more_memory(struct qemu_command *c, uint64_t bytes, bool shared, struct err *e)
{
	int fd = shared ? qemu_memory_file(bytes, e) : 0;

	if (fd < 0)
		return fd;
	if (shared)
		qemu_addf(c, "-object",
			  "memory-backend-file,id=" QEMU_MORE_MEMORY ",size=%" PRIu64
			  "M,share=on,align=%d,mem-path=/proc/self/fd/%d",
			  bytes / MIB, HUGE_PAGE_BYTES, qemu_give_fd(c, fd));
	else
		qemu_addf(c, "-object",
			  "memory-backend-ram,id=" QEMU_MORE_MEMORY ",size=%" PRIu64
			  "M,reserve=off",
			  bytes / MIB);
	qemu_addf(c, "-device",
		  "{\"driver\":\"virtio-mem-pci\",\"id\":\"" QEMU_MORE_DEVICE
		  "\",\"memdev\":\"" QEMU_MORE_MEMORY "\",\"block-size\":%d}",
		  QEMU_MORE_BLOCK_BYTES);
	return 0;
}

/*
 * The guest's memory. Memory that virtiofsd shares is a memfd of ours, because QEMU's own
 * (memory-backend-memfd) has no alignment: a host whose shmem_enabled is "advise" or more gives
 * huge pages only to memory that starts at a huge page's boundary, and with them KVM has a fraction
 * of the faults at the guest's start.
 */
static int add_boot_memory(struct qemu_command *c, const struct qemu_memory *m, bool shared,
			   struct err *e)
{
	const char *prealloc = m->prealloc ? ",prealloc=on" : "";
	uint64_t mib = m->bytes / MIB;

	if (!shared && !m->hugepages && m->fd < 0) {
		if (m->prealloc)
			qemu_add(c, "-mem-prealloc");
		return 0;
	}
	qemu_addf(c, "-machine", "memory-backend=memory");
	if (m->hugepages) {
		qemu_addf(c, "-object",
			  "memory-backend-memfd,id=memory,size=%" PRIu64 "M,share=%s,hugetlb=on%s",
			  mib, shared ? "on" : "off", prealloc);
		return 0;
	}

	int fd = m->fd >= 0 ? fcntl(m->fd, F_DUPFD_CLOEXEC, 0) : qemu_memory_file(mib * MIB, e);

	if (fd < 0)
		return fd;
	fd = qemu_give_fd(c, fd);
	if (fd < 0)
		return err_sys(e, -fd, "give QEMU the guest's memory");
	c->memory_as = fd;
	qemu_addf(c, "-object",
		  "memory-backend-file,id=memory,size=%" PRIu64
		  "M,share=on,align=%d,mem-path=/proc/self/fd/%d%s",
		  mib, HUGE_PAGE_BYTES, fd, prealloc);
	return 0;
}

/* What may come is a file, too, in a machine that is saved and in one that goes on from it, because
 * QEMU leaves files out of what it saves. Nothing has come then, so there is nothing to copy. */
static int add_memory(struct qemu_command *c, const struct qemu_memory *m, bool shared,
		      struct err *e)
{
	int r = add_boot_memory(c, m, shared, e);

	return r == 0 && m->more_bytes ? add_more_memory(c, m->more_bytes, shared || m->fd >= 0, e)
				       : r;
}

static void add_machine(struct qemu_command *c, const struct vm_spec *spec,
			const struct qemu_choice *choice)
{
	const char *more = choice->options->machine_accelerators;
	const char *features = choice->options->cpu_features;
	bool kvm = choice->accel == HV_ACCEL_KVM;

	qemu_addf(c, "-machine", "%s,%s%s%s", choice->machine->name, choice->machine->options,
		  is_set(more) ? "," : "", is_set(more) ? more : "");
	qemu_addf(c, "-accel", "%s", kvm ? "kvm" : "tcg,thread=multi");
	qemu_addf(c, "-cpu", "%s%s%s", kvm ? "host" : choice->arch->tcg_cpu,
		  is_set(features) ? "," : "", is_set(features) ? features : "");
	if (choice->max_vcpus > spec->vcpus)
		qemu_addf(c, "-smp", "%" PRIu32 ",maxcpus=%" PRIu32, spec->vcpus,
			  choice->max_vcpus);
	else
		qemu_addf(c, "-smp", "%" PRIu32, spec->vcpus);
	if (choice->more_memory_bytes)
		qemu_addf(c, "-m", "%" PRIu64 "M,maxmem=%" PRIu64 "M", spec->memory_bytes / MIB,
			  (spec->memory_bytes + choice->more_memory_bytes) / MIB);
	else
		qemu_addf(c, "-m", "%" PRIu64 "M", spec->memory_bytes / MIB);
	if (choice->machine->global)
		qemu_addf(c, "-global", "%s", choice->machine->global);
}

static int add_entropy(struct qemu_command *c, const struct qemu_choice *choice, struct err *e)
{
	const char *named = choice->options->entropy_source;
	int fd = open_file(is_set(named) ? named : "/dev/urandom", "source of entropy",
			   "entropy_source", "let it be /dev/urandom", e);

	return fd < 0 ? fd : qemu_add_entropy(c, choice->machine, choice->has_plug_bus, fd, e);
}

/*
 * Where all memory was touched beforehand, or comes from the host's huge pages, the guest is to
 * have it for certain: what goes back may be somebody else's when the guest wants it again, and
 * then QEMU is killed.
 */
static bool reclaims(const struct vm_spec *spec)
{
	return spec->options->reclaim_guest_freed_memory && !spec->hugepages && !spec->mem_prealloc;
}

static void add_basics(struct qemu_command *c, const struct vm_spec *spec,
		       const struct qemu_choice *choice)
{
	auto_free char *id = qemu_escaped(c, spec->id ? spec->id : "");
	const char *seccomp = choice->options->seccomp_sandbox;

	qemu_add(c, choice->program);
	qemu_addf(c, "-name", "kata-%s", id ? id : "");
	qemu_add(c, "-nodefaults");
	qemu_add(c, "-no-user-config");
	qemu_addf(c, "-display", "none");
	qemu_add(c, "-no-reboot");
	qemu_add(c, "-S"); /* process.c lets the guest run after it has emptied QEMU's root */
	if (!is_set(seccomp))
		seccomp = SECCOMP_STRICTEST;
	if (strcmp(seccomp, "off") != 0)
		qemu_addf(c, "-sandbox", "%s", seccomp);
	qemu_addf(c, "-chardev", "socket,id=monitor,fd=%d", QEMU_FD_QMP);
	qemu_addf(c, "-mon", "chardev=monitor,mode=control");
	qemu_addf(c, "-chardev", "socket,id=console,fd=%d", QEMU_FD_CONSOLE);
	qemu_addf(c, "-serial", "chardev:console");
}

int qemu_config_build(struct qemu_command *c, const struct vm_spec *spec,
		      const struct qemu_choice *choice, struct err *e)
{
	add_basics(c, spec, choice);
	add_machine(c, spec, choice);

	int r = add_kernel(c, spec, choice->kernel_params, e);

	if (r == 0)
		r = add_firmware(c, choice, e);
	if (r == 0)
		r = qemu_add_channel(c, choice->machine, choice->channel, e);
	if (choice->has_plug_bus)
		qemu_add_plug_bus(c);
	if (r == 0)
		r = add_entropy(c, choice, e);
	if (r == 0 && reclaims(spec))
		r = qemu_add_reclaim(c, choice->machine, e);
	if (r < 0)
		qemu_command_fini(c);
	return r;
}

int qemu_config_finish(struct qemu_command *c, const struct qemu_memory *memory,
		       const struct qemu_devices *devices, struct err *e)
{
	int r = add_memory(c, memory, devices->share_memory, e);

	if (r == 0 && devices->served_fd)
		r = qemu_copy_reopened(c, e);
	if (r == 0 && c->error)
		r = err_sys(e, c->error, "put QEMU's arguments together");
	return r;
}
