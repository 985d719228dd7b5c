/* GetMetrics: the guest's and the agent's own, with upstream's names, out of /proc (proc(5)). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/rpc/agent.h"
#include "base/array.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/proc_stat.h"

#define FILE_MAX_BYTES (256 << 10)
#define ITEM_BYTES     48
#define KIB            1024

/* Calls @fn with each line of a file; without the file it does nothing. */
static void each_line(const char *path, void (*fn)(struct metrics *m, char *line),
		      struct metrics *m)
{
	auto_free char *text = NULL;
	char *save = NULL;

	if (file_read(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return;
	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		fn(m, l);
}

/* One sample for each of @items, which are the words of @words in order; fewer words, fewer
 * samples. Each has the label @label="@of" too. */
static void row(struct metrics *m, const char *family, const char *label, const char *of,
		const char *const *items, size_t n, char *words)
{
	char *save = NULL, *word = strtok_r(words, " ", &save);

	for (size_t i = 0; i < n && word; i++, word = strtok_r(NULL, " ", &save)) {
		const struct metrics_label labels[] = {{label, of}, {"item", items[i]}};

		metrics_sample(m, family, labels, ARRAY_LEN(labels), word);
	}
}

/* "0.00 0.01 0.05 1/78 1234" */
static void load(struct metrics *m, char *line)
{
	static const char *const items[] = {"load1", "load5", "load15"};
	char *save = NULL, *word = strtok_r(line, " ", &save), *all;

	metrics_family(m, "load", "gauge", "Guest system load.");
	for (size_t i = 0; i < ARRAY_LEN(items) && word; i++, word = strtok_r(NULL, " ", &save)) {
		const struct metrics_label item = {"item", items[i]};

		metrics_sample(m, "load", &item, 1, word);
	}
	if (!word)
		return;
	metrics_family(m, "tasks", "gauge", "Guest tasks: running, and all.");
	metrics_item(m, "tasks", "cur", strtoull(word, &all, 10));
	if (*all == '/')
		metrics_item(m, "tasks", "max", strtoull(all + 1, NULL, 10));
}

/* "cpu  1 2 3 ..." is the sum, "cpu0 1 2 3 ..." a processor. */
static void cpu_time(struct metrics *m, char *line)
{
	static const char *const items[] = {"user", "nice",    "system", "idle",  "iowait",
					    "irq",  "softirq", "steal",  "guest", "guest_nice"};
	char *blank = strchr(line, ' ');

	if (strncmp(line, "cpu", 3) != 0 || !blank)
		return;
	*blank = '\0';
	row(m, "cpu_time", "cpu", line[3] ? line + 3 : "total", items, ARRAY_LEN(items), blank + 1);
}

/* Those whose name in small letters is not upstream's. */
static const char *const memory_names[][2] = {
	{"MemTotal", "mem_total"},
	{"MemFree", "mem_free"},
	{"MemAvailable", "mem_available"},
	{"SwapCached", "swap_cached"},
	{"SwapTotal", "swap_total"},
	{"SwapFree", "swap_free"},
	{"Active(anon)", "active_anon"},
	{"Inactive(anon)", "inactive_anon"},
	{"Active(file)", "active_file"},
	{"Inactive(file)", "inactive_file"},
	{"AnonPages", "anon_pages"},
	{"KReclaimable", "k_reclaimable"},
	{"SReclaimable", "s_reclaimable"},
	{"SUnreclaim", "s_unreclaim"},
	{"KernelStack", "kernel_stack"},
	{"PageTables", "page_tables"},
	{"WritebackTmp", "writeback_tmp"},
	{"CommitLimit", "commit_limit"},
	{"VmallocTotal", "vmalloc_total"},
	{"VmallocUsed", "vmalloc_used"},
	{"VmallocChunk", "vmalloc_chunk"},
	{"Percpu", "per_cpu"},
	{"HardwareCorrupted", "hardware_corrupted"},
	{"AnonHugePages", "anon_hugepages"},
	{"ShmemHugePages", "shmem_hugepages"},
	{"ShmemPmdMapped", "shmem_pmd_mapped"},
	{"CmaTotal", "cma_total"},
	{"CmaFree", "cma_free"},
	{"DirectMap4k", "direct_map_4k"},
	{"DirectMap2M", "direct_map_2M"},
	{"DirectMap4M", "direct_map_4M"},
	{"DirectMap1G", "direct_map_1G"},
};

/* "MemTotal:  12345 kB" */
static void memory(struct metrics *m, char *line)
{
	char item[ITEM_BYTES], *colon = strchr(line, ':'), *unit;
	const char *name = item;
	size_t i = 0;

	if (!colon)
		return;
	*colon = '\0';
	for (; line[i] && i + 1 < sizeof item; i++)
		item[i] = line[i] >= 'A' && line[i] <= 'Z' ? (char) (line[i] | 0x20) : line[i];
	item[i] = '\0';
	for (i = 0; i < ARRAY_LEN(memory_names); i++)
		if (strcmp(memory_names[i][0], line) == 0)
			name = memory_names[i][1];

	uint64_t value = strtoull(colon + 1, &unit, 10);

	metrics_item(m, "meminfo", name, strstr(unit, "kB") ? value * KIB : value);
}

/* "nr_free_pages 12345" */
static void vm_stat(struct metrics *m, char *line)
{
	char *blank = strchr(line, ' ');

	if (!blank)
		return;
	*blank = '\0';
	metrics_item(m, "vm_stat", line, strtoull(blank + 1, NULL, 10));
}

/* "  eth0: 1 2 3 ..."; the two lines of the heading have no colon. */
static void net_device(struct metrics *m, char *line)
{
	static const char *const items[] = {
		"recv_bytes", "recv_packets", "recv_errs",       "recv_drop",
		"recv_fifo",  "recv_frame",   "recv_compressed", "recv_multicast",
		"sent_bytes", "sent_packets", "sent_errs",       "sent_drop",
		"sent_fifo",  "sent_colls",   "sent_carrier",    "sent_compressed"};
	char *colon = strrchr(line, ':');

	if (!colon)
		return;
	*colon = '\0';
	row(m, "netdev_stat", "interface", line + strspn(line, " "), items, ARRAY_LEN(items),
	    colon + 1);
}

/* "   8       0 sda 1 2 3 ..." */
static void disk(struct metrics *m, char *line)
{
	static const char *const items[] = {"reads",
					    "merged",
					    "sectors_read",
					    "time_reading",
					    "writes",
					    "writes_merged",
					    "sectors_written",
					    "time_writing",
					    "in_progress",
					    "time_in_progress",
					    "weighted_time_in_progress",
					    "discards",
					    "discards_merged",
					    "sectors_discarded",
					    "time_discarding",
					    "flushes",
					    "time_flushing"};
	char *save = NULL;

	if (!strtok_r(line, " ", &save) || !strtok_r(NULL, " ", &save))
		return;

	const char *name = strtok_r(NULL, " ", &save);

	if (name)
		row(m, "diskstat", "disk", name, items, ARRAY_LEN(items), save);
}

static void guest(struct metrics *m)
{
	m->prefix = "kata_guest";
	each_line("/proc/loadavg", load, m);
	metrics_family(m, "cpu_time", "gauge", "Guest processor times, in clock ticks.");
	each_line("/proc/stat", cpu_time, m);
	metrics_family(m, "meminfo", "gauge", "Guest memory, sizes in bytes.");
	each_line("/proc/meminfo", memory, m);
	metrics_family(m, "vm_stat", "gauge", "Guest virtual memory statistics.");
	each_line("/proc/vmstat", vm_stat, m);
	metrics_family(m, "netdev_stat", "gauge", "Guest network devices.");
	each_line("/proc/net/dev", net_device, m);
	metrics_family(m, "diskstat", "gauge", "Guest disks.");
	each_line("/proc/diskstats", disk, m);
}

static void agent(struct metrics *m, uint64_t scrapes)
{
	uint64_t times[2], sizes[2];
	uint64_t page = (uint64_t) sysconf(_SC_PAGESIZE), tick = (uint64_t) sysconf(_SC_CLK_TCK);

	m->prefix = "kata_agent";
	metrics_single(m, "scrape_count", "counter", "How often metrics were asked for.", scrapes);
	metrics_process(m, getpid());
	if (proc_stat_read(getpid(), PROC_STAT_USER_TIME, times, ARRAY_LEN(times)) == 0)
		metrics_single(m, "total_time", "gauge", "Processor time, in seconds.",
			       (times[0] + times[1]) / tick);
	if (proc_stat_read(getpid(), PROC_STAT_SIZE, sizes, ARRAY_LEN(sizes)) < 0)
		return;
	metrics_single(m, "total_vm", "gauge", "Virtual memory, in bytes.", sizes[0]);
	metrics_single(m, "total_rss", "gauge", "Resident memory, in bytes.", sizes[1] * page);
}

void metrics_get(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	Grpc__Metrics reply = GRPC__METRICS__INIT;
	struct metrics m;
	struct err e = {0};

	(void) request;
	metrics_init(&m);
	guest(&m);
	agent(&m, ++rpc->scrapes);
	if (buf_append(&m.text, "", 1) < 0) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "collect metrics"), &e);
	} else {
		reply.metrics = (char *) buf_data(&m.text);
		ttrpc_reply(call, &reply.base);
	}
	buf_fini(&m.text);
}
