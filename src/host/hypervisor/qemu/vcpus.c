/* Which threads of QEMU are the machine's CPUs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "host/hypervisor/qemu/qemu.h"

#define STATUS_MAX_BYTES (64 << 10)

/* The number of a thread in the innermost pid namespace that it is in (proc_pid_status(5), NSpid),
 * which is how QEMU calls it; 0: it has ended. */
static long inner_number(const char *tasks, const char *thread)
{
	auto_free char *path = str_printf("%s/%s/status", tasks, thread);
	auto_free char *text = NULL;

	if (!path || file_read(AT_FDCWD, path, STATUS_MAX_BYTES, &text, NULL, NULL) < 0)
		return 0;

	char *line = strstr(text, "\nNSpid:");
	char *end = line ? strchr(line + 1, '\n') : NULL;

	if (!end)
		return 0;
	*end = '\0';
	return strtol(strrchr(line, '\t') + 1, NULL, 10);
}

/* QEMU's word for a thread is only looked up among its own, because the guest may speak for it. */
static bool is_listed(const json_t *cpus, long number)
{
	for (size_t i = 0; i < json_array_size(cpus); i++)
		if (json_integer_value(json_object_get(json_array_get(cpus, i), "thread-id")) ==
		    number)
			return number > 0;
	return false;
}

static int find_threads(const char *tasks, const json_t *cpus, pid_t *ret, size_t max,
			size_t *ret_n, struct err *e)
{
	DIR *dir = opendir(tasks);
	struct dirent *entry;
	size_t n = 0;

	if (!dir)
		return err_sys(e, errno, "open '%s'", tasks);
	while (n < max && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && is_listed(cpus, inner_number(tasks, entry->d_name)))
			ret[n++] = (pid_t) strtol(entry->d_name, NULL, 10);
	(void) closedir(dir);
	*ret_n = n;
	return n ? 0 : err_say(e, ESRCH, "QEMU has no thread for a CPU");
}

int qemu_vcpu_threads(struct hv *hv, msec_t deadline, pid_t *ret, size_t max, size_t *ret_n,
		      struct err *e)
{
	struct qemu *q = container_of(hv, struct qemu, hv);
	auto_free char *tasks = str_printf("/proc/%d/task", (int) subprocess_pid(&q->process));
	json_t *cpus = NULL;
	int r = tasks ? qmp_call(q->qmp, "query-cpus-fast", NULL, deadline, &cpus, e)
		      : err_sys(e, ENOMEM, "find the threads of QEMU");

	if (r == 0)
		r = find_threads(tasks, cpus, ret, max, ret_n, e);
	json_decref(cpus);
	return r;
}
