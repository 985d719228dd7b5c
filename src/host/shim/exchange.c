#include "host/shim/exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"

#define INPUT_MAX_BYTES (10U << 20)

int exchange_read(int fd, char **ret, size_t *ret_bytes, struct err *e)
{
	if (!isatty(fd))
		return file_read_fd(fd, "the standard input", INPUT_MAX_BYTES, ret, ret_bytes, e);
	*ret = strdup("");
	*ret_bytes = 0;
	return *ret ? 0 : err_sys(e, ENOMEM, "read the standard input");
}

int exchange_write(int fd, const void *data, size_t bytes, struct err *e)
{
	int r = fd_write_all(fd, data, bytes);

	return r < 0 ? err_sys(e, -r, "answer containerd") : 0;
}

int exchange_write_message(int fd, const ProtobufCMessage *m, struct err *e)
{
	size_t bytes = protobuf_c_message_get_packed_size(m);
	auto_free uint8_t *packed = malloc(bytes + 1);

	if (!packed)
		return err_sys(e, ENOMEM, "answer containerd");
	return exchange_write(fd, packed, protobuf_c_message_pack(m, packed), e);
}
