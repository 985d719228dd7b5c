/* A copy of a packet, in the kernel's message and alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/egress/capture.h"
#include "host/egress/packet.h"
#include "host/egress/refusal.h"

static void look(void *arg, const struct capture *c)
{
	char text[PACKET_TEXT_BYTES];
	uint8_t out[REFUSAL_BYTES];
	struct packet p;

	(void) arg;
	if (!packet_read(c->packet, c->bytes, &p))
		return;
	packet_describe(&p, text);
	if (refusal_write(c->packet, c->bytes, &p, out) > sizeof out)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = bytes ? malloc(bytes) : NULL;

	if (!copy)
		return 0;
	memcpy(copy, data, bytes);
	capture_read(copy, bytes, look, NULL);
	look(NULL, &(struct capture){.prefix = "", .packet = copy, .bytes = bytes});
	packet_sum(copy, bytes);
	free(copy);
	return 0;
}
