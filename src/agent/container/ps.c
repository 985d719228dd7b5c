#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/container/container_priv.h"
#include "base/file.h"

/* The processes of a container, out of /proc. The workload chooses their names and arguments, which
 * may have any content. */

#define STAT_MAX_BYTES   4096
#define STATUS_MAX_BYTES 16384
#define PROCESSES_MAX    65536

/* "PID (comm) S PPID ...": comm may have blanks and parentheses in it, so it ends at the last one.
 * The fields after it are numbered as in proc(5). */
static bool read_stat(const char *text, struct container_ps *ret)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	unsigned long long utime, stime, start;
	long ticks = sysconf(_SC_CLK_TCK);
	int parent;

	if (!open || !close || close < open || ticks <= 0)
		return false;
	if (sscanf(close + 1,
		   " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
		   "%*d %llu",
		   &ret->state, &parent, &utime, &stime, &start) != 5)
		return false;
	ret->parent = parent;
	ret->cpu_ms = (utime + stime) * 1000 / (unsigned long) ticks;
	ret->started_ms = start * 1000 / (unsigned long) ticks;
	(void) snprintf(ret->comm, sizeof ret->comm, "%.*s", (int) (close - open - 1), open + 1);
	return true;
}

/* The last number of "NSpid:" is the one in the innermost namespace. */
static void read_status(const char *text, struct container_ps *ret)
{
	const char *uid = strstr(text, "\nUid:"), *pids = strstr(text, "\nNSpid:");

	if (uid)
		(void) sscanf(uid, "\nUid: %u", &ret->uid);
	if (!pids)
		return;
	pids += strlen("\nNSpid:");

	const char *end = strchr(pids, '\n');

	while (end && pids < end) {
		char *next;
		long pid = strtol(pids, &next, 10);

		if (next == pids)
			break;
		ret->ns_pid = (pid_t) pid;
		pids = next;
	}
}

static void read_cmdline(int proc_fd, const char *path, struct container_ps *ret)
{
	auto_close int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret->cmdline, sizeof ret->cmdline - 1);

	/* What follows the last argument is a NUL, too. */
	while (n > 0 && ret->cmdline[n - 1] == '\0')
		n--;
	for (ssize_t i = 0; i < n; i++)
		if (ret->cmdline[i] == '\0')
			ret->cmdline[i] = ' ';
	ret->cmdline[n > 0 ? n : 0] = '\0';
}

bool container_read_ps(int proc_fd, pid_t pid, struct container_ps *ret)
{
	auto_free char *stat = NULL, *status = NULL;
	char path[64];

	*ret = (struct container_ps){.pid = pid, .ns_pid = pid};
	(void) snprintf(path, sizeof path, "%d/stat", pid);
	if (file_read(proc_fd, path, STAT_MAX_BYTES, &stat, NULL, NULL) < 0 ||
	    !read_stat(stat, ret))
		return false;
	(void) snprintf(path, sizeof path, "%d/status", pid);
	if (file_read(proc_fd, path, STATUS_MAX_BYTES, &status, NULL, NULL) < 0)
		return false;
	read_status(status, ret);
	(void) snprintf(path, sizeof path, "%d/cmdline", pid);
	read_cmdline(proc_fd, path, ret);
	return true;
}

int container_processes(struct container *c, struct container_ps **ret, size_t *ret_n,
			struct err *e)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0, used = 0;
	int r = c->cgroup ? cgroup_pids(c->cgroup, &pids, &n, e) : 0;

	if (r < 0)
		return err_wrap(e, r, "list the processes of container '%s'", c->id);
	if (n > PROCESSES_MAX)
		return err_say(e, E2BIG,
			       "container '%s' has %zu processes, more than can be listed", c->id,
			       n);

	auto_close int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct container_ps *list = calloc(n + 1, sizeof *list);

	if (proc_fd < 0 || !list) {
		r = err_sys(e, list ? errno : ENOMEM, "list the processes of container '%s'",
			    c->id);
		free(list);
		return r;
	}
	/* A process that has ended meanwhile is left out. */
	for (size_t i = 0; i < n; i++)
		used += container_read_ps(proc_fd, pids[i], &list[used]);
	*ret = list;
	*ret_n = used;
	return 0;
}
