#include "host/shim/host_usage.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "base/proc_stat.h"
#include "cgroup_metrics.pb-c.h"

struct usage {
	uint64_t user_us, system_us, memory_bytes, threads;
};

static uint64_t microseconds(uint64_t ticks)
{
	return ticks * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
}

/* A process that has ended meanwhile takes nothing. */
static void add(struct usage *u, pid_t pid)
{
	uint64_t times[2], threads;

	if (pid == 0 || proc_stat_read(pid, PROC_STAT_USER_TIME, times, 2) < 0 ||
	    proc_stat_read(pid, PROC_STAT_THREADS, &threads, 1) < 0)
		return;
	u->user_us += microseconds(times[0]);
	u->system_us += microseconds(times[1]);
	u->threads += threads;
	/* The guest's memory is mapped by the VMM and by virtiofsd, and is to be counted once. */
	u->memory_bytes += proc_pss_kib(pid) << 10;
}

int host_usage_pack(struct sandbox *sb, uint8_t **ret, size_t *ret_bytes, struct err *e)
{
	const pid_t pids[] = {getpid(), (pid_t) sandbox_vmm_pid(sb),
			      (pid_t) sandbox_file_server_pid(sb)};
	Io__Containerd__Cgroups__V2__Metrics all = IO__CONTAINERD__CGROUPS__V2__METRICS__INIT;
	Io__Containerd__Cgroups__V2__PidsStat threads =
		IO__CONTAINERD__CGROUPS__V2__PIDS_STAT__INIT;
	Io__Containerd__Cgroups__V2__CPUStat cpu = IO__CONTAINERD__CGROUPS__V2__CPUSTAT__INIT;
	Io__Containerd__Cgroups__V2__MemoryStat memory =
		IO__CONTAINERD__CGROUPS__V2__MEMORY_STAT__INIT;
	struct usage u = {0};

	for (size_t i = 0; i < ARRAY_LEN(pids); i++)
		add(&u, pids[i]);
	threads.current = u.threads;
	cpu.user_usec = u.user_us;
	cpu.system_usec = u.system_us;
	cpu.usage_usec = u.user_us + u.system_us;
	memory.usage = u.memory_bytes;
	all.pids = &threads;
	all.cpu = &cpu;
	all.memory = &memory;
	*ret_bytes = protobuf_c_message_get_packed_size(&all.base);
	*ret = malloc(*ret_bytes);
	if (!*ret)
		return err_sys(e, ENOMEM, "pack statistics");
	(void) protobuf_c_message_pack(&all.base, *ret);
	return 0;
}
