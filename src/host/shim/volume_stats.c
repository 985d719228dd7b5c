#include "host/shim/volume_stats.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/auto.h"
#include "host/storage/direct_volume.h"

/* NULL: out of memory, or the guest's text is no UTF-8. */
static char *write_stats(const Grpc__VolumeStatsResponse *from)
{
	const Grpc__VolumeCondition *condition = from->volume_condition;
	json_t *usage = json_array();
	json_t *doc = json_pack("{s:o, s:{s:b, s:s}}", "usage", usage, "volume_condition",
				"abnormal", condition && condition->abnormal, "message",
				condition ? condition->message : "");

	for (size_t i = 0; doc && i < from->n_usage; i++) {
		const Grpc__VolumeUsage *u = from->usage[i];

		(void) json_array_append_new(
			usage, json_pack("{s:I, s:I, s:I, s:i}", "available",
					 (json_int_t) u->available, "total", (json_int_t) u->total,
					 "used", (json_int_t) u->used, "unit", (int) u->unit));
	}

	char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;

	json_decref(doc);
	return text;
}

static int status_of(int r)
{
	if (r == -ENOENT)
		return HTTP_NOT_FOUND;
	return r == -ECONNRESET ? HTTP_UNAVAILABLE : HTTP_SERVER_ERROR;
}

static void answered(void *arg, const struct sandbox_answer *a)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	struct http_call *call = arg;
	struct err e = a->err;
	int r = a->r;

	if (r == 0)
		r = ttrpc_unpack(&grpc__volume_stats_response__descriptor, a->data, a->bytes, &m,
				 &e);
	if (r < 0) {
		http_say(call, status_of(r), e.text);
		return;
	}

	auto_free char *text = write_stats((Grpc__VolumeStatsResponse *) m);

	if (text)
		http_reply(call, HTTP_OK, HTTP_JSON, text, strlen(text));
	else
		http_say(call, HTTP_SERVER_ERROR, "the guest's answer cannot be told");
}

void volume_stats(struct server *s, struct http_call *call, const struct http_request *q)
{
	char path[HTTP_TARGET_MAX];
	auto_free char *place =
		http_query(q, "path", path) ? direct_volume_guest_place(path) : NULL;

	if (!place) {
		http_say(call, HTTP_BAD_REQUEST, "the query has no path of a direct volume");
		return;
	}
	sandbox_volume_stats(s->sandbox, place, answered, call);
}
