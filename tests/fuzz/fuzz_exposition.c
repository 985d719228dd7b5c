/*
 * Metrics that a guest or a pod has written: no bytes crash or hang; what is passed on is made of
 * whole lines that are in order when they are read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/metrics/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
}

static void read_again(const char *p, const char *end)
{
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t) (end - p));

		require(newline != NULL);

		struct exposition_line l = exposition_read(p, (size_t) (newline - p), NULL);

		require(l.kind != EXPOSITION_NONE && l.name_bytes > 5);
		require(memcmp(l.name, "kata_", 5) == 0);
		p = newline + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char *const prefixes[] = {"kata_", NULL};
	struct buf out;

	(void) exposition_read((const char *) data, bytes, "sandbox_id");
	buf_init(&out, 1 << 16);
	if (exposition_copy((const char *) data, bytes, prefixes, &out) == 0 && buf_len(&out) > 0)
		read_again((const char *) buf_data(&out),
			   (const char *) buf_data(&out) + buf_len(&out));
	buf_fini(&out);
	return 0;
}
