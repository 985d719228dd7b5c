/* version: what program this is. */
#include <stdio.h>

#include "base/version.h"
#include "host/cli/verb.h"

/* The OCI runtime specification that config.json may follow. */
#define SPEC_VERSION "1.2.0"

static int version_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	(void) values, (void) argc, (void) argv, (void) e;
	printf("%s version %s\ncommit: %s\nspec: %s\n", cli->program, version_number(),
	       version_commit(), SPEC_VERSION);
	return 0;
}

const struct verb verb_version = {
	.name = "version",
	.arguments = "",
	.help = "print the version",
	.max_args = 0,
	.run = version_run,
};
