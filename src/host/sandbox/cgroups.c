/* The sandbox's cgroup of the host: made before anything else, removed after it. */
#include "host/sandbox/cgroups.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc_stat.h"

/* How long a stand-in may take to end after its container. */
#define REMOVE_TIMEOUT_MS 10000
/* As many as QEMU's largest machines have. */
#define VCPUS_MAX 1024

/* A cgroup that nobody has named is a courtesy: without the right to make one, or without a place
 * for it, the sandbox stays where its caller is, as with runc. */
static bool can_do_without(const struct sandbox_spec *spec, int r)
{
	bool is_named = spec->cgroups_path && spec->cgroups_path[0];

	return (r == -EROFS || r == -EACCES || r == -EPERM || r == -ENOENT) &&
	       (!is_named || geteuid() != 0);
}

static struct host_wants wants(const struct sandbox *sb, const struct sandbox_spec *spec)
{
	if (sb->options.lone)
		return (struct host_wants){.resources = spec->resources};
	return (struct host_wants){
		.annotations = spec->annotations,
		.n_annotations = spec->n_annotations,
	};
}

/* Finds both before anything is made, because a cgroup is left by going back to where this process
 * is now. */
int cgroups_plan(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e)
{
	struct machine *m = &sb->machine;
	auto_free char *name = NULL;
	int r = host_cgroup_name(spec->cgroups_path, sb->options.id, sb->options.lone, &name, e);

	if (r == 0 && name)
		r = host_cgroup_plan(name, host_cgroup_is_unit(spec->cgroups_path), &m->cgroup, e);
	if (r < 0 || !name || m->config->runtime.sandbox_cgroup_only)
		return r;

	auto_free char *overhead = str_printf(HOST_CGROUP_OVERHEAD "/%s", sb->options.id);

	return overhead ? host_cgroup_plan(overhead, false, &m->overhead, e)
			: err_sys(e, ENOMEM, "name the cgroup of the overhead");
}

/* If it cannot be moved, sandbox_place() will say why. */
static void place_early(struct machine *m, pid_t standin)
{
	if (standin > 0 && host_cgroup_add(m->cgroup, standin, NULL) == 0) {
		m->placed_start = proc_start_time(standin);
		atomic_store(&m->placed, standin);
	}
}

/* One that has not asked for its room: its container was not made, and it waits to hear that, or it
 * has ended, and the number can be another process's by now. */
static void put_back(struct machine *m)
{
	pid_t pid = atomic_exchange(&m->placed, 0);

	if (pid && m->placed_start && proc_start_time(pid) == m->placed_start)
		(void) host_cgroup_leave(m->cgroup, pid, NULL);
}

static int make(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e)
{
	struct machine *m = &sb->machine;
	const struct host_wants w = wants(sb, spec);
	const struct host_limits l = host_limits_of(&w);
	int r = m->overhead ? host_cgroup_keep(m->cgroup, e) : 0;

	if (r == 0)
		r = host_cgroup_make(m->cgroup, e);
	if (r == 0)
		r = host_cgroup_set_cpus(m->cgroup, &l, e);
	if (r == 0 && m->overhead)
		r = host_cgroup_make(m->overhead, e);
	if (r == 0)
		r = host_cgroup_join(m->overhead ? m->overhead : m->cgroup, e);
	if (r == 0)
		place_early(m, spec->standin);
	return r;
}

int cgroups_make(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e)
{
	struct err why = {0};
	int r;

	if (!sb->machine.cgroup)
		return 0;
	log_debug("step: make the cgroup");
	r = make(sb, spec, &why);
	if (r < 0 && can_do_without(spec, r)) {
		log_err(geteuid() == 0 ? LOG_WARN : LOG_DEBUG, &why,
			"ignoring: the sandbox stays in the cgroup of its caller");
		cgroups_begin_leave(sb);
		cgroups_remove(sb);
		return 0;
	}
	if (r < 0 && e)
		*e = why;
	return r;
}

/* A machine that may not use its memory is killed when it tries, which is told beforehand. */
static void compare_memory(const struct host_cgroup *g, uint64_t machine_bytes)
{
	uint64_t limit = host_cgroup_memory_limit(g);

	if (limit < machine_bytes)
		log_warn("cgroup '%s' or one above it may use %llu MiB, the machine has %llu: the "
			 "host's kernel kills the machine when it uses more than that",
			 host_cgroup_path(g), (unsigned long long) limit >> 20,
			 (unsigned long long) machine_bytes >> 20);
}

/* What the machine may come to have. */
static uint64_t most_memory(const struct machine *m, uint64_t now)
{
	const struct host_size host = host_size();

	return m->may_grow ? machine_size_most(&m->config->hypervisor, &host).memory_bytes : now;
}

int cgroups_limit(struct sandbox *sb, const struct sandbox_spec *spec, struct err *e)
{
	struct machine *m = &sb->machine;
	struct host_wants w = wants(sb, spec);
	struct hv_info info = {0};

	if (!m->cgroup)
		return 0;
	hv_describe(m->hv, &info);
	w.machine_bytes = most_memory(m, info.memory_bytes);

	const struct host_limits l = host_limits_of(&w);
	int r = host_cgroup_limit(m->cgroup, &l, e);

	m->cpu_period_us = l.cpu_period_us;
	m->has_cpu_quota = l.cpu_quota_us && l.cpu_quota_us != HOST_UNLIMITED;
	if (r == 0)
		compare_memory(m->cgroup, info.memory_bytes);
	return r;
}

int cgroups_update(struct sandbox *sb, const Grpc__LinuxResources *resources, struct err *e)
{
	struct machine *m = &sb->machine;
	struct hv_info info = {0};

	if (!sb->options.lone || !m->cgroup)
		return 0;
	hv_describe(m->hv, &info);

	const struct host_wants w = {
		.resources = resources,
		.machine_bytes = info.memory_bytes,
		.cpu_period_us = m->cpu_period_us,
	};
	const struct host_limits l = host_limits_of(&w);
	int r = host_cgroup_set_cpus(m->cgroup, &l, e);

	if (r == 0)
		r = host_cgroup_limit(m->cgroup, &l, e);
	if (r == 0)
		m->cpu_period_us = l.cpu_period_us;
	return r;
}

/* A pod that began without a quota has none of its own: the cgroup above may have one. */
int cgroups_update_pod(struct sandbox *sb, uint64_t cpu_milli, struct err *e)
{
	const struct machine *m = &sb->machine;
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxCPU cpu = GRPC__LINUX_CPU__INIT;

	if (sb->options.lone || !m->cgroup || !m->has_cpu_quota)
		return 0;
	cpu.has_quota = true;
	cpu.quota = cpu_milli ? (int64_t) (cpu_milli * m->cpu_period_us / 1000) : -1;
	resources.cpu = &cpu;

	const struct host_wants w = {.resources = &resources, .cpu_period_us = m->cpu_period_us};
	const struct host_limits l = host_limits_of(&w);

	return host_cgroup_limit(m->cgroup, &l, e);
}

int cgroups_open_vmm(struct sandbox *sb, int *ret_fds, size_t *ret_n, struct err *e)
{
	const struct machine *m = &sb->machine;

	*ret_n = 0;
	if (!m->overhead || !host_cgroup_is_unified(m->cgroup))
		return 0;
	return host_cgroup_open(m->cgroup, ret_fds, VM_CGROUPS_MAX, ret_n, e);
}

int cgroups_place_vcpus(struct sandbox *sb, msec_t deadline, struct err *e)
{
	const struct machine *m = &sb->machine;
	pid_t threads[VCPUS_MAX];
	size_t n = 0;

	if (!m->overhead || host_cgroup_is_unified(m->cgroup))
		return 0;

	int r = hv_vcpu_threads(m->hv, deadline, threads, VCPUS_MAX, &n, e);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = host_cgroup_add_thread(m->cgroup, threads[i], e);
	return r;
}

static bool has_killed(const struct host_cgroup *g, struct err *why)
{
	uint64_t limit = g ? host_cgroup_memory_limit(g) : 0;

	if (!g || host_cgroup_oom_kills(g) == 0)
		return false;
	if (limit == HOST_UNLIMITED)
		err_append(why, "; the host has run out of memory, and its kernel killed it");
	else
		err_append(why,
			   "; the host's kernel killed it, because cgroup '%s' or one above it has "
			   "used up its %llu MiB of memory",
			   host_cgroup_path(g), (unsigned long long) limit >> 20);
	return true;
}

bool cgroups_explain(struct sandbox *sb, struct err *why)
{
	return has_killed(sb->machine.cgroup, why) || has_killed(sb->machine.overhead, why);
}

bool sandbox_has_cgroup(const struct sandbox *sb)
{
	return sb->machine.cgroup != NULL;
}

int cgroups_stats(struct sandbox *sb, void **ret, size_t *ret_bytes, struct err *e)
{
	return sb->machine.cgroup
		       ? host_cgroup_stats(sb->machine.cgroup, ret, ret_bytes, e)
		       : err_say(e, ENOENT, "the sandbox has no cgroup of its own on the host");
}

/* Loop, because sandbox_place() is called there. */
static int forget(void *arg, struct err *e)
{
	struct machine *m = arg;

	(void) e;
	host_cgroup_free(take_ptr(m->cgroup));
	host_cgroup_free(take_ptr(m->overhead));
	return 0;
}

static void remove_one(struct host_cgroup *g, msec_t deadline)
{
	struct err e = {0};

	if (g && host_cgroup_remove(g, deadline, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring, while the cgroup is removed");
}

static void leave(void *cgroup)
{
	struct err e = {0};

	if (host_cgroup_leave(cgroup, 0, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring, while the cgroup is left");
}

void cgroups_begin_leave(struct sandbox *sb)
{
	struct machine *m = &sb->machine;

	if (m->cgroup)
		beside_begin(&m->leaving, leave, m->cgroup);
}

void cgroups_remove(struct sandbox *sb)
{
	struct machine *m = &sb->machine;
	msec_t deadline = clock_deadline(REMOVE_TIMEOUT_MS);

	if (!m->cgroup)
		return;
	log_debug("step: remove the cgroup");
	beside_end(&m->leaving);
	put_back(m);
	remove_one(m->cgroup, deadline);
	remove_one(m->overhead, deadline);
	(void) worker_on_loop(m->worker, forget, m, NULL);
}

int sandbox_place(struct sandbox *sb, pid_t pid, struct err *e)
{
	struct machine *m = &sb->machine;
	pid_t placed = pid;

	/* 0 would be this process. */
	if (!m->cgroup || pid <= 0)
		return 0;
	/* Only once, because the number can come to be another process's. */
	if (atomic_compare_exchange_strong(&m->placed, &placed, 0))
		return 0;
	return host_cgroup_add(m->cgroup, pid, e);
}
