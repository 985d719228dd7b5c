/* run: create and start at once. */
#include "base/array.h"
#include "host/cli/create.h"

static const struct option options[] = {
	CREATE_OPTIONS,
	{"detach", 'd', CREATE_FIELD(FLAG, detach), NULL, "do not wait for the container", false},
	{"keep", 0, CREATE_FIELD(FLAG, keep), NULL, "do not delete the container when it ends",
	 false},
};

static int run_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct create_values *v = values;

	(void) argc;
	return create_container(cli, v, argv[0], v->detach, true, e);
}

const struct verb verb_run = {
	.name = "run",
	.arguments = "ID",
	.help = "create and start a container, and wait for its end",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct create_values),
	.min_args = 1,
	.max_args = 1,
	.run = run_run,
};
