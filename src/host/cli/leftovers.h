#pragma once

#include <stdbool.h>

#include "host/cli/verb.h"

/*
 * Finds what sandbox servers have left that are dead, whoever has started them, and removes it.
 *
 * Who lives is told by locks and sockets, which the kernel ends with their process, and never by
 * time or by a pid alone: a server holds the lock of its folder below pod_dir_base() and of its
 * share, and answers on its socket; a container that is being made holds the lock of its folder.
 * Each thing is removed under its lock, and known by its descriptor, so that one that is just
 * starting, or has got the name meanwhile, is not touched. Processes that notes name are killed by
 * pidfd, if their start time is the one noted.
 */
struct leftovers {
	const struct cli *cli;
	const char *pods_base;   /* pod_dir_base() except in tests */
	const char *shares_base; /* where SHARE_BASE is, except in tests */
	bool dry_run;            /* only say what would be removed */
	unsigned found, failed;
};

/* Prints a line for each thing, to standard output; what cannot be removed is told on standard
 * error. */
void leftovers_remove(struct leftovers *l);
