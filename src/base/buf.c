#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_FIRST_BYTES 512

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){.max_bytes = max_bytes};
}

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){.max_bytes = b->max_bytes};
}

static void move_to_front(struct buf *b)
{
	size_t len = buf_len(b);

	if (b->data && b->start > 0)
		memmove(b->data, b->data + b->start, len);
	b->start = 0;
	b->end = len;
}

uint8_t *buf_reserve(struct buf *b, size_t bytes)
{
	size_t len = buf_len(b);

	if (bytes > b->max_bytes || len > b->max_bytes - bytes)
		return NULL;
	if (b->data && b->capacity - b->end >= bytes)
		return b->data + b->end;

	move_to_front(b);
	if (!b->data || b->capacity - b->end < bytes) {
		size_t capacity = b->capacity ? b->capacity : BUF_FIRST_BYTES;

		while (capacity < len + bytes)
			capacity *= 2;

		uint8_t *data = realloc(b->data, capacity);

		if (!data)
			return NULL;
		b->data = data;
		b->capacity = capacity;
	}
	return b->data + b->end;
}

void buf_commit(struct buf *b, size_t bytes)
{
	assert(bytes <= b->capacity - b->end);
	b->end += bytes;
}

int buf_append(struct buf *b, const void *data, size_t bytes)
{
	if (bytes == 0)
		return 0;
	if (bytes > b->max_bytes || buf_len(b) > b->max_bytes - bytes)
		return -EMSGSIZE;

	uint8_t *room = buf_reserve(b, bytes);

	if (!room)
		return -ENOMEM;
	memcpy(room, data, bytes);
	buf_commit(b, bytes);
	return 0;
}

void buf_consume(struct buf *b, size_t bytes)
{
	assert(bytes <= buf_len(b));
	b->start += bytes;
	if (b->start == b->end)
		b->start = b->end = 0;
}

ssize_t buf_read_from(struct buf *b, int fd, size_t want)
{
	size_t room = b->max_bytes - buf_len(b);

	if (want > room)
		want = room;
	if (want == 0)
		return -EMSGSIZE;

	uint8_t *at = buf_reserve(b, want);

	if (!at)
		return -ENOMEM;

	ssize_t n;

	do
		n = read(fd, at, want);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_commit(b, (size_t) n);
	return n;
}

ssize_t buf_write_to(struct buf *b, int fd)
{
	ssize_t n;

	do
		n = write(fd, buf_data(b), buf_len(b));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_consume(b, (size_t) n);
	return n;
}

const uint8_t *cursor_bytes(struct cursor *c, size_t bytes)
{
	if (c->poisoned || bytes > cursor_left(c)) {
		c->poisoned = true;
		return NULL;
	}

	const uint8_t *at = c->p;

	c->p += bytes;
	return at;
}

static uint64_t big_endian(struct cursor *c, size_t bytes)
{
	const uint8_t *p = cursor_bytes(c, bytes);
	uint64_t v = 0;

	for (size_t i = 0; p && i < bytes; i++)
		v = v << 8 | p[i];
	return v;
}

static uint64_t little_endian(struct cursor *c, size_t bytes)
{
	const uint8_t *p = cursor_bytes(c, bytes);
	uint64_t v = 0;

	for (size_t i = bytes; p && i > 0; i--)
		v = v << 8 | p[i - 1];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t) big_endian(c, 1);
}

uint16_t cursor_be16(struct cursor *c)
{
	return (uint16_t) big_endian(c, 2);
}

uint32_t cursor_be32(struct cursor *c)
{
	return (uint32_t) big_endian(c, 4);
}

uint16_t cursor_le16(struct cursor *c)
{
	return (uint16_t) little_endian(c, 2);
}

uint32_t cursor_le32(struct cursor *c)
{
	return (uint32_t) little_endian(c, 4);
}

uint64_t cursor_le64(struct cursor *c)
{
	return little_endian(c, 8);
}
