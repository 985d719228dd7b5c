#include "host/shim/management.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "host/http/http.h"
#include "host/shim/pod_metrics.h"
#include "host/shim/volume_resize.h"
#include "host/shim/volume_stats.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"
#include "oci/oci.h"

/* The agent's port, as upstream has it. */
#define AGENT_PORT 1024

#define CONTAINERS_MAX_BYTES (1 << 20)

struct management {
	struct pod_dir dir;
	struct http_server *http;
};

static void agent_url(struct server *s, struct http_call *call, const struct http_request *q)
{
	struct sandbox_description d;
	char text[64];

	(void) q;
	sandbox_describe(s->sandbox, &d);
	if (!d.vmm_pid) {
		http_say(call, HTTP_UNAVAILABLE, "there is no machine");
		return;
	}
	if (!d.guest_cid) {
		http_say(call, HTTP_NOT_IMPLEMENTED,
			 "the agent has no address: it is reached through a port of virtio-serial, "
			 "which only this server has");
		return;
	}
	(void) snprintf(text, sizeof text, "vsock://%u:%d", d.guest_cid, AGENT_PORT);
	http_reply(call, HTTP_OK, HTTP_TEXT, text, strlen(text));
}

/* The list of containers that is being written. */
struct listing {
	struct server *s;
	struct buf text;
	int r; /* 0, or -errno of what does not fit */
};

static void list_container(void *arg, const char *id)
{
	struct listing *l = arg;
	auto_free char *text = NULL;
	struct sandbox_process p;

	if (l->r < 0 || sandbox_state(l->s->sandbox, id, "", &p, NULL) < 0)
		return;

	const struct oci_state state = {
		.id = id, .status = p.status, .pid = (int) p.pid, .bundle = p.bundle};

	l->r = oci_state_print(&state, &text, NULL);
	if (l->r == 0 && buf_len(&l->text) > 1)
		l->r = buf_append(&l->text, ",", 1);
	if (l->r == 0)
		l->r = buf_append(&l->text, text, strlen(text));
}

/* Not upstream's: the states of all containers, as "kata-runtime list --all" shows them. */
static void containers(struct server *s, struct http_call *call, const struct http_request *q)
{
	struct listing l = {.s = s};

	(void) q;
	buf_init(&l.text, CONTAINERS_MAX_BYTES);
	l.r = buf_append(&l.text, "[", 1);
	sandbox_each(s->sandbox, list_container, &l);
	if (l.r == 0)
		l.r = buf_append(&l.text, "]", 1);
	if (l.r == 0)
		http_reply(call, HTTP_OK, HTTP_JSON, buf_data(&l.text), buf_len(&l.text));
	else
		http_say(call, HTTP_SERVER_ERROR, "the list of containers is too long");
	buf_fini(&l.text);
}

/* Not upstream's: a shell in the guest, for "kata-runtime console". The query may say how large its
 * terminal is, "size=80x25"; without that it has none. */
static void debug_console(struct server *s, struct http_call *call, const struct http_request *q)
{
	struct sandbox_console_form form = {0};
	struct err e = {0};
	char size[HTTP_TARGET_MAX], rest;

	if (q->query[0] && (!http_query(q, "size", size) ||
			    sscanf(size, "%4ux%4u%c", &form.columns, &form.rows, &rest) != 2 ||
			    !form.columns || !form.rows)) {
		http_say(call, HTTP_BAD_REQUEST, "this is no size of a terminal");
		return;
	}

	int r = sandbox_may_console(s->sandbox, &e);

	if (r < 0) {
		http_say(call, r == -EPERM ? HTTP_FORBIDDEN : HTTP_UNAVAILABLE, e.text);
		return;
	}

	int fd = http_take_over(call, "kata-console");

	if (fd >= 0)
		sandbox_console(s->sandbox, fd, &form);
}

#define METHOD(m) (1U << (m))
#define GET       METHOD(HTTP_GET)
#define PUT       METHOD(HTTP_PUT)
#define POST      METHOD(HTTP_POST)

/* All but two are upstream's; those with a sentence have nothing behind them here. */
static const struct route {
	const char *path;
	unsigned methods;
	void (*answer)(struct server *s, struct http_call *call, const struct http_request *q);
	const char *sentence;
} routes[] = {
	{"/metrics", GET, pod_metrics, NULL},
	{"/agent-url", GET, agent_url, NULL},
	{"/containers", GET, containers, NULL},
	{"/debug-console", GET, debug_console, NULL},
	{"/iptables", GET | PUT, NULL, "the guest has no iptables-save and iptables-restore"},
	{"/ip6tables", GET | PUT, NULL, "the guest has no ip6tables-save and ip6tables-restore"},
	{"/direct-volume/stats", GET | POST, volume_stats, NULL},
	{"/direct-volume/resize", POST, volume_resize, NULL},
	{"/policy", PUT, NULL, "the agent has no policy"},
};

static void handle(void *arg, struct http_call *call, const struct http_request *q)
{
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		const struct route *r = &routes[i];

		if (strcmp(r->path, q->path) != 0)
			continue;
		if (!(METHOD(q->method) & r->methods))
			http_say(call, HTTP_METHOD_NOT_ALLOWED, "this path has other methods");
		else if (r->answer)
			r->answer(arg, call, q);
		else
			http_say(call, HTTP_NOT_IMPLEMENTED, r->sentence);
		return;
	}
	http_say(call, HTTP_NOT_FOUND, "there is no such path");
}

int management_open(struct server *s, const char *base, const char *id, const char *state_dir,
		    http_admits_fn admits, struct err *e)
{
	auto_free char *name = share_name_of(id);
	struct management *m = calloc(1, sizeof *m);
	int r = m && name ? pod_dir_make(base, name, state_dir, &m->dir, e)
			  : err_sys(e, ENOMEM, "make the management socket");

	if (r == 0) {
		s->management = m;
		r = http_server_new(s->loop, m->dir.listen_fd, admits, handle, s, &m->http, e);
		if (r == 0)
			m->dir.listen_fd = -1;
		else
			management_close(s);
	} else {
		free(m);
	}
	return r;
}

void management_close(struct server *s)
{
	struct management *m = s->management;

	if (!m)
		return;
	pod_dir_remove(&m->dir);
	http_server_free(m->http);
	free(m);
	s->management = NULL;
}
