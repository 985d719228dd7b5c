/* metrics: those of one sandbox, as its server tells them. */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"

#include "host/cli/verb.h"
#include "host/http/http.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"
#include "oci/oci.h"

#define METRICS_TIMEOUT_MS 30000
#define ANSWER_MAX_BYTES   (1 << 20)

struct outcome {
	bool done;
	int r;
	struct err err;
};

static void answered(void *arg, const struct http_answer *a)
{
	struct outcome *o = arg;

	o->done = true;
	o->r = a->r;
	o->err = a->err;
	if (a->r == 0 && a->status != HTTP_OK)
		o->r = err_say(&o->err, EIO, "the sandbox server answers %d: %.*s", a->status,
			       (int) (a->bytes < 256 ? a->bytes : 256), a->body);
	else if (a->r == 0)
		(void) fwrite(a->body, 1, a->bytes, stdout);
}

static int metrics_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_free char *name = share_name_of(argv[0]);
	auto_free char *path = name ? str_printf(POD_BASE "/%s/" POD_SOCKET, name) : NULL;
	auto_ptr(loop_free) struct loop *loop = NULL;
	struct outcome o = {0};
	struct http_get *get;
	int r = path ? oci_id_check(argv[0], e) : err_sys(e, ENOMEM, "name a socket");

	(void) cli, (void) values, (void) argc;
	if (r == 0)
		r = loop_new(&loop, e);
	if (r == 0)
		r = http_get(loop, path, "/metrics", ANSWER_MAX_BYTES,
			     clock_deadline(METRICS_TIMEOUT_MS), answered, &o, &get, e);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		err_clear(e);
		return err_say(e, ESRCH, "no sandbox '%s' runs", argv[0]);
	}
	while (r >= 0 && !o.done)
		r = loop_step(loop, CLOCK_NEVER, e);
	if (r >= 0 && o.r < 0)
		*e = o.err;
	return r < 0 ? r : o.r;
}

const struct verb verb_metrics = {
	.name = "metrics",
	.arguments = "SANDBOX",
	.help = "print the metrics of a sandbox: its processes on the host, and its guest",
	.min_args = 1,
	.max_args = 1,
	.run = metrics_run,
};
