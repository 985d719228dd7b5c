/* metrics: those of one sandbox, as its server tells them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "host/cli/pod_client.h"
#include "host/cli/verb.h"
#include "host/storage/share.h"
#include "oci/oci.h"

static int metrics_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_free char *name = share_name_of(argv[0]);
	auto_free char *text = NULL;
	size_t bytes;
	int r = name ? oci_id_check(argv[0], e) : err_sys(e, ENOMEM, "name a sandbox");

	(void) cli, (void) values, (void) argc;
	if (r == 0)
		r = pod_ask(name, "/metrics", &text, &bytes, e);
	if (r == 0)
		(void) fwrite(text, 1, bytes, stdout);
	return r;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.arguments = "SANDBOX",
	.help = "print the metrics of a sandbox: its processes on the host, and its guest",
	.min_args = 1,
	.max_args = 1,
	.run = metrics_run,
};
