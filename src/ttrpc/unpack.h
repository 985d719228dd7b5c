#pragma once

#include "ttrpc/ttrpc.h"

/* Private to ttrpc: ttrpc_unpack() that also tells how much memory the message takes. */
int unpack_counted(const ProtobufCMessageDescriptor *type, const void *data, size_t bytes,
		   ProtobufCMessage **ret, size_t *ret_memory_bytes, struct err *e);
