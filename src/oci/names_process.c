/* Words of the process object: rlimits, scheduler, I/O priority. And of linux: personality,
 * namespaces. */
#include "oci/names.h"

#include <linux/ioprio.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "base/array.h"
#include "oci/word.h"

static const struct word rlimits[] = {
	{"RLIMIT_AS", RLIMIT_AS},
	{"RLIMIT_CORE", RLIMIT_CORE},
	{"RLIMIT_CPU", RLIMIT_CPU},
	{"RLIMIT_DATA", RLIMIT_DATA},
	{"RLIMIT_FSIZE", RLIMIT_FSIZE},
	{"RLIMIT_LOCKS", RLIMIT_LOCKS},
	{"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
	{"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
	{"RLIMIT_NICE", RLIMIT_NICE},
	{"RLIMIT_NOFILE", RLIMIT_NOFILE},
	{"RLIMIT_NPROC", RLIMIT_NPROC},
	{"RLIMIT_RSS", RLIMIT_RSS},
	{"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
	{"RLIMIT_RTTIME", RLIMIT_RTTIME},
	{"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
	{"RLIMIT_STACK", RLIMIT_STACK},
};
TABLE_COVERS(rlimits, RLIM_NLIMITS);

static const struct word policies[] = {
	{"SCHED_OTHER", SCHED_NORMAL},
	{"SCHED_FIFO", SCHED_FIFO},
	{"SCHED_RR", SCHED_RR},
	{"SCHED_BATCH", SCHED_BATCH},
	{"SCHED_ISO", 4}, /* reserved in linux/sched.h; the kernel refuses it */
	{"SCHED_IDLE", SCHED_IDLE},
	{"SCHED_DEADLINE", SCHED_DEADLINE},
};

static const struct word policy_flags[] = {
	{"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},
	{"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
	{"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},
	{"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
	{"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},
	{"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
	{"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};

static const struct word ioprio_classes[] = {
	{"IOPRIO_CLASS_RT", IOPRIO_CLASS_RT},
	{"IOPRIO_CLASS_BE", IOPRIO_CLASS_BE},
	{"IOPRIO_CLASS_IDLE", IOPRIO_CLASS_IDLE},
};

static const struct word personalities[] = {
	{"LINUX", PER_LINUX},
	{"LINUX32", PER_LINUX32},
};

static const struct word namespace_types[] = {
	{"mount", CLONE_NEWNS},  {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},
	{"pid", CLONE_NEWPID},   {"user", CLONE_NEWUSER},     {"network", CLONE_NEWNET},
	{"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP},
};

static const struct word namespace_files[] = {
	{"mnt", CLONE_NEWNS},    {"uts", CLONE_NEWUTS},       {"ipc", CLONE_NEWIPC},
	{"pid", CLONE_NEWPID},   {"user", CLONE_NEWUSER},     {"net", CLONE_NEWNET},
	{"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP},
};
TABLE_COVERS(namespace_files, ARRAY_LEN(namespace_types));

int oci_rlimit_number(const char *name)
{
	const struct word *w = word_find(rlimits, ARRAY_LEN(rlimits), name);

	return w ? (int) w->value : -1;
}

const char *oci_rlimit_name(int number)
{
	return number < 0 ? NULL : word_name(rlimits, ARRAY_LEN(rlimits), (uint32_t) number);
}

int oci_scheduler_policy(const char *name)
{
	const struct word *w = word_find(policies, ARRAY_LEN(policies), name);

	return w ? (int) w->value : -1;
}

int64_t oci_scheduler_flag(const char *name)
{
	const struct word *w = word_find(policy_flags, ARRAY_LEN(policy_flags), name);

	return w ? (int64_t) w->value : -1;
}

int oci_ioprio_class(const char *name)
{
	const struct word *w = word_find(ioprio_classes, ARRAY_LEN(ioprio_classes), name);

	return w ? (int) w->value : -1;
}

int64_t oci_personality(const char *domain)
{
	const struct word *w = word_find(personalities, ARRAY_LEN(personalities), domain);

	return w ? (int64_t) w->value : -1;
}

int oci_namespace_flag(const char *type)
{
	const struct word *w = word_find(namespace_types, ARRAY_LEN(namespace_types), type);

	return w ? (int) w->value : 0;
}

const char *oci_namespace_type(int flag)
{
	return word_name(namespace_types, ARRAY_LEN(namespace_types), (uint32_t) flag);
}

const char *oci_namespace_file(int flag)
{
	return word_name(namespace_files, ARRAY_LEN(namespace_files), (uint32_t) flag);
}
