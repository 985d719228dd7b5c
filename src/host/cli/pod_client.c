#include "host/cli/pod_client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/http/http.h"
#include "host/state/pod_dir.h"

#define TIMEOUT_MS       30000
#define ANSWER_MAX_BYTES (2 << 20)

struct outcome {
	bool done;
	int r;
	struct err err;
	char *body;
	size_t bytes;
};

static void answered(void *arg, const struct http_answer *a)
{
	struct outcome *o = arg;

	o->done = true;
	o->r = a->r;
	o->err = a->err;
	if (a->r < 0)
		return;
	if (a->status != HTTP_OK) {
		o->r = err_say(&o->err, EIO, "the sandbox server answers %d: %.*s", a->status,
			       (int) strcspn(a->body, "\n"), a->body);
		return;
	}
	o->body = malloc(a->bytes + 1);
	if (!o->body) {
		o->r = err_sys(&o->err, ENOMEM, "keep the sandbox server's answer");
		return;
	}
	memcpy(o->body, a->body, a->bytes + 1);
	o->bytes = a->bytes;
}

/* @question NULL: a GET. */
static int ask(const char *name, const char *target, const char *question, char **ret_body,
	       size_t *ret_bytes, struct err *e)
{
	auto_free char *base = pod_dir_base();
	auto_free char *path = base ? str_printf("%s/%s/" POD_SOCKET, base, name) : NULL;
	auto_ptr(loop_free) struct loop *loop = NULL;
	struct outcome o = {0};
	struct http_get *get;
	int r = path ? loop_new(&loop, e) : err_sys(e, ENOMEM, "name a socket");

	if (r == 0)
		r = question ? http_post(loop, path, target, question, ANSWER_MAX_BYTES,
					 clock_deadline(TIMEOUT_MS), answered, &o, &get, e)
			     : http_get(loop, path, target, ANSWER_MAX_BYTES,
					clock_deadline(TIMEOUT_MS), answered, &o, &get, e);
	if (r == -ENOENT || r == -ECONNREFUSED) {
		err_clear(e);
		return err_say(e, ESRCH, "no sandbox '%s' runs", name);
	}
	while (r >= 0 && !o.done)
		r = loop_step(loop, CLOCK_NEVER, e);
	if (r < 0)
		return r;
	if (o.r < 0) {
		if (e)
			*e = o.err;
		return o.r;
	}
	*ret_body = o.body;
	*ret_bytes = o.bytes;
	return 0;
}

int pod_ask(const char *name, const char *target, char **ret_body, size_t *ret_bytes, struct err *e)
{
	return ask(name, target, NULL, ret_body, ret_bytes, e);
}

int pod_tell(const char *name, const char *target, const char *body, struct err *e)
{
	auto_free char *answer = NULL;
	size_t bytes;

	return ask(name, target, body, &answer, &bytes, e);
}
