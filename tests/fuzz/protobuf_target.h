#pragma once

/*
 * Unpacks arbitrary bytes as one of the messages of a few services: the first byte says which. What
 * could be read is written and read again. protobuf-c keeps fields it does not know, even those
 * whose number is no number, so the second reading may refuse what the first has let pass.
 */
#include <stdint.h>
#include <stdlib.h>

#include "ttrpc/ttrpc.h"

static const ProtobufCMessageDescriptor *choose_message(
	const ProtobufCServiceDescriptor *const *services, size_t n, uint8_t which)
{
	size_t total = 0, at;

	for (size_t i = 0; i < n; i++)
		total += 2 * services[i]->n_methods;
	at = which % total;
	for (size_t i = 0; i < n; at -= 2 * services[i++]->n_methods) {
		const ProtobufCMethodDescriptor *methods = services[i]->methods;

		if (at < 2 * services[i]->n_methods)
			return at % 2 ? methods[at / 2].output : methods[at / 2].input;
	}
	abort();
}

static int unpack_any(const ProtobufCServiceDescriptor *const *services, size_t n,
		      const uint8_t *data, size_t bytes)
{
	ProtobufCMessage *m = NULL, *again = NULL;

	if (bytes == 0)
		return 0;

	const ProtobufCMessageDescriptor *type = choose_message(services, n, data[0]);

	if (ttrpc_unpack(type, data + 1, bytes - 1, &m, NULL) < 0)
		return 0;

	size_t packed_bytes = protobuf_c_message_get_packed_size(m);
	uint8_t *packed = malloc(packed_bytes + 1);

	if (!packed || protobuf_c_message_pack(m, packed) != packed_bytes)
		abort();
	(void) ttrpc_unpack(type, packed, packed_bytes, &again, NULL);
	free(packed);
	ttrpc_message_free(again);
	ttrpc_message_free(m);
	return 0;
}
