#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * virtiofsd: the program that serves the share to the guest over virtio-fs. There are two of it, with
 * different options: QEMU's own in C (up to QEMU 8.0; Debian 12), and its successor in Rust. Which one
 * a file is, is read in the file.
 *
 * It is confined before it is the program (virtiofsd_confine.h), and makes the share its root itself; it
 * dies with the thread that started it, and ends when the VMM hangs up.
 *
 * Threads: virtiofsd_new(), _on_exit(), _free() on the loop's thread, where the callback arrives;
 * virtiofsd_start() and _stop() on the sandbox's worker, which lives as long as the process.
 *
 * Distrust: the guest speaks to it, so what it says is made printable before it enters a sentence.
 */
struct virtiofsd;

enum virtiofsd_cache {
	VIRTIOFSD_CACHE_AUTO, /* names and attributes for a second, data as long as those say */
	VIRTIOFSD_CACHE_NEVER,
	VIRTIOFSD_CACHE_METADATA, /* Rust only */
	VIRTIOFSD_CACHE_ALWAYS,
	VIRTIOFSD_CACHE_MAX,
};

#define VIRTIOFSD_CGROUPS_MAX 16

/* All borrowed until virtiofsd_start() returns. */
struct virtiofsd_spec {
	const char *program; /* NULL or "": looked for where distributions put it, then in PATH */
	const char *source;  /* the folder to export */
	/* A folder that nobody else may enter. A socket lives in it while we connect to it. */
	const char *private_dir;
	enum virtiofsd_cache cache;
	const char *const *extra_args; /* the administrator's, last */
	size_t n_extra_args;
	const int *cgroup_fds; /* cgroup.procs files open for writing, joined before exec */
	size_t n_cgroup_fds;
};

/* @why is borrowed for the call. */
typedef void (*virtiofsd_exit_fn)(void *arg, const struct err *why);

int virtiofsd_new(struct loop *loop, struct virtiofsd **ret, struct err *e);

/* Kills what still runs. Accepts NULL. */
void virtiofsd_free(struct virtiofsd *v);
AUTO_PTR(struct virtiofsd, virtiofsd_free)

/* Calls @fn at most once, when it ends without virtiofsd_stop(). The share is dead then: whatever
 * the guest does in it hangs, so the machine must go. It also ends when the VMM does. */
void virtiofsd_on_exit(struct virtiofsd *v, virtiofsd_exit_fn fn, void *arg);

/**
 * virtiofsd_start() - start it and connect to it
 * @ret_fd:	the connected vhost-user socket, for the VMM; the caller's
 *
 * Does not wait until it serves: requests queue up. One that dies of its arguments is heard of by
 * virtiofsd_on_exit() and virtiofsd_ended(). Returns 0, -ENOENT (no virtiofsd; the sentence says what
 * to install), -EINVAL, -EOPNOTSUPP (this one cannot), or -errno.
 */
int virtiofsd_start(struct virtiofsd *v, const struct virtiofsd_spec *spec, int *ret_fd,
		    struct err *e);

/* Whether it appends whatever is written to a descriptor that was opened with O_APPEND, pages of a
 * mapping included: the guest has to keep programs from what becomes wrong by that. */
bool virtiofsd_appends(const struct virtiofsd *v);

/* How many files it can have open, each one that the guest remembers counted; 0 if not known. */
uint32_t virtiofsd_files_max(struct virtiofsd *v);

/* SIGKILL, and waits for the end: what it was asked to write is in the host's page cache. Returns 0,
 * also when it was gone, or -ETIMEDOUT. */
int virtiofsd_stop(struct virtiofsd *v, msec_t deadline, struct err *e);

/* 0 when it does not run. */
pid_t virtiofsd_pid(struct virtiofsd *v);

/* Why it ended, into @why, which is clear; false while it runs. Any thread. */
bool virtiofsd_ended(struct virtiofsd *v, struct err *why);

/* The same, if it did not end well; waits for that until @deadline. False when it was never started.
 * For who starts it, and whom its end may have failed. */
bool virtiofsd_failed(struct virtiofsd *v, msec_t deadline, struct err *why);
