#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Bytes, in two shapes.
 *
 * struct buf grows at the end and is consumed at the front: a queue for a stream. It has a maximum,
 * so that the sender cannot decide how much memory it takes.
 *
 * struct cursor reads foreign bytes and cannot leave them. The first read that would go past the
 * end poisons it: that read and all later ones give zero, and cursor_ok() says so once at the end.
 */
struct buf {
	uint8_t *data;
	size_t start;     /* first byte not consumed yet */
	size_t end;       /* one past the last byte */
	size_t capacity;  /* bytes allocated */
	size_t max_bytes; /* never holds more than this */
};

void buf_init(struct buf *b, size_t max_bytes);

/* Accepts an initialised or a zeroed buffer; it is empty afterwards and may be used again. */
void buf_fini(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

static inline const uint8_t *buf_data(const struct buf *b)
{
	return b->data + b->start;
}

/* Room for @bytes more at the end, or NULL: out of memory, or above max_bytes. The caller then
 * reports the bytes that it has written with buf_commit(). */
uint8_t *buf_reserve(struct buf *b, size_t bytes);
void buf_commit(struct buf *b, size_t bytes);

/* Returns 0, -ENOMEM, or -EMSGSIZE above max_bytes. */
int buf_append(struct buf *b, const void *data, size_t bytes);

/* Drops @bytes at the front; @bytes must not be more than there are. */
void buf_consume(struct buf *b, size_t bytes);

/* One read() into the buffer of at most @want bytes. Returns the bytes read, 0 at end of file, or
 * -errno (-EAGAIN when nothing is there, -EMSGSIZE when the buffer is full). */
ssize_t buf_read_from(struct buf *b, int fd, size_t want);

/* One write() of what is there. Returns the bytes written and consumed, or -errno. */
ssize_t buf_write_to(struct buf *b, int fd);

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
	bool poisoned;
};

static inline struct cursor cursor_over(const void *data, size_t bytes)
{
	const uint8_t *p = data;

	/* @p may be NULL without bytes, and arithmetic on NULL is undefined. */
	return (struct cursor){.p = p, .end = bytes > 0 ? p + bytes : p};
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->poisoned;
}

static inline size_t cursor_left(const struct cursor *c)
{
	return (size_t) (c->end - c->p);
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_be16(struct cursor *c);
uint32_t cursor_be32(struct cursor *c);
uint16_t cursor_le16(struct cursor *c);
uint32_t cursor_le32(struct cursor *c);
uint64_t cursor_le64(struct cursor *c);

/* The next @bytes in place, or NULL. */
const uint8_t *cursor_bytes(struct cursor *c, size_t bytes);

static inline void put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t) (v >> 24);
	p[1] = (uint8_t) (v >> 16);
	p[2] = (uint8_t) (v >> 8);
	p[3] = (uint8_t) v;
}
