/* cleanup: removes what dead sandbox servers have left. */
#include <errno.h>
#include <stdio.h>

#include "base/array.h"
#include "host/cli/leftovers.h"
#include "host/cli/verb.h"
#include "host/state/pod_dir.h"
#include "host/state/run_dir.h"
#include "host/storage/share.h"

struct values {
	bool dry_run;
};

static const struct option options[] = {
	{"dry-run", 0, OPTION_FLAG, offsetof(struct values, dry_run), NULL,
	 "only say what would be removed", false},
};

static int cleanup_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	auto_free char *pods = pod_dir_base();
	auto_free char *shares = run_dir_path(RUN_DIR, SHARE_BASE);
	struct leftovers l = {
		.cli = cli,
		.pods_base = pods,
		.shares_base = shares,
		.dry_run = v->dry_run,
	};

	(void) argc, (void) argv;
	if (!pods || !shares)
		return err_sys(e, ENOMEM, "clean up");
	leftovers_remove(&l);
	if (!l.found && !l.failed)
		printf("nothing is left behind\n");
	return l.failed ? 1 : 0;
}

const struct verb verb_cleanup = {
	.name = "cleanup",
	.arguments = "",
	.help = "remove what sandbox servers have left that are dead, of all engines",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.max_args = 0,
	.run = cleanup_run,
};
