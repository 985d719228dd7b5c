#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/err.h"

/* What a verb reads from whoever runs it, and writes back. Private to host/shim. */

/* All of @fd: at most what containerd's own shims read, and nothing if a person at a terminal would
 * have to end the input. *@ret is freed by the caller. Returns 0 or -errno. */
int exchange_read(int fd, char **ret, size_t *ret_bytes, struct err *e);

/* Both return 0 or -errno. */
int exchange_write(int fd, const void *data, size_t bytes, struct err *e);
int exchange_write_message(int fd, const ProtobufCMessage *m, struct err *e);
