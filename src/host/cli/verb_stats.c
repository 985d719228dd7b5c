/* events and ps: what goes on in a container. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "host/cli/server.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"

#define EVENTS_INTERVAL_S 5

struct events_values {
	bool stats;
	const char *interval;
};

static const struct option events_options[] = {
	{"stats", 0, OPTION_FLAG, offsetof(struct events_values, stats), NULL,
	 "print the statistics once and end", false},
	{"interval", 0, OPTION_STRING, offsetof(struct events_values, interval), "TIME",
	 "seconds between two statistics (5s)", false},
};

/* One line per event, as runc prints them; the data is the server's JSON. */
static int print_stats(struct server *s, const char *id, struct err *e)
{
	Containerd__Task__V2__StatsRequest q = CONTAINERD__TASK__V2__STATS_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	int r;

	q.id = (char *) id;
	r = server_task(s, "Stats", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m, e);
	if (r < 0)
		return r;

	const Containerd__Task__V2__StatsResponse *answer = (void *) m;

	if (!answer->stats)
		return err_say(e, EPROTO, "the sandbox server has no statistics of '%s'", id);
	printf("{\"type\":\"stats\",\"id\":\"%s\",\"data\":%.*s}\n", id,
	       (int) answer->stats->value.len, (const char *) answer->stats->value.data);
	(void) fflush(stdout);
	return 0;
}

static int parse_interval(const char *text, uint64_t *ret_ms, struct err *e)
{
	auto_free char *digits = NULL;
	uint64_t seconds;

	*ret_ms = EVENTS_INTERVAL_S * 1000;
	if (!text)
		return 0;
	digits = strndup(text, strcspn(text, "s"));
	if (!digits || num_parse_u64(digits, &seconds) < 0 || seconds == 0 || seconds > 86400 ||
	    strlen(text) > strlen(digits) + 1)
		return err_say(e, EINVAL,
			       "option --interval is a number of seconds such as '5s', not '%s'",
			       text);
	*ret_ms = seconds * 1000;
	return 0;
}

/* Until the container ends or the server hangs up, which is the ordinary end. */
static int follow(struct server *s, const char *id, uint64_t interval_ms, struct err *e)
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
	auto_server struct server s = SERVER_NONE;
	uint64_t interval_ms;
	int r = parse_interval(v->interval, &interval_ms, e);

	(void) argc;
	if (r == 0)
		r = server_reach(cli, argv[0], "watch", &s, e);
	if (r < 0)
		return r;
	return v->stats ? print_stats(&s, argv[0], e) : follow(&s, argv[0], interval_ms, e);
}

const struct verb verb_events = {
	.name = "events",
	.arguments = "ID",
	.help = "print the statistics of a container, once or again and again",
	.options = events_options,
	.n_options = ARRAY_LEN(events_options),
	.values_bytes = sizeof(struct events_values),
	.min_args = 1,
	.max_args = 1,
	.run = run_events,
};

struct ps_values {
	const char *format;
};

static const struct option ps_options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct ps_values, format), "WORD", "table or json",
	 false},
};

/* The words behind the id are options of the host's ps(1) for runc, which picks the container's
 * processes out of what that prints. Ours are not among those: the guest makes the one table there is. */
static int run_ps(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct ps_values *v = values;
	const char *format = v->format ? v->format : "table";
	Kata__V1__ListProcessesRequest q = KATA__V1__LIST_PROCESSES_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	auto_server struct server s = SERVER_NONE;

	(void) argc;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_say(e, EINVAL, "option --format is table or json, not '%s'", format);

	int r = server_reach(cli, argv[0], "list the processes of", &s, e);

	q.id = argv[0];
	q.format = (char *) format;
	if (r == 0)
		r = server_admin(&s, "ListProcesses", &q.base, &m, e);
	if (r < 0)
		return r;

	const Kata__V1__ListProcessesResponse *answer = (void *) m;

	(void) fwrite(answer->process_list.data, 1, answer->process_list.len, stdout);
	if (answer->process_list.len == 0 ||
	    answer->process_list.data[answer->process_list.len - 1] != '\n')
		printf("\n");
	return 0;
}

const struct verb verb_ps = {
	.name = "ps",
	.arguments = "ID [OPTIONS OF PS]",
	.help = "list the processes of a container, as the guest numbers them",
	.options = ps_options,
	.n_options = ARRAY_LEN(ps_options),
	.values_bytes = sizeof(struct ps_values),
	.min_args = 1,
	.max_args = -1,
	.run = run_ps,
};
