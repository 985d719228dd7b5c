#include "agent/cgroup/device_programs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/bpf.h"
#include "base/fd.h"

static int load(const struct device_program *p)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	attr.insns = (uint64_t) (uintptr_t) p->insns;
	attr.insn_cnt = (uint32_t) p->n;
	attr.license = (uint64_t) (uintptr_t) "Apache-2.0";
	return bpf_call(BPF_PROG_LOAD, &attr);
}

static bool is(const struct kept_program *k, const struct device_program *p)
{
	return k->insns && k->n == p->n && memcmp(k->insns, p->insns, p->n * sizeof *p->insns) == 0;
}

static void forget(struct kept_program *k)
{
	if (!k->insns)
		return;
	free(k->insns);
	k->insns = NULL;
	fd_close(k->fd);
}

/* In the place of the one that was loaded first. */
static void keep(struct device_programs *all, const struct device_program *p, int fd)
{
	struct kept_program *k = &all->kept[all->next];
	struct bpf_insn *insns = calloc(p->n, sizeof *insns);
	int own = insns ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

	/* The program works all the same; the next container has to load it again. */
	if (own < 0) {
		free(insns);
		return;
	}
	memcpy(insns, p->insns, p->n * sizeof *insns);
	forget(k);
	*k = (struct kept_program){.insns = insns, .n = p->n, .fd = own};
	all->next = (all->next + 1) % DEVICE_PROGRAMS_KEPT;
}

int device_programs_get(struct device_programs *all, const struct device_program *p)
{
	for (size_t i = 0; i < DEVICE_PROGRAMS_KEPT; i++)
		if (is(&all->kept[i], p)) {
			int fd = fcntl(all->kept[i].fd, F_DUPFD_CLOEXEC, 0);

			return fd < 0 ? -errno : fd;
		}

	int fd = load(p);

	if (fd >= 0)
		keep(all, p, fd);
	return fd;
}

static int warm_one(struct device_programs *all, Grpc__LinuxDeviceCgroup *const *rules, size_t n)
{
	struct device_program p;

	if (device_program_make(rules, n, &p, NULL) < 0)
		return -ENOMEM;

	int fd = device_programs_get(all, &p);

	free(p.insns);
	(void) fd_close(fd);
	return fd < 0 ? fd : 0;
}

static void make_rule(Grpc__LinuxDeviceCgroup *ret, bool allow, int64_t major, int64_t minor)
{
	grpc__linux_device_cgroup__init(ret);
	ret->has_allow = true;
	ret->allow = allow;
	ret->type = (char *) "c";
	ret->has_major = ret->has_minor = true;
	ret->major = major;
	ret->minor = minor;
}

/* What engines say besides the common rules: Podman and `runc spec` nothing; containerd allows the
 * console's device; Docker does, too, and denies that of FUSE. */
int device_programs_warm(struct device_programs *all)
{
	Grpc__LinuxDeviceCgroup console, fuse;
	Grpc__LinuxDeviceCgroup *const rules[] = {&console, &fuse};
	int r = 0;

	make_rule(&console, true, 5, 1);
	make_rule(&fuse, false, 10, 229);
	for (size_t n = 0; r == 0 && n <= ARRAY_LEN(rules); n++)
		r = warm_one(all, rules, n);
	return r;
}

void device_programs_fini(struct device_programs *all)
{
	for (size_t i = 0; i < DEVICE_PROGRAMS_KEPT; i++)
		forget(&all->kept[i]);
}
