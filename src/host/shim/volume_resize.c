#include "host/shim/volume_resize.h"

#include <errno.h>

#include "base/auto.h"
#include "host/state/run_dir.h"
#include "host/storage/direct_volume.h"

static int status_of(int r)
{
	switch (r) {
	case -ENOENT:
		return HTTP_NOT_FOUND;
	case -EINVAL:
	case -EROFS:
	case -ENOTSUP:
		return HTTP_CONFLICT;
	case -ECONNRESET:
		return HTTP_UNAVAILABLE;
	default:
		return HTTP_SERVER_ERROR;
	}
}

static void answered(void *arg, const struct sandbox_answer *a)
{
	struct http_call *call = arg;

	if (a->r < 0)
		http_say(call, status_of(a->r), a->err.text);
	else
		http_reply(call, HTTP_OK, HTTP_TEXT, "", 0);
}

static int find_volume(const char *path, struct direct_volume *ret, char **ret_place, struct err *e)
{
	auto_free char *base = run_dir_path(RUN_DIR, DIRECT_VOLUME_BASE);
	int r = base ? direct_volume_read(base, path, ret, e)
		     : err_sys(e, ENOMEM, "find the direct volumes");

	if (r < 0)
		return r;
	*ret_place = direct_volume_guest_place(path);
	return *ret_place ? 0 : err_sys(e, ENOMEM, "resize a volume");
}

void volume_resize(struct server *s, struct http_call *call, const struct http_request *q)
{
	auto_direct_volume struct direct_volume volume = {0};
	auto_free char *path = NULL, *place = NULL;
	struct err e = {0};
	uint64_t bytes = 0;

	if (!q->body || direct_volume_parse_resize(q->body, q->body_bytes, &path, &bytes, &e) < 0) {
		http_say(call, HTTP_BAD_REQUEST,
			 q->body ? e.text : "the body says no VolumePath and no Size");
		return;
	}

	int r = find_volume(path, &volume, &place, &e);

	if (r < 0) {
		http_say(call, status_of(r), e.text);
		return;
	}

	const struct sandbox_volume_size size = {
		.guest_path = place,
		.device = volume.device,
		.bytes = bytes,
	};

	sandbox_volume_resize(s->sandbox, &size, answered, call);
}
