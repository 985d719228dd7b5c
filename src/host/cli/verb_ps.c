/* ps: what runs in a container. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "kata.pb-c.h"

struct ps_values {
	const char *format;
};

static const struct option ps_options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct ps_values, format), "WORD", "table or json",
	 false},
};

/* Prints the pids of the stand-ins, because engines look pids up among the host's processes (docker
 * top gives them to ps): a pid of the guest would mean an unrelated process there. */
static int print_pids(struct shim_client *s, const char *id, struct err *e)
{
	Kata__V1__HostPidsRequest q = KATA__V1__HOST_PIDS_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	q.id = (char *) id;

	int r = shim_client_admin(s, "HostPids", &q.base, &m, e);

	if (r < 0)
		return r;

	const Kata__V1__HostPidsResponse *answer = (void *) m;

	printf("[");
	for (size_t i = 0; i < answer->n_pids; i++)
		printf("%s%u", i ? "," : "", answer->pids[i]);
	printf("]\n");
	return 0;
}

/* The words after the id are ignored: runc gives them to the host's ps(1) and picks the container's
 * processes out of its output, but these are not on the host. The guest makes the only table. */
static int run_ps(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct ps_values *v = values;
	const char *format = v->format ? v->format : "table";
	Kata__V1__ListProcessesRequest q = KATA__V1__LIST_PROCESSES_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;

	(void) argc;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return err_say(e, EINVAL, "option --format is table or json, not '%s'", format);

	int r = shim_client_reach(cli, argv[0], "list the processes of", &s, e);

	q.id = argv[0];
	q.format = (char *) format;
	if (r == 0)
		r = shim_client_admin(&s, "ListProcesses", &q.base, &m, e);
	if (r == 0 && strcmp(format, "json") == 0)
		return print_pids(&s, argv[0], e);
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
	.help = "list the processes of a container: a table as the guest numbers them, json as the host does",
	.options = ps_options,
	.n_options = ARRAY_LEN(ps_options),
	.values_bytes = sizeof(struct ps_values),
	.min_args = 1,
	.max_args = -1,
	.run = run_ps,
};
