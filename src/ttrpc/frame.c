#include "ttrpc/frame.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"

struct frame_header frame_header_read(const uint8_t *data)
{
	struct cursor c = cursor_over(data, FRAME_HEADER_BYTES);
	struct frame_header h = {0};

	h.body_bytes = cursor_be32(&c);
	h.stream = cursor_be32(&c);
	h.type = cursor_u8(&c);
	h.flags = cursor_u8(&c);
	return h;
}

struct frame *frame_new(size_t room)
{
	struct frame *f = malloc(sizeof *f + FRAME_HEAD_ROOM + room);

	if (!f)
		return NULL;
	list_init(&f->link);
	f->n_fds = 0;
	f->start = FRAME_HEAD_ROOM;
	f->end = FRAME_HEAD_ROOM + room;
	return f;
}

void frame_free(struct frame *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_fds; i++)
		fd_close(f->fds[i]);
	free(f);
}

uint8_t *frame_push(struct frame *f, size_t bytes)
{
	assert(bytes <= f->start);
	f->start -= bytes;
	return f->bytes + f->start;
}

void frame_set_flags(struct frame *f, uint8_t flags)
{
	f->bytes[f->start + 9] = flags;
}

void frame_seal(struct frame *f, uint32_t stream, enum frame_type type)
{
	size_t body_bytes = frame_len(f);
	uint8_t *header = frame_push(f, FRAME_HEADER_BYTES);

	assert(body_bytes <= TTRPC_MESSAGE_MAX);
	put_be32(header, (uint32_t) body_bytes);
	put_be32(header + 4, stream);
	header[8] = (uint8_t) type;
	header[9] = 0;
}
