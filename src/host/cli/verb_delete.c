/* delete: a container and all that belongs to it go. */
#include <errno.h>

#include "base/array.h"
#include "host/cli/delete.h"

struct values {
	bool force;
};

static const struct option options[] = {
	{"force", 'f', OPTION_FLAG, offsetof(struct values, force), NULL,
	 "kill it first; a container that does not exist is no error", false},
};

static int delete_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	int r = state_dir_open(cli->root, argv[0], &dir, e);

	(void) argc;
	if (r == -ENOENT && v->force)
		return err_clear(e), 0;
	return r < 0 ? r : delete_container(cli, &dir, v->force, e);
}

const struct verb verb_delete = {
	.name = "delete",
	.arguments = "ID",
	.help = "remove a container and all that belongs to it",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.run = delete_run,
};
