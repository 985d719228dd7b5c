/*
 * What is done when no requests come, so that none waits for it.
 *
 * Free heap returns to the kernel: large messages leave a heap behind that is worth keeping only
 * while more of them come, because containers could use the memory.
 *
 * The driver of the balloon is loaded, by which the kernel tells the host of free pages. Nothing
 * else needs it.
 *
 * What the kernel does at intervals without being asked is switched off, because each time wakes
 * an idle machine.
 */

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>

#include "agent/device/device.h"
#include "agent/rpc/agent.h"
#include "base/file.h"
#include "base/log.h"

/* It is quiet when no request has come for so long. */
#define QUIET_MS 500

/* Blocks of 128 KiB and more are told of, and not only of 2 MiB, because what the boot leaves
 * behind lies in pieces. The driver sets it to 2 MiB when it starts. */
#define ORDER      "5"
#define ORDER_FILE "/sys/module/page_reporting/parameters/page_reporting_order"

/* The kernel tells of pages that are free for all processors, and not of those on a processor's own
 * list, which Linux 5.14 and newer let grow to a fortieth of the memory, and fill at the boot. A
 * thousandth is what older ones had. */
#define LIST_PART      "1000"
#define LIST_PART_FILE "/proc/sys/vm/percpu_pagelist_high_fraction"

/* How eagerly the kernel joins free pages to large blocks before a large block is wanted. With 0 it
 * does not look for that twice a second; a block that is wanted is made all the same. */
#define COMPACTION      "0"
#define COMPACTION_FILE "/proc/sys/vm/compaction_proactiveness"

static void set(const char *file, const char *value)
{
	struct err e = {0};
	int r = file_write(AT_FDCWD, file, value, &e);

	if (r < 0 && r != -ENOENT) /* the kernel lacks it */
		log_err(LOG_WARN, &e, "ignoring");
}

/* A list that is too long is shortened when pages come to it. */
#define SHORTENING_BYTES (256 << 10)

static void shorten_list(void)
{
	void *pages = mmap(NULL, SHORTENING_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (pages != MAP_FAILED)
		(void) munmap(pages, SHORTENING_BYTES);
}

static void report_free_pages(struct rpc *rpc)
{
	struct err e = {0};

	if (module_load_if_any(rpc->config.devices, "virtio_balloon", &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
	set(ORDER_FILE, ORDER);
	set(LIST_PART_FILE, LIST_PART);
	shorten_list();
}

/* Once, because a privileged workload may set the same later. */
static void settle(struct rpc *rpc)
{
	if (rpc->settled || !rpc->config.is_init)
		return;
	rpc->settled = true;
	report_free_pages(rpc);
	set(COMPACTION_FILE, COMPACTION);
}

static void look(void *arg)
{
	struct rpc *rpc = arg;

	rpc->quiet_timer = NULL;
	if (!rpc->active) {
		(void) malloc_trim(0);
		settle(rpc);
		return;
	}
	rpc->active = false;
	/* Without memory for the timer the next request tries again. */
	(void) loop_timer(rpc->config.loop, clock_deadline(QUIET_MS), look, rpc, &rpc->quiet_timer,
			  NULL);
}

void quiet_disturb(struct rpc *rpc)
{
	rpc->active = true;
	if (!rpc->quiet_timer)
		(void) loop_timer(rpc->config.loop, clock_deadline(QUIET_MS), look, rpc,
				  &rpc->quiet_timer, NULL);
}
