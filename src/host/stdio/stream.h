#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The host's end of a standard stream: a descriptor that belongs to somebody else.
 *
 * It may be anything, and its file description is shared with processes that expect it to stay as
 * it is: it must never be made non-blocking. Yet the loop must never block on it. So, by kind:
 *
 *	pipe, fifo, terminal	opened once more through /proc/self/fd, non-blocking: a description
 *				of our own
 *	socket			MSG_DONTWAIT on every call
 *	file, block device, whatever epoll refuses (/dev/null, /dev/zero)
 *				read and written as it is, at the shared offset: never waits long
 *	anything else		asked with poll() first, and then only little at a time
 *
 * Threads: none, all on the loop.
 */
struct stream;

/* Called when a read or write that gave -EAGAIN may succeed. */
typedef void (*stream_ready_fn)(void *arg);

enum stream_direction {
	STREAM_IN,  /* we read what a user gives to a process */
	STREAM_OUT, /* we write what a process says */
};

/**
 * stream_open() - make a descriptor fit for the loop
 * @take_fd:	swallowed on success, still the caller's on failure
 */
int stream_open(struct loop *loop, int take_fd, enum stream_direction direction,
		struct stream **ret, struct err *e);

/* The same with a fifo that containerd has made. A fifo for input is held open for writing too, so
 * that a client that comes back still finds it; stream_end() closes that. A fifo for output is held
 * open for reading too, because output does not end when nobody reads; see stream_is_met(). */
int stream_open_fifo(struct loop *loop, const char *path, enum stream_direction direction,
		     struct stream **ret, struct err *e);

/* A file that output is appended to; it and the folders above are made if they are missing. */
int stream_open_file(struct loop *loop, const char *path, struct stream **ret, struct err *e);

/* The same with a duplicate of @fd, which stays the caller's. */
int stream_open_duplicate(struct loop *loop, int fd, enum stream_direction direction,
			  struct stream **ret, struct err *e);

/* One direction of a connection, a socket of ours: of a duplicate of @fd. Closing the one for
 * output tells the other end that nothing more comes. */
int stream_open_connection(struct loop *loop, int fd, enum stream_direction direction,
			   struct stream **ret, struct err *e);

/* A stream whose other end is *@ret_fd, non-blocking and the caller's. */
int stream_open_pair(struct loop *loop, enum stream_direction direction, struct stream **ret,
		     int *ret_fd, struct err *e);

/* After it the ready function is not called any more. Accepts NULL. */
void stream_close(struct stream *s);
AUTO_PTR(struct stream, stream_close)

/* Closes it; when the last descriptor of the connection is closed, its other end is told that it
 * was cut, and not that it has ended. Accepts NULL. */
void stream_cut(struct stream *s);

/* Set before the first read or write. */
void stream_on_ready(struct stream *s, stream_ready_fn fn, void *arg);

/* At most @bytes. Returns how many, 0 at the end of file, -EAGAIN (the ready function will be
 * called once), or -errno. A terminal that was hung up is at its end. */
ssize_t stream_read(struct stream *s, void *data, size_t bytes);

/* At most @bytes. Returns how many, -EAGAIN (as above), -EPIPE when nobody reads any more, or
 * -errno. */
ssize_t stream_write(struct stream *s, const void *data, size_t bytes);

/* False for a fifo for output that no client has opened yet. Closing it then would lose what it
 * holds, and the client would wait in open() for ever, because containerd opens the fifos of a
 * process in the background, maybe after a short process has ended. */
bool stream_is_met(struct stream *s);

/* No client will write into this fifo or pair any more: what is left in it is read, then end of
 * file. No-op for other kinds. */
void stream_end(struct stream *s);
