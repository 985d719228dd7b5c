#include "ttrpc/unpack.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* malloc()'s own memory per block. */
#define BLOCK_OVERHEAD 8

/*
 * Two bytes of a packed message can become a struct of hundreds, so the memory of unpacking is
 * counted and limited. The blocks are ordinary ones of malloc(), so that any code can free the
 * message. Depth needs no limit, because no message of this project contains itself.
 */
struct budget {
	size_t left;
	size_t used;
	bool exceeded;
};

static void *budget_alloc(void *data, size_t bytes)
{
	struct budget *b = data;
	void *p = bytes <= b->left ? malloc(bytes) : NULL;
	size_t taken = p ? malloc_usable_size(p) + BLOCK_OVERHEAD : 0;

	if (!p || taken > b->left) {
		free(p);
		b->exceeded = true;
		return NULL;
	}
	b->left -= taken;
	b->used += taken;
	return p;
}

static void budget_free(void *data, void *p)
{
	struct budget *b = data;
	size_t taken = p ? malloc_usable_size(p) + BLOCK_OVERHEAD : 0;

	b->left += taken;
	b->used -= taken;
	free(p);
}

int unpack_counted(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes,
		   ProtobufCMessage **ret, size_t *ret_memory_bytes, struct err *e)
{
	size_t most = (64 << 10) + bytes * TTRPC_UNPACK_FACTOR;
	struct budget b = {.left = most < TTRPC_UNPACK_MAX ? most : TTRPC_UNPACK_MAX};
	ProtobufCAllocator allocator = {
		.alloc = budget_alloc,
		.free = budget_free,
		.allocator_data = &b,
	};

	if (bytes > TTRPC_MESSAGE_MAX)
		return err_say(e, ENOMEM, "a message of %zu bytes is too long", bytes);

	ProtobufCMessage *message = protobuf_c_message_unpack(type, &allocator, bytes, data);

	if (!message && b.exceeded)
		return err_say(e, ENOMEM, "%zu bytes of %s need too much memory", bytes,
			       type->name);
	if (!message)
		return err_say(e, EINVAL, "%zu bytes are no %s", bytes, type->name);
	*ret = message;
	*ret_memory_bytes = b.used;
	return 0;
}

int ttrpc_unpack(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes,
		 ProtobufCMessage **ret, struct err *e)
{
	size_t ignored;

	return unpack_counted(type, data, bytes, ret, &ignored, e);
}

void ttrpc_message_free(ProtobufCMessage *message)
{
	protobuf_c_message_free_unpacked(message, NULL);
}
