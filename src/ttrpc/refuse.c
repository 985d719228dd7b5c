#include <errno.h>

#include "ttrpc/envelope.h"
#include "ttrpc/server.h"

void connection_refuse(struct connection *c, uint32_t stream, enum ttrpc_code code,
		       const char *message)
{
	struct frame *f = status_frame(code, message, stream);
	struct err e = {0};

	if (f) {
		wire_send(c->wire, f);
		return;
	}
	(void) err_sys(&e, ENOMEM, "answer");
	wire_break(c->wire, &e);
}
