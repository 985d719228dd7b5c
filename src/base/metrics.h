#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

/*
 * Metrics as text, in Prometheus' exposition format (version 0.0.4): of each family one HELP and
 * one TYPE line, and its samples behind them. The names are upstream's: "kata_shim_threads" is the
 * family "threads" below the prefix "kata_shim".
 *
 * What does not fit is left out, and metrics_end() says so; a source that cannot be read (a process
 * that has ended, a kernel without the file) leaves its family out.
 */
#define METRICS_MAX_BYTES (512 << 10)

struct metrics {
	struct buf text;
	const char *prefix; /* of the families to come; borrowed */
	bool full;
};

/* Accepts no failure: the memory comes with the first line. End it with buf_fini(&m->text). */
void metrics_init(struct metrics *m);

/* Returns 0, or -EMSGSIZE or -ENOMEM when something was left out. */
int metrics_end(struct metrics *m);

struct metrics_label {
	const char *name, *value; /* the value may be anything, and is escaped */
};

/* Opens the family @name; @type is "gauge" or "counter". */
void metrics_family(struct metrics *m, const char *name, const char *type, const char *help);

/* A sample of the family @name, which is the one that was opened last. @value is a number. */
void metrics_sample(struct metrics *m, const char *name, const struct metrics_label *labels,
		    size_t n_labels, const char *value);

/* The same for a whole number with the label item="@item", or without a label if @item is NULL. */
void metrics_item(struct metrics *m, const char *name, const char *item, uint64_t value);

/* A family of one number. */
void metrics_single(struct metrics *m, const char *name, const char *type, const char *help,
		    uint64_t value);

/* threads, proc_status, proc_stat and io_stat of a process, out of /proc; sizes are bytes. */
void metrics_process(struct metrics *m, pid_t pid);

/* fds: how many descriptors a process has open. */
void metrics_descriptors(struct metrics *m, pid_t pid);
