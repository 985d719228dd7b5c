#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * The last bytes of an endless stream, and its lines as they come. One thread reads the stream into
 * it, any thread may read it: a lock guards it.
 */
struct tail {
	pthread_mutex_t lock;
	char *ring;
	size_t capacity;
	uint64_t total; /* bytes ever put in; the next one goes to total % capacity */

	/* The line so far; only for the thread that calls tail_pump() with a function. */
	char line[256];
	size_t line_bytes;
};

typedef void (*tail_line_fn)(void *arg, const char *line);

int tail_init(struct tail *t, size_t capacity, struct err *e);

/* Accepts a zeroed struct. */
void tail_fini(struct tail *t);

void tail_put(struct tail *t, const void *data, size_t bytes);

/* Copies the end, at most @bytes - 1, NUL-terminated. Returns its length. */
size_t tail_copy(struct tail *t, char *buf, size_t bytes);

/* Reads what is available from @fd, which is non-blocking; calls @fn (may be NULL) for each whole
 * line, made printable, a long one in pieces. Returns 1 when there may be more later, 0 at the end
 * of the stream. */
int tail_pump(struct tail *t, int fd, tail_line_fn fn, void *arg);
