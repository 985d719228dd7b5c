#include "host/shim/host_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc_stat.h"
#include "cgroup_metrics.pb-c.h"

#define SMAPS_MAX_BYTES 4096

struct usage {
	uint64_t user_us, system_us, memory_bytes, threads;
};

static uint64_t microseconds(uint64_t ticks)
{
	return ticks * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
}

/* The share of the process in the memory that it shares: the guest's memory is mapped by the VMM
 * and by virtiofsd, and is to be counted once. 0 when there is no such process. */
static uint64_t memory_of(pid_t pid)
{
	char path[48];
	auto_free char *text = NULL;
	const char *pss;

	(void) snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);

	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || file_read_fd(fd, path, SMAPS_MAX_BYTES, &text, NULL, NULL) < 0)
		return 0;
	pss = strstr(text, "\nPss:");
	return pss ? strtoull(pss + strlen("\nPss:"), NULL, 10) << 10 : 0;
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
	u->memory_bytes += memory_of(pid);
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
