/* What comes out of a netlink socket: the first byte says how large the fixed part of a message is,
 * the others are messages of the request number 7. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/netlink.h"

#define TYPES 64

static int on_message(void *arg, const struct nl_message *m, struct err *e)
{
	struct nl_value table[TYPES], inner[TYPES];
	size_t *seen = arg;

	(void) e;
	if (nl_parse(m->attributes, m->attributes_bytes, table, TYPES) < 0)
		return 0;
	for (size_t i = 0; i < TYPES; i++) {
		*seen += nl_u32(&table[i]) + strlen(nl_string(&table[i]));
		if (nl_parse(table[i].data, table[i].bytes, inner, TYPES) == 0)
			*seen += inner[1].bytes;
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct err e = {0};
	char shown[640];
	size_t seen = 0;
	bool interrupted = false;

	if (bytes < 1)
		return 0;

	/* Of its own size, so that one byte too far is noticed. */
	uint8_t *copy = malloc(bytes > 1 ? bytes - 1 : 1);

	if (!copy)
		return 0;
	memcpy(copy, data + 1, bytes - 1);
	if (nl_read(copy, bytes - 1, 7, data[0], on_message, &seen, &interrupted, &e) < 0)
		(void) err_show(&e, shown, sizeof shown);
	free(copy);
	return 0;
}
