/* The limits of the own control group, in the same words for both versions of the interface. */
#include "probe.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int64_t ENDLESS = INT64_MAX / 2; /* version 1 says "no limit" by a huge number */

/* The text of a file of the own group: of version 1 if this machine has it, else of version 2. */
static char *group_text(const char *v1, const char *v2, bool *is_v1)
{
	char path[256];
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", v1);
	char *text = file_text(path);
	*is_v1 = text;
	if (text)
		return text;
	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", v2);
	return file_text(path);
}

static void print_amount(const char *name, const char *v1, const char *v2)
{
	bool is_v1;
	char *text = group_text(v1, v2, &is_v1);
	if (!text)
		printf("%s: %s\n", name, errno_name(errno));
	else if (!strcmp(text, "max") || strtoll(text, NULL, 10) > ENDLESS ||
		 strtoll(text, NULL, 10) < 0)
		printf("%s: endless\n", name);
	else
		printf("%s: %s\n", name, text);
}

/* A reservation that is not made is endless in version 1 and nothing in version 2. */
static void print_memory(char **args)
{
	bool is_v1;
	char *text = group_text("memory/memory.soft_limit_in_bytes", "memory.low", &is_v1);
	(void) args;
	print_amount("memory limit", "memory/memory.limit_in_bytes", "memory.max");
	bool none = text && (is_v1 ? strtoll(text, NULL, 10) > ENDLESS : !strcmp(text, "0"));
	printf("memory reservation: %s\n", none ? "none" : text ? text : errno_name(errno));
}

/* Version 1 counts memory and swap together. */
static void print_swap(char **args)
{
	bool is_v1;
	char *text = group_text("memory/memory.memsw.limit_in_bytes", "memory.swap.max", &is_v1);
	(void) args;
	if (!is_v1) {
		print_amount("swap limit", "memory/memory.memsw.limit_in_bytes", "memory.swap.max");
		return;
	}
	char *memory = file_text("/sys/fs/cgroup/memory/memory.limit_in_bytes");
	int64_t both = strtoll(text, NULL, 10);
	if (both > ENDLESS || !memory)
		printf("swap limit: endless\n");
	else
		printf("swap limit: %lld\n", (long long) (both - strtoll(memory, NULL, 10)));
}

/* Version 1 has shares of 1024, version 2 a weight of 100; the runtimes' agreed formula. */
static void print_cpu(char **args)
{
	bool is_v1;
	char quota[32] = "", period[32] = "";
	char *text = group_text("cpu/cpu.shares", "cpu.weight", &is_v1);
	(void) args;
	int64_t weight = text ? strtoll(text, NULL, 10) : -1;
	if (weight == (is_v1 ? 1024 : 100))
		printf("cpu weight: usual\n");
	else
		printf("cpu weight: %lld\n",
		       (long long) (is_v1 ? 1 + (weight - 2) * 9999 / 262142 : weight));
	text = group_text("cpu/cpu.cfs_quota_us", "cpu.max", &is_v1);
	if (is_v1) {
		snprintf(quota, sizeof(quota), "%s", text);
		text = file_text("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
		snprintf(period, sizeof(period), "%s", text ? text : "?");
	} else if (text) {
		sscanf(text, "%31s %31s", quota, period);
	}
	bool endless = !strcmp(quota, "-1") || !strcmp(quota, "max");
	printf("cpu quota: %s\ncpu period: %s\n", endless ? "endless" : quota, period);
}

static void print_cpuset(char **args)
{
	cpu_set_t set;
	bool is_v1;
	char *cpus = group_text("cpuset/cpuset.cpus", "cpuset.cpus", &is_v1);
	char *mems = group_text("cpuset/cpuset.mems", "cpuset.mems", &is_v1);
	(void) args;
	printf("cpuset cpus: %s\ncpuset mems: %s\n", cpus ? cpus : errno_name(errno),
	       mems ? mems : errno_name(errno));
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	printf("cpus allowed: %d\n", CPU_COUNT(&set));
}

static void print_pids(char **args)
{
	(void) args;
	print_amount("pids limit", "pids/pids.max", "pids.max");
}

/* Any file of the own group, for `unified`, which knows version 2 only. */
static void print_group(char **args)
{
	for (; *args; args++) {
		char path[256];
		snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", *args);
		char *text = file_text(path);
		printf("%s: %s\n", *args, text ? text : errno_name(errno));
	}
}

/* Whether the own group is shown as the root: with a cgroup namespace all paths are "/". */
static void print_group_path(char **args)
{
	char *text = file_text("/proc/self/cgroup");
	bool root = true;
	(void) args;
	for (char *line; (line = strsep(&text, "\n"));) {
		char *path = strrchr(line, ':');
		root &= path && !strcmp(path, ":/");
	}
	printf("cgroup is shown as the root: %s\n", root ? "yes" : "no");
}

const struct fact limit_facts[] = {
	{"memory", print_memory},        {"swap", print_swap}, {"cpu", print_cpu},
	{"cpuset", print_cpuset},        {"pids", print_pids}, {"group", print_group},
	{"grouppath", print_group_path}, {NULL, NULL},
};
