/* create: a bundle becomes a container, which start then runs. */
#include "base/array.h"
#include "host/cli/create.h"

static const struct option options[] = {CREATE_OPTIONS};

static int create_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	(void) argc;
	return create_container(cli, values, argv[0], true, false, e);
}

const struct verb verb_create = {
	.name = "create",
	.arguments = "ID",
	.help = "make a container out of a bundle; start runs it",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct create_values),
	.min_args = 1,
	.max_args = 1,
	.run = create_run,
};
