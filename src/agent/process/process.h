#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"

/**
 * DOC: agent/process - a process of a container as the host sees it
 *
 * The host knows a process by its streams and its end. This layer holds the agent's ends of the
 * pipes (or the master of the terminal), parks requests for them, and knows when the end may be
 * reported. The container layer makes and signals the process and passes the descriptors on.
 *
 *	process_new() ──► made, runs ──process_ended()──► ended
 *	                                                    │
 *	   waiters are answered ◄── all its output was handed out
 *
 * What holds:
 *  - Nothing is lost. What was in a pipe when the process ended can still be read, however late.
 *  - The end comes last. A process_wait is finished only after every byte that was in the streams
 *    when the process ended has been given to a process_read. A child left behind that keeps a pipe
 *    open does not hold back the end; its output flows on until end of file. A stream that nobody
 *    has ever read holds back nothing.
 *  - Writes reach the process in the order in which they came, whole, and closing stdin waits for
 *    them.
 *
 * Reads, writes and waits are structs of the caller with a function to call. They are finished
 * exactly once, possibly before the call that starts them returns, and may then be freed; or they
 * are cancelled and never finished. An operation must not free the process it belongs to.
 *
 * Threads: none. All runs on the loop. Distrusts: the process (it may close, fill or never read its
 * streams) and the host (the number of parked operations is limited by PROCESS_PARKED_MAX).
 */
struct process;

/* More reads (per stream), writes or waits than this at once are refused with -EBUSY. */
#define PROCESS_PARKED_MAX 128

/* Pipes are made this large if the kernel allows it and no other size is configured, because a big
 * pipe is a fast pipe. */
#define PROCESS_PIPE_BYTES (1U << 20)

enum process_stream {
	PROCESS_STDOUT,
	PROCESS_STDERR,
	PROCESS_STREAM_MAX,
};

/* Our ends. With a terminal only @tty is set, and stderr does not exist. A connection has two
 * descriptors of one socket as @in and @out. -1 is "none". */
struct process_io {
	int in;       /* write end of stdin */
	int out;      /* read end of stdout */
	int err;      /* read end of stderr */
	int tty;      /* master of the terminal */
	bool at_once; /* output is handed out as it comes, and not gathered for a moment */
};

#define PROCESS_IO_NONE ((struct process_io){.in = -1, .out = -1, .err = -1, .tty = -1})

/* Closes what is open. */
void process_io_close(struct process_io *io);

/**
 * process_io_open() - make the pipes of a process without a terminal
 * @pipe_bytes: how much each holds; 0: PROCESS_PIPE_BYTES
 * @ret:	our ends, non-blocking; the caller closes them or gives them to process_new()
 * @ret_child:	the ends for the process: its stdin, stdout, stderr; the caller closes them
 */
int process_io_open(uint32_t pipe_bytes, struct process_io *ret, int ret_child[3], struct err *e);

/**
 * process_new() - the streams of a process
 * @take_io:	our ends; swallowed on success, still the caller's on failure
 */
int process_new(struct loop *loop, struct process_io *take_io, struct process **ret, struct err *e);

/* Ends all parked operations (reads see end of file, writes -EPIPE, waits -ESRCH) and closes the
 * streams. Does not touch the process itself. Accepts NULL. */
void process_free(struct process *p);
AUTO_PTR(struct process, process_free)

/* The process is gone. @exit_code is what a shell would say: the code, or 128 + signal. */
void process_ended(struct process *p, int exit_code);

/* Of a connection: when it is freed, the other end is told that the connection was cut, and not
 * that it has ended. */
void process_cut(struct process *p);

bool process_has_ended(const struct process *p);
bool process_has_tty(const struct process *p);

/* The process has ended, its end was reported, and no more output can come: it can be freed. */
bool process_is_spent(const struct process *p);

struct process_read {
	struct list link;
	size_t max_bytes; /* at least 1 */
	/* Room for @bytes (at most max_bytes) that are about to be read, or NULL: no memory. */
	uint8_t *(*room)(struct process_read *r, size_t bytes);
	/* @n bytes are in the room; 0 is end of file; or -errno. */
	void (*finish)(struct process_read *r, ssize_t n);
};

void process_read(struct process *p, enum process_stream which, struct process_read *r);
void process_read_cancel(struct process_read *r);

/* Closes the agent's end of the stream. The process gets a broken pipe when it writes on; a
 * terminal just fills. Parked reads see end of file. */
void process_close_output(struct process *p, enum process_stream which);

struct process_write {
	struct list link;
	const uint8_t *data; /* borrowed until finished */
	size_t bytes;
	size_t done; /* bytes that the process's pipe has taken */
	/* 0 when all was taken; -EPIPE when nobody can read it any more; or -errno. */
	void (*finish)(struct process_write *w, int r);
};

void process_write(struct process *p, struct process_write *w);
void process_write_cancel(struct process_write *w);

/* End of file for the process, after all writes that came before. Later writes get -EPIPE. A
 * terminal has no end of file: there it does nothing. */
void process_close_stdin(struct process *p);

struct process_wait {
	struct list link;
	bool at_end; /* do not wait until what the process had written is handed out */
	bool unread; /* set before @finish: some of it was not handed out */
	/* The exit code, or -ESRCH when the process was removed before its end, or -EBUSY. */
	void (*finish)(struct process_wait *w, int exit_code);
};

void process_wait(struct process *p, struct process_wait *w);
void process_wait_cancel(struct process_wait *w);

/* Returns 0, -ENOTTY when the process has no terminal, or -errno. */
int process_resize(struct process *p, unsigned rows, unsigned columns, struct err *e);
