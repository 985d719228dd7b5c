/* state: one container, as the OCI runtime specification describes it. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"

/* On one line as oci_state_print() writes it, or indented for a person. */
static int print_state(const struct oci_state *state, struct err *e)
{
	auto_free char *line = NULL;
	int r = oci_state_print(state, &line, e);

	if (r < 0)
		return r;

	json_t *o = json_loads(line, 0, NULL);
	auto_free char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	auto_free char *shown = text ? text_json(text, strlen(text)) : NULL;

	json_decref(o);
	printf("%s\n", shown ? shown : line);
	return 0;
}

static int state_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	struct status_view v = {0};
	int r = state_dir_open(cli->root, argv[0], &dir, e);

	(void) values, (void) argc;
	if (r == 0)
		r = status_view_read(&dir, &v, e);
	if (r == 0)
		r = print_state(&v.state, e);
	status_view_fini(&v);
	return r;
}

const struct verb verb_state = {
	.name = "state",
	.arguments = "ID",
	.help = "print the state of a container",
	.min_args = 1,
	.max_args = 1,
	.run = state_run,
};
