#pragma once

#include <stddef.h>

#include "base/auto.h"
#include "base/loop.h"
#include "host/monitor/families.h"

/*
 * Asks all pods for their metrics, several at once. Private to host/monitor.
 *
 * A pod that does not answer in its time, or too much, is left out and counted; so is one whose
 * turn does not come before the whole must be there. What could be had is told in any case.
 */
#define PODS_MAX          4096
#define POD_TIMEOUT_MS    5000
#define POD_MAX_BYTES     (1 << 20)
#define PODS_AT_A_TIME    32
#define SCRAPE_TIMEOUT_MS 8000 /* Prometheus gives up after 10 s, if not told otherwise */

/* The pods' names, in order: folders below @base. */
struct pods {
	char **names;
	size_t n;
};

/* Returns 0 or -errno; a missing @base is no failure. The caller ends it with pods_fini(). */
int pods_list(const char *base, struct pods *ret, struct err *e);

/* Accepts a zeroed struct. */
void pods_fini(struct pods *p);

/* Whether @name can be a pod's: it stays in its folder and needs no quoting in a label. */
bool pod_name_is_plain(const char *name);

struct scrape;

/* @families is borrowed for the call; @pods is how many there are, @failed how many were left
 * out. */
typedef void (*scrape_done_fn)(void *arg, const struct families *families, size_t pods,
			       size_t failed);

/* Calls @done once, later, from the loop. @pod_ms: POD_TIMEOUT_MS except in tests. */
int scrape_start(struct loop *loop, const char *base, uint32_t pod_ms, scrape_done_fn done,
		 void *arg, struct scrape **ret, struct err *e);

/* Accepts NULL. Not once @done was called. */
void scrape_cancel(struct scrape *s);
