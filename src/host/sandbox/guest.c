#include <errno.h>

#include "host/sandbox/inside.h"

int guest_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	      msec_t deadline, ProtobufCMessage **ret, struct err *e)
{
	int r;

	if (!sb->agent)
		r = err_say(e, ECONNRESET, "%s: there is no line to the guest", method);
	else
		r = agent_call(sb->agent, method, message, deadline, ret, e);
	return r < 0 ? loss_find_reason(sb, r, e) : r;
}
