/* Metrics of a process, out of /proc (proc(5)). */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/proc_stat.h"

#define FILE_MAX_BYTES (16 << 10)
#define ITEM_BYTES     40
#define KIB            1024

static char *read_file(pid_t pid, const char *name)
{
	char path[48];
	char *text = NULL;

	(void) snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, name);
	(void) file_read(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL, NULL);
	return text;
}

/* The name of an item as upstream writes it: small letters. @skip is left out. */
static void item_name(char to[static ITEM_BYTES], const char *from, size_t bytes, char skip)
{
	size_t n = 0;

	for (size_t i = 0; i < bytes && n + 1 < ITEM_BYTES; i++)
		if (from[i] != skip)
			to[n++] = from[i] >= 'A' && from[i] <= 'Z' ? (char) (from[i] | 0x20)
								   : from[i];
	to[n] = '\0';
}

static bool is_size_or_switches(const char *name)
{
	static const char *const beginnings[] = {"Vm", "Rss", "HugetlbPages", "voluntary_ctxt",
						 "nonvoluntary_ctxt"};

	for (size_t i = 0; i < ARRAY_LEN(beginnings); i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* One "Name:  NUMBER [kB]" a line. */
static void status(struct metrics *m, pid_t pid)
{
	auto_free char *text = read_file(pid, "status");
	char *save = NULL, item[ITEM_BYTES];

	if (!text)
		return;
	metrics_family(m, "proc_status", "gauge", "Process status, sizes in bytes.");
	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(w, ':'), *unit;

		if (!colon || !is_size_or_switches(w))
			continue;

		uint64_t n = strtoull(colon + 1, &unit, 10);

		item_name(item, w, (size_t) (colon - w), '\0');
		metrics_item(m, "proc_status", item, strstr(unit, "kB") ? n * KIB : n);
	}
}

static void io(struct metrics *m, pid_t pid)
{
	auto_free char *text = read_file(pid, "io");
	char *save = NULL, item[ITEM_BYTES];

	if (!text)
		return;
	metrics_family(m, "io_stat", "gauge", "Process IO statistics.");
	for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save)) {
		char *colon = strchr(w, ':');

		if (!colon)
			continue;
		item_name(item, w, (size_t) (colon - w), '_');
		metrics_item(m, "io_stat", item, strtoull(colon + 1, NULL, 10));
	}
}

static void stat_times(struct metrics *m, pid_t pid)
{
	static const char *const items[] = {"utime", "stime", "cutime", "cstime"};
	uint64_t ticks[ARRAY_LEN(items)];

	if (proc_stat_read(pid, PROC_STAT_USER_TIME, ticks, ARRAY_LEN(ticks)) < 0)
		return;
	metrics_family(m, "proc_stat", "gauge", "Process times, in clock ticks.");
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		metrics_item(m, "proc_stat", items[i], ticks[i]);
}

void metrics_process(struct metrics *m, pid_t pid)
{
	uint64_t threads;

	if (proc_stat_read(pid, PROC_STAT_THREADS, &threads, 1) == 0)
		metrics_single(m, "threads", "gauge", "Threads of the process.", threads);
	status(m, pid);
	stat_times(m, pid);
	io(m, pid);
}

void metrics_descriptors(struct metrics *m, pid_t pid)
{
	char path[32];
	uint64_t n = 0;

	(void) snprintf(path, sizeof path, "/proc/%d/fd", (int) pid);

	DIR *dir = opendir(path);

	if (!dir)
		return;
	for (const struct dirent *d = readdir(dir); d; d = readdir(dir))
		n += d->d_name[0] != '.';
	(void) closedir(dir);
	metrics_single(m, "fds", "gauge", "Open descriptors of the process.", n);
}
