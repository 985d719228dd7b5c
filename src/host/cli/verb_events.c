/* events: what goes on in a container. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "host/cli/duration.h"
#include "host/cli/shim_client.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"

#define EVENTS_INTERVAL_MS     5000
#define EVENTS_INTERVAL_MAX_MS (24U * 3600 * 1000)

struct events_values {
	bool stats;
	const char *interval;
};

static const struct option events_options[] = {
	{"stats", 0, OPTION_FLAG, offsetof(struct events_values, stats), NULL,
	 "print the statistics once and end", false},
	{"interval", 0, OPTION_STRING, offsetof(struct events_values, interval), "TIME",
	 "time between two statistics (5s)", false},
};

/* One line per event, as runc prints them; the data is the server's JSON. */
static int print_stats(struct shim_client *s, const char *id, struct err *e)
{
	Containerd__Task__V2__StatsRequest q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	int r;

	q.id = (char *) id;
	r = shim_client_task(s, "Stats", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m, e);
	if (r < 0)
		return r;

	const Containerd__Task__V2__StatsResponse *answer = (void *) m;

	if (!answer->stats)
		return err_say(e, EPROTO, "the sandbox server has no statistics of '%s'", id);

	/* Escaped, because the names in it come from the guest. */
	auto_free char *data =
		text_json((const char *) answer->stats->value.data, answer->stats->value.len);

	if (!data)
		return err_sys(e, ENOMEM, "print the statistics of '%s'", id);
	printf("{\"type\":\"stats\",\"id\":\"%s\",\"data\":%s}\n", id, data);
	(void) fflush(stdout);
	return 0;
}

static int parse_interval(const char *text, uint64_t *ret_ms, struct err *e)
{
	*ret_ms = EVENTS_INTERVAL_MS;
	if (!text)
		return 0;
	if (duration_parse(text, ret_ms) < 0 || *ret_ms == 0 || *ret_ms > EVENTS_INTERVAL_MAX_MS)
		return err_say(e, EINVAL,
			       "option --interval is a time up to a day such as '5s', '500ms' or "
			       "'1m30s', not '%s'",
			       text);
	return 0;
}

/* The pending call that the server answers when the container runs out of memory. */
struct oom_line {
	struct shim_client *server;
	const char *id;
	uint32_t seen;
};

static void await_oom(struct oom_line *line);

static void oom_happened(void *arg, struct ttrpc_answer *answer)
{
	struct oom_line *line = arg;
	const Kata__V1__AwaitOomResponse *a = (const void *) answer->response;

	/* The container is gone, or the server is too old to know the call. */
	if (answer->r < 0 || a->count <= line->seen)
		return;
	for (; line->seen < a->count; line->seen++)
		printf("{\"type\":\"oom\",\"id\":\"%s\"}\n", line->id);
	(void) fflush(stdout);
	await_oom(line);
}

static void await_oom(struct oom_line *line)
{
	Kata__V1__AwaitOomRequest q = KATA__V1__AWAIT_OOM_REQUEST__INIT;
	const struct ttrpc_request request = {
		.service = &kata__v1__admin__descriptor,
		.method = "AwaitOom",
		.message = &q.base,
		.deadline = CLOCK_NEVER,
	};

	q.id = (char *) line->id;
	q.seen = line->seen;
	(void) ttrpc_call(line->server->client, &request, oom_happened, line, NULL, NULL);
}

/* Prints until the container ends or, as is usual, the server closes the connection. */
static int follow(struct shim_client *s, const char *id, uint64_t interval_ms, struct err *e)
{
	enum oci_status status = OCI_RUNNING;
	int r = 0;

	while (r == 0 && (status == OCI_RUNNING || status == OCI_PAUSED)) {
		msec_t next = clock_deadline(interval_ms);

		r = print_stats(s, id, e);
		while (r == 0 && clock_now() < next && !ttrpc_client_closed(s->client))
			r = loop_step(s->loop, next, e) < 0 ? -EIO : 0;
		if (ttrpc_client_closed(s->client))
			return 0;
		if (r == 0)
			r = status_ask(s, id, &status, e);
	}
	if (r == -ECONNRESET) {
		err_clear(e);
		return 0;
	}
	return r;
}

static int run_events(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct events_values *v = values;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	struct oom_line line = {.server = &s, .id = argv[0]}; /* in use until @s is closed */
	uint64_t interval_ms;
	int r = parse_interval(v->interval, &interval_ms, e);

	(void) argc;
	if (r == 0)
		r = shim_client_reach(cli, argv[0], "watch", &s, e);
	if (r < 0)
		return r;
	if (v->stats)
		return print_stats(&s, argv[0], e);
	await_oom(&line);
	return follow(&s, argv[0], interval_ms, e);
}

const struct verb verb_events = {
	.name = "events",
	.arguments = "ID",
	.help = "print statistics of a container again and again, and when it runs out of memory",
	.options = events_options,
	.n_options = ARRAY_LEN(events_options),
	.values_bytes = sizeof(struct events_values),
	.min_args = 1,
	.max_args = 1,
	.run = run_events,
};
