#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/list.h"
#include "ttrpc/ttrpc.h"

/* Private to ttrpc: frames. Header: body length (be32), stream (be32), type, flags. */
#define FRAME_HEADER_BYTES 10

enum frame_type {
	FRAME_REQUEST = 1,
	FRAME_RESPONSE = 2,
	FRAME_DATA = 3, /* of a stream */
};

enum frame_flag {
	FRAME_REMOTE_CLOSED = 1,
	FRAME_REMOTE_OPEN = 2, /* on a request: opens a stream */
	FRAME_NO_DATA = 4,
};

struct frame_header {
	uint32_t body_bytes;
	uint32_t stream;
	uint8_t type;
	uint8_t flags;
};

/* @data holds FRAME_HEADER_BYTES. */
struct frame_header frame_header_read(const uint8_t *data);

/*
 * A frame to be sent: one allocation, filled from the middle. The body's last part is written
 * first, behind room for all that comes before it, so that data is never moved:
 *
 *	| head room ...   header | envelope | data      |
 *	                  ^start                        ^end
 */
#define FRAME_HEAD_ROOM 32

struct frame {
	struct list link; /* in the queue of a wire */
	size_t start;
	size_t end;
	size_t n_fds;
	int fds[TTRPC_FDS_MAX]; /* sent along with the first byte, owned */
	uint8_t bytes[];
};

/* A frame with room for @room bytes, or NULL when out of memory. frame->end is behind the room. */
struct frame *frame_new(size_t room);

/* Accepts NULL. Closes its descriptors. */
void frame_free(struct frame *f);
AUTO_PTR(struct frame, frame_free)

static inline uint8_t *frame_room(struct frame *f)
{
	return f->bytes + FRAME_HEAD_ROOM;
}

static inline size_t frame_len(const struct frame *f)
{
	return f->end - f->start;
}

/* Makes room for @bytes in front of what is there and returns it. */
uint8_t *frame_push(struct frame *f, size_t bytes);

/* Puts the header in front: the frame is complete. */
void frame_seal(struct frame *f, uint32_t stream, enum frame_type type);

/* Of a frame that is sealed. */
void frame_set_flags(struct frame *f, uint8_t flags);
