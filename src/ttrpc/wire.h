#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"
#include "ttrpc/frame.h"

/*
 * Private to ttrpc: one connected stream, cut into frames. Server and client sit on top.
 *
 *	OPEN --wire_break(), end of file, garbage--> BROKEN --wire_free()--> gone
 *	                                               | ops->broken is called once
 */
struct wire;
struct loop;

struct wire_ops {
	/* A whole frame has come; @body is valid until this returns. */
	void (*frame)(void *arg, const struct frame_header *h, const uint8_t *body);
	/* A frame above TTRPC_MESSAGE_MAX has begun; its body is thrown away as it comes. */
	void (*too_large)(void *arg, const struct frame_header *h);
	/* The connection is broken, for reason @e. */
	void (*broken)(void *arg, const struct err *e);
};

enum wire_flag {
	/* A server: reads nothing while TTRPC_QUEUE_PAUSE bytes wait to be written. */
	WIRE_PAUSES = 1 << 0,
	/* Keeps descriptors that the peer sends over a unix socket. */
	WIRE_ACCEPTS_FDS = 1 << 1,
};

/**
 * wire_new() - begin to read and write a descriptor
 * @take_fd:	made non-blocking; on failure it still belongs to the caller
 * @flags:	bits of enum wire_flag
 * @ops:	called on the loop; each may call wire_free()
 *
 * Returns 0, -EINVAL for a socket that is no stream, or another -errno.
 */
int wire_new(struct loop *loop, int take_fd, unsigned flags, const struct wire_ops *ops, void *arg,
	     struct wire **ret, struct err *e);

/* Accepts NULL. No callback comes after it. */
void wire_free(struct wire *w);

/* Sends a frame when there is room, in order. Failures are reported later, by ops->broken. */
void wire_send(struct wire *w, struct frame *take_frame);

/* Breaks the connection soon: from the loop, not inside this call. The first reason counts. */
void wire_break(struct wire *w, const struct err *reason);

/* Writes the waiting frames, until @deadline. Returns 0, -ETIMEDOUT, or -ECONNRESET. */
int wire_flush(struct wire *w, msec_t deadline);

/* Bytes that wait to be written. */
size_t wire_queued(const struct wire *w);

/* Whether descriptors can be sent along with a frame. */
bool wire_carries_fds(const struct wire *w);

/* Takes the oldest @n received descriptors. False if there are fewer: nothing is taken then. */
bool wire_take_fds(struct wire *w, size_t n, int *ret_fds);
