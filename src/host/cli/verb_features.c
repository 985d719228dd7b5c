/* features: what config.json may ask for (runtime-spec features.md). */
#include <stdio.h>

#include "base/auto.h"
#include "host/cli/verb.h"
#include "oci/features.h"

static int features_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_free char *text = NULL;
	int r = oci_features_print(&text, e);

	(void) cli, (void) values, (void) argc, (void) argv;
	if (r == 0)
		printf("%s\n", text);
	return r;
}

const struct verb verb_features = {
	.name = "features",
	.arguments = "",
	.help = "print what config.json may ask for",
	.max_args = 0,
	.run = features_run,
};
