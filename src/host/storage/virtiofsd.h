#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * virtiofsd: the program that serves the share to the guest over virtio-fs. There are two flavours
 * with different options: QEMU's own in C (up to QEMU 8.0; Debian 12), and its successor in Rust.
 * The program file's contents tell which one it is.
 *
 * The child is confined before it executes virtiofsd (virtiofsd_confine.h), which makes the share
 * its root itself. It dies with the thread that started it, and ends when the VMM closes its
 * connection.
 *
 * Threads: virtiofsd_new(), _on_exit(), _free() on the loop's thread, where the callback arrives;
 * virtiofsd_start() and _stop() on the sandbox's worker, which lives as long as the process.
 *
 * Distrusts virtiofsd, because the guest talks to it: its messages are made printable before they
 * enter a sentence.
 */
struct virtiofsd;

enum virtiofsd_cache {
	VIRTIOFSD_CACHE_AUTO, /* see cache_words[] in virtiofsd_args.c */
	VIRTIOFSD_CACHE_NEVER,
	VIRTIOFSD_CACHE_METADATA, /* Rust only */
	VIRTIOFSD_CACHE_ALWAYS,
	VIRTIOFSD_CACHE_MAX,
};

#define VIRTIOFSD_CGROUPS_MAX 16

/* All borrowed until virtiofsd_start() returns. */
struct virtiofsd_spec {
	const char *program; /* NULL or "": searched in the distributions' places, then in PATH */
	const char *source;  /* the folder to export */
	/* A folder closed to other users. It holds a socket while virtiofsd_start() connects to
	 * it. */
	const char *private_dir;
	enum virtiofsd_cache cache;
	const char *const *extra_args; /* the administrator's, last */
	size_t n_extra_args;
};

/* @why is borrowed for the call. */
typedef void (*virtiofsd_exit_fn)(void *arg, const struct err *why);

int virtiofsd_new(struct loop *loop, struct virtiofsd **ret, struct err *e);

/* Kills what still runs. Accepts NULL. */
void virtiofsd_free(struct virtiofsd *v);
AUTO_PTR(struct virtiofsd, virtiofsd_free)

/* Calls @fn at most once, when virtiofsd ends without virtiofsd_stop(). The guest then hangs on
 * every access to the share, so the caller must end the machine. virtiofsd also ends when the VMM
 * does. */
void virtiofsd_on_exit(struct virtiofsd *v, virtiofsd_exit_fn fn, void *arg);

/**
 * virtiofsd_start() - start it and connect to it
 * @ret_fd:	the connected vhost-user socket, for the VMM; the caller's
 *
 * Does not wait until virtiofsd serves: requests queue up. If it refuses its arguments and exits,
 * virtiofsd_on_exit() and virtiofsd_ended() report that. Returns 0, -ENOENT (no virtiofsd; the
 * sentence says what to install), -EINVAL, -EOPNOTSUPP (this flavour cannot), or -errno.
 */
int virtiofsd_start(struct virtiofsd *v, const struct virtiofsd_spec *spec, int *ret_fd,
		    struct err *e);

/* Whether it appends every write to a file that was opened with O_APPEND, even pages of a mapping,
 * which corrupts the file: the guest must keep programs from writing so. */
bool virtiofsd_appends(const struct virtiofsd *v);

/* How many files it can have open, including each that the guest's kernel remembers; 0: unknown. */
uint32_t virtiofsd_files_max(struct virtiofsd *v);

/* What the two say of one that this process starts of @program (as in virtiofsd_spec). For a
 * process of one thread, because it tries whether it may raise its limit of open files. */
int virtiofsd_expect(const char *program, bool *ret_appends, uint32_t *ret_files_max,
		     struct err *e);

/* SIGKILL, without waiting: virtiofsd_stop() is due. */
void virtiofsd_begin_stop(struct virtiofsd *v);

/* SIGKILL, and waits for the end. No data is lost, because what it has written is in the host's
 * page cache. Returns 0, also when it was gone, or -ETIMEDOUT. */
int virtiofsd_stop(struct virtiofsd *v, msec_t deadline, struct err *e);

/* 0 when it does not run. */
pid_t virtiofsd_pid(struct virtiofsd *v);

/* Puts into @why, which holds no error yet, why it ended; false while it runs. Any thread. */
bool virtiofsd_ended(struct virtiofsd *v, struct err *why);

/* The same, but only if it failed; waits for its end until @deadline. False when it was never
 * started. For a caller whose own error may be a consequence of virtiofsd's end. */
bool virtiofsd_failed(struct virtiofsd *v, msec_t deadline, struct err *why);
