/* What a pod takes of this host: the figures for Kubernetes' RuntimeClass, whose overhead.podFixed
 * is added to what the containers of a pod ask for. */
#include "host/cli/overhead.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc_stat.h"
#include "host/cli/create.h"
#include "host/cli/delete.h"
#include "host/cli/shim_client.h"
#include "task.pb-c.h"

#define ID           "overhead"
#define IDLE_SECONDS 10
#define KIB_PER_MIB  1024

/* So that a pod that takes a little more another time is not over its limit. */
#define MEMORY_STEP_MIB 16
#define CPU_STEP_MILLI  10

#define FILE_MAX_BYTES (64 << 10)
#define ANCESTORS_MAX  64

/* The container that holds a pod runs no program and has no files, as CRI makes it. */
static const char config_json[] =
	"{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"rootfs\"},"
	" \"process\": {\"user\": {\"uid\": 0, \"gid\": 0}, \"args\": [\"pause\"], \"cwd\": \"/\"},"
	" \"annotations\": {\"io.kubernetes.cri.container-type\": \"sandbox\"},"
	" \"linux\": {\"namespaces\": [{\"type\": \"pid\"}, {\"type\": \"network\"},"
	" {\"type\": \"ipc\"}, {\"type\": \"uts\"}, {\"type\": \"mount\"}]}}\n";

/* What the processes of the pod use. */
struct usage {
	uint64_t pss_kib;
	uint64_t cpu_ticks;    /* since their start */
	uint64_t cgroup_bytes; /* their working set; 0: they have no cgroup of their own */
};

static int make_bundle(const char *folder, struct err *e)
{
	auto_free char *rootfs = str_printf("%s/bundle/rootfs", folder);
	auto_free char *config = str_printf("%s/bundle/config.json", folder);
	int r = rootfs && config ? dir_make(rootfs, 0755, e) : err_sys(e, ENOMEM, "name a bundle");

	return r < 0 ? r
		     : file_replace(AT_FDCWD, config, config_json, sizeof config_json - 1, 0600, e);
}

/* ---- its processes ---- */

static bool descends(pid_t pid, pid_t from)
{
	for (int i = 0; pid > 1 && i < ANCESTORS_MAX; i++) {
		uint64_t parent = 0;

		if (pid == from)
			return true;
		if (proc_stat_read(pid, PROC_STAT_PARENT, &parent, 1) < 0)
			return false;
		pid = (pid_t) parent;
	}
	return false;
}

static void print_process(const char *pid, uint64_t kib)
{
	auto_free char *path = str_printf("/proc/%s/comm", pid);
	auto_free char *name = NULL;

	if (path && file_read(AT_FDCWD, path, FILE_MAX_BYTES, &name, NULL, NULL) == 0)
		printf("#   %-16.*s %8.1f MiB\n", (int) strcspn(name, "\n"), name,
		       (double) kib / KIB_PER_MIB);
}

static void add_process(const char *pid, pid_t number, bool print, struct usage *u)
{
	uint64_t kib = proc_pss_kib(number), times[2] = {0};

	(void) proc_stat_read(number, PROC_STAT_USER_TIME, times, 2);
	u->pss_kib += kib;
	u->cpu_ticks += times[0] + times[1];
	if (print)
		print_process(pid, kib);
}

/* The pod's server, and its stand-in, which is a child of this process. */
struct pod {
	pid_t server, standin;
};

static int add_processes(const struct pod *pod, bool print, struct usage *u, struct err *e)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;

	if (!dir)
		return err_sys(e, errno, "list '/proc'");
	while ((entry = readdir(dir))) {
		uint64_t pid;

		if (num_parse_u64(entry->d_name, &pid) == 0 &&
		    (descends((pid_t) pid, pod->server) || descends((pid_t) pid, pod->standin)))
			add_process(entry->d_name, (pid_t) pid, print, u);
	}
	(void) closedir(dir);
	return 0;
}

/* ---- its cgroup ---- */

static uint64_t number_at(json_t *at, const char *a, const char *b, const char *c)
{
	json_t *found = json_object_get(json_object_get(json_object_get(at, a), b), c);

	return (uint64_t) json_integer_value(found);
}

/*
 * What the kubelet counts: without files that were read and are not in use, which the kernel takes
 * back when somebody wants the memory. A host's first pod has that of the guest's kernel in it.
 */
static uint64_t working_set(json_t *all)
{
	uint64_t usage = number_at(all, "memory", "usage", "usage");
	uint64_t idle = number_at(all, "memory", "raw", "inactive_file");

	return usage > idle ? usage - idle : 0;
}

static int read_cgroup(struct shim_client *s, struct usage *u, struct err *e)
{
	Containerd__Task__V2__StatsRequest q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	const Containerd__Task__V2__StatsResponse *answer;
	json_t *all;
	int r;

	q.id = (char *) ID;
	r = shim_client_task(s, "Stats", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m, e);
	if (r < 0)
		return r;
	answer = (void *) m;
	all = answer->stats ? json_loadb((const char *) answer->stats->value.data,
					 answer->stats->value.len, 0, NULL)
			    : NULL;
	if (!all)
		return err_say(e, EPROTO, "the sandbox server has no statistics");
	u->cgroup_bytes = working_set(all);
	json_decref(all);
	return 0;
}

/* ---- measuring ---- */

/* The signals that create_container() has blocked end it, so that the pod is removed first. */
static int be_idle(struct err *e)
{
	const struct timespec time = {.tv_sec = IDLE_SECONDS};
	sigset_t blocked;

	(void) sigprocmask(SIG_BLOCK, NULL, &blocked);
	if (sigtimedwait(&blocked, NULL, &time) > 0)
		return err_say(e, EINTR, "given up on a signal");
	return 0;
}

static uint64_t round_up(uint64_t n, uint64_t step)
{
	return (n + step - 1) / step * step;
}

static void print_overhead(const struct usage *before, const struct usage *after)
{
	uint64_t pss_mib = round_up(after->pss_kib, KIB_PER_MIB) / KIB_PER_MIB;
	uint64_t cgroup_mib = round_up(after->cgroup_bytes, 1 << 20) >> 20;
	uint64_t milli = (after->cpu_ticks - before->cpu_ticks) * 1000 / IDLE_SECONDS /
			 (uint64_t) sysconf(_SC_CLK_TCK);
	uint64_t mib = pss_mib > cgroup_mib ? pss_mib : cgroup_mib;

	printf("# together %llu MiB", (unsigned long long) pss_mib);
	if (cgroup_mib)
		printf("; the working set of their control group is %llu MiB",
		       (unsigned long long) cgroup_mib);
	printf("\n# processors, while idle: %llu m\n"
	       "overhead:\n"
	       "  podFixed:\n"
	       "    memory: \"%lluMi\"\n"
	       "    cpu: \"%llum\"\n",
	       (unsigned long long) milli, (unsigned long long) round_up(mib + 1, MEMORY_STEP_MIB),
	       (unsigned long long) round_up(milli + 1, CPU_STEP_MILLI));
}

static int find_pod(const struct state_dir *dir, struct shim_client *s, struct pod *ret,
		    struct err *e)
{
	Containerd__Task__V2__ConnectRequest q = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	auto_record struct record record = {0};
	int r = record_read(dir, &record, e);

	q.id = (char *) ID;
	if (r == 0)
		r = shim_client_task(s, "Connect", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m,
				     e);
	if (r < 0)
		return r;

	const Containerd__Task__V2__ConnectResponse *who = (void *) m;

	*ret = (struct pod){.server = (pid_t) who->shim_pid, .standin = record.pid};
	return 0;
}

static int measure(const struct state_dir *dir, struct err *e)
{
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	struct usage before = {0}, after = {0};
	struct pod pod;
	int r = shim_client_connect(dir, &s, e);

	if (r == 0)
		r = find_pod(dir, &s, &pod, e);
	if (r == 0)
		r = add_processes(&pod, false, &before, e);
	if (r == 0)
		r = be_idle(e);
	if (r == 0)
		r = read_cgroup(&s, &after, e);
	if (r < 0)
		return r;
	printf("# a pod without containers on this host, PSS of its processes\n");
	r = add_processes(&pod, true, &after, e);
	if (r == 0)
		print_overhead(&before, &after);
	return r;
}

static int measure_pod(const struct cli *cli, const char *folder, struct err *e)
{
	auto_free char *bundle = str_printf("%s/bundle", folder);
	auto_free char *root = str_printf("%s/state", folder);
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	const struct create_values values = {.bundle = bundle, .outlives = true};
	struct cli own = *cli;
	struct err after = {0};
	int r = bundle && root ? make_bundle(folder, e) : err_sys(e, ENOMEM, "name a bundle");

	own.root = root;
	if (r == 0)
		r = create_container(&own, &values, ID, true, true, e);
	if (r == 0)
		r = state_dir_open(root, ID, &dir, e);
	if (r < 0)
		return r;
	r = measure(&dir, e);
	if (delete_container(&own, &dir, true, &after) < 0)
		log_err(LOG_WARN, &after, "ignoring what is left of the pod that was measured");
	return r;
}

int overhead_measure(const struct cli *cli, struct err *e)
{
	char folder[] = "/tmp/kata-overhead-XXXXXX";
	struct err after = {0};
	int r;

	if (!mkdtemp(folder))
		return err_sys(e, errno, "make a folder in '/tmp'");
	r = measure_pod(cli, folder, e);
	if (dir_remove(AT_FDCWD, folder, &after) < 0)
		log_err(LOG_WARN, &after, "ignoring a folder that is left");
	return err_wrap(e, r, "measure a pod");
}
