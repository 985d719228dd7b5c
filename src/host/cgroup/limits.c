/* What the processes of a sandbox may use of the host. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"
#include "host/cgroup/cgroup_priv.h"
#include "host/cgroup/systemd.h"
#include "oci/pod_limits.h"

/* What a machine takes beside its guest's memory: the VMM and virtiofsd under load, the server, and
 * room for files in the host's cache. */
#define OVERHEAD_BYTES (UINT64_C(256) << 20)
/* QEMU's translator keeps up to 1 GiB of translated code, where there is no KVM. It is counted
 * always, because which of them it will be is not known before the VMM runs, and the limit only
 * catches a machine that grows without end. */
#define TRANSLATOR_BYTES (UINT64_C(1) << 30)
/* The quarter of a CPU that upstream's RuntimeClass gives to a pod beside its containers. */
#define OVERHEAD_CPU_PART 4

/* The period of a quota when none is given (runtime specification, CPU). */
#define CPU_PERIOD_DEFAULT_US 100000
/* The shortest quota that the kernel takes. */
#define CPU_QUOTA_MIN_US 1000

/* Shares are 2 to 262144, and weights of cgroup v2 1 to 10000 (kernel, cgroup-v2.rst). */
#define SHARES_MIN 2
#define SHARES_MAX 262144

/* A limit of the specification: 0 says nothing, and -1 that there is none. */
static uint64_t limit_of(int64_t limit)
{
	return limit < 0 ? HOST_UNLIMITED : (uint64_t) limit;
}

static void take_resources(struct host_limits *l, const Grpc__LinuxResources *from)
{
	const Grpc__LinuxMemory *memory = from->memory;
	const Grpc__LinuxCPU *cpu = from->cpu;

	if (memory && memory->has_limit)
		l->memory_bytes = limit_of(memory->limit);
	if (!cpu)
		return;
	if (cpu->has_quota)
		l->cpu_quota_us = limit_of(cpu->quota);
	if (cpu->has_period)
		l->cpu_period_us = cpu->period;
	if (cpu->has_shares)
		l->cpu_shares = cpu->shares;
	l->cpus = cpu->cpus && cpu->cpus[0] ? cpu->cpus : NULL;
	l->mems = cpu->mems && cpu->mems[0] ? cpu->mems : NULL;
}

static void take_annotations(struct host_limits *l, const struct host_wants *w)
{
	const struct pod_limits pod = pod_limits_read(w->annotations, w->n_annotations);

	l->memory_bytes = pod.memory_bytes;
	l->cpu_shares = pod.cpu_shares;
	l->cpu_period_us = pod.cpu_period_us;
	l->cpu_quota_us = pod.cpu_quota_us;
}

struct host_limits host_limits_of(const struct host_wants *w)
{
	struct host_limits l = {0};

	if (w->resources)
		take_resources(&l, w->resources);
	else
		take_annotations(&l, w);
	if (!l.cpu_period_us)
		l.cpu_period_us = w->cpu_period_us ? w->cpu_period_us : CPU_PERIOD_DEFAULT_US;
	if (l.cpu_quota_us && l.cpu_quota_us != HOST_UNLIMITED)
		l.cpu_quota_us += l.cpu_period_us / OVERHEAD_CPU_PART;
	if (l.cpu_quota_us && l.cpu_quota_us < CPU_QUOTA_MIN_US)
		l.cpu_quota_us = CPU_QUOTA_MIN_US;
	if (l.memory_bytes && l.memory_bytes != HOST_UNLIMITED)
		l.memory_bytes = w->machine_bytes + OVERHEAD_BYTES + TRANSLATOR_BYTES;
	return l;
}

/* Writes to a file of the folder in which @controller counts. No @text: there is no limit. */
static int set(const struct host_cgroup *g, const char *controller, const char *file,
	       const char *text, struct err *e)
{
	const char *folder = text ? host_cgroup_of(g, controller) : NULL;
	auto_free char *path = folder ? str_printf("%s/%s", folder, file) : NULL;

	if (!text)
		return 0;
	if (!folder)
		return err_say(e, ENOENT, "the host has no cgroup controller '%s'", controller);
	return path ? file_write(AT_FDCWD, path, text, e)
		    : err_sys(e, ENOMEM, "limit the sandbox's cgroup");
}

int host_cgroup_set_cpus(const struct host_cgroup *g, const struct host_limits *l, struct err *e)
{
	int r = set(g, "cpuset", "cpuset.cpus", l->cpus, e);

	return r < 0 ? r : set(g, "cpuset", "cpuset.mems", l->mems, e);
}

static void number(char text[24], uint64_t n, bool v2)
{
	if (n == HOST_UNLIMITED)
		(void) strcpy(text, v2 ? "max" : "-1");
	else
		(void) snprintf(text, 24, "%llu", (unsigned long long) n);
}

static int set_memory(const struct host_cgroup *g, const struct host_limits *l, struct err *e)
{
	bool v2 = host_cgroup_is_unified(g);
	char text[24];

	number(text, l->memory_bytes, v2);
	return set(g, "memory", v2 ? "memory.max" : "memory.limit_in_bytes",
		   l->memory_bytes ? text : NULL, e);
}

static uint64_t shares_of(uint64_t shares)
{
	return shares < SHARES_MIN ? SHARES_MIN : shares > SHARES_MAX ? SHARES_MAX : shares;
}

static uint64_t weight_of(uint64_t shares)
{
	return 1 + (shares_of(shares) - SHARES_MIN) * 9999 / (SHARES_MAX - SHARES_MIN);
}

static int set_shares(const struct host_cgroup *g, uint64_t shares, struct err *e)
{
	bool v2 = host_cgroup_is_unified(g);
	char text[24];

	if (!shares)
		return 0;
	(void) snprintf(text, sizeof text, "%llu",
			(unsigned long long) (v2 ? weight_of(shares) : shares_of(shares)));
	return set(g, "cpu", v2 ? "cpu.weight" : "cpu.shares", text, e);
}

/* The quota is lifted before the period changes, because the kernel checks the one against the
 * other. */
static int set_quota(const struct host_cgroup *g, const struct host_limits *l, struct err *e)
{
	bool v2 = host_cgroup_is_unified(g);
	char quota[24], period[24], both[48];
	int r;

	if (!l->cpu_quota_us)
		return 0;
	number(quota, l->cpu_quota_us, v2);
	number(period, l->cpu_period_us, v2);
	(void) snprintf(both, sizeof both, "%s %s", quota, period);
	if (v2)
		return set(g, "cpu", "cpu.max", both, e);
	r = set(g, "cpu", "cpu.cfs_quota_us", "-1", e);
	if (r == 0)
		r = set(g, "cpu", "cpu.cfs_period_us", period, e);
	return r < 0 ? r : set(g, "cpu", "cpu.cfs_quota_us", quota, e);
}

static int set_files(const struct host_cgroup *g, const struct host_limits *l, struct err *e)
{
	int r = set_memory(g, l, e);

	if (r == 0)
		r = set_shares(g, l->cpu_shares, e);
	if (r < 0)
		return r;

	struct err why = {0};

	r = set_quota(g, l, &why);
	/* cgroup v1 takes no quota that is above the one of a cgroup above, which holds anyway. */
	if (r == -EINVAL && !host_cgroup_is_unified(g)) {
		log_err(LOG_WARN, &why, "ignoring, because a cgroup above allows less");
		return 0;
	}
	if (r < 0 && e)
		*e = why;
	return r;
}

#define US_PER_SECOND   1000000
#define UNIT_TIMEOUT_MS 10000

/* systemd writes its own idea of a unit's limits whenever it reads its units again. */
static void tell_systemd(const struct host_cgroup *g, const struct host_limits *l)
{
	bool v2 = host_cgroup_is_unified(g);
	struct unit_property list[4];
	struct err e = {0};
	size_t n = 0;

	if (l->memory_bytes)
		list[n++] =
			(struct unit_property){v2 ? "MemoryMax" : "MemoryLimit", l->memory_bytes};
	/* systemd knows a quota by the second. */
	if (l->cpu_quota_us && l->cpu_period_us) {
		list[n++] = (struct unit_property){"CPUQuotaPeriodUSec", l->cpu_period_us};
		list[n++] = (struct unit_property){"CPUQuotaPerSecUSec",
						   l->cpu_quota_us == HOST_UNLIMITED
							   ? HOST_UNLIMITED
							   : l->cpu_quota_us * US_PER_SECOND /
								     l->cpu_period_us};
	}
	if (l->cpu_shares)
		list[n++] = (struct unit_property){v2 ? "CPUWeight" : "CPUShares",
						   v2 ? weight_of(l->cpu_shares)
						      : shares_of(l->cpu_shares)};
	if (n > 0 && systemd_unit_set(g->unit, list, n, clock_deadline(UNIT_TIMEOUT_MS), &e) < 0)
		log_err(LOG_WARN, &e, "ignoring: the limits hold until systemd reads its units");
}

int host_cgroup_limit(const struct host_cgroup *g, const struct host_limits *l, struct err *e)
{
	/* The files last, because they say what systemd may round. */
	if (g->has_unit)
		tell_systemd(g, l);
	return set_files(g, l, e);
}
