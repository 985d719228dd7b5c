#include "host/monitor/pages.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"
#include "host/http/http.h"
#include "host/monitor/scrape.h"
#include "host/state/pod_dir.h"

#define CONNECTIONS_MAX      64
#define CONNECTION_MEMORY    (16 << 10)
#define CONNECTION_TIMEOUT_S 30
#define SCRAPES_MAX          4 /* at once, because each may take FAMILIES_MAX_BYTES twice */

struct pages {
	struct loop *loop;
	const char *base;
	struct MHD_Daemon *daemon;
	struct loop_watch *watch;
	struct loop_timer *timer;
	struct list waiting; /* requests whose connections are suspended */
	unsigned scrapes;    /* under way */
	uint64_t scraped, failed;
};

struct request {
	struct list link;
	struct pages *p;
	struct MHD_Connection *connection;
	struct scrape *scrape;
	struct http_get *get;
	bool read;   /* its head was seen */
	bool waits;  /* its connection is suspended */
	bool labels; /* of a single pod: what it says is judged, too */
	int status;  /* 0: not known yet */
	const char *type;
	struct buf body;
};

/* ---- The loop ---- */

static void run(struct pages *p);

static void timer_due(void *arg)
{
	struct pages *p = arg;

	p->timer = NULL;
	run(p);
}

static void run_at(struct pages *p, msec_t when)
{
	loop_timer_cancel(p->timer);
	p->timer = NULL;
	if (loop_timer(p->loop, when, timer_due, p, &p->timer, NULL) < 0)
		log_warn("ignoring that a connection may hang: out of memory");
}

static void run(struct pages *p)
{
	MHD_UNSIGNED_LONG_LONG ms;

	loop_timer_cancel(p->timer);
	p->timer = NULL;
	if (MHD_run(p->daemon) == MHD_NO)
		log_warn("ignoring that a connection could not be served");
	if (MHD_get_timeout(p->daemon, &ms) == MHD_YES)
		run_at(p, clock_deadline((uint32_t) ms));
}

/* ---- Answers ---- */

static void set_answer(struct request *q, int status, const char *type)
{
	q->status = status;
	q->type = type;
}

static void say(struct request *q, int status, const char *sentence)
{
	char text[700];
	int n = snprintf(text, sizeof text, "%s\n", sentence);

	buf_fini(&q->body);
	(void) buf_append(&q->body, text, (size_t) n < sizeof text ? (size_t) n : 0);
	set_answer(q, status, HTTP_TEXT);
}

static void say_err(struct request *q, int status, const struct err *e)
{
	char text[640];

	say(q, status, err_show(e, text, sizeof text));
}

static void resume(struct request *q)
{
	if (!q->waits)
		return;
	q->waits = false;
	list_remove(&q->link);
	MHD_resume_connection(q->connection);
	run_at(q->p, clock_now()); /* libmicrohttpd tells its descriptor nothing of it */
}

static void suspend(struct request *q)
{
	q->waits = true;
	list_add(&q->p->waiting, &q->link);
	MHD_suspend_connection(q->connection);
}

static enum MHD_Result send_answer(struct request *q)
{
	size_t bytes = buf_len(&q->body);
	struct MHD_Response *r = MHD_create_response_from_buffer(
		bytes, bytes ? (void *) buf_data(&q->body) : (void *) "", MHD_RESPMEM_MUST_COPY);
	enum MHD_Result ret = MHD_NO;

	if (!r)
		return MHD_NO;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, q->type) == MHD_YES)
		ret = MHD_queue_response(q->connection, (unsigned) q->status, r);
	MHD_destroy_response(r);
	return ret;
}

/* ---- Pages ---- */

static void add_own(struct pages *p, size_t pods, struct metrics *m)
{
	metrics_init(m);
	m->prefix = "kata_monitor";
	metrics_single(m, "running_shim_count", "gauge", "Running sandbox servers.", pods);
	metrics_single(m, "scrape_count", "counter", "How often all pods were asked.", p->scraped);
	metrics_single(m, "scrape_failed_count", "counter", "Pods that did not answer, in all.",
		       p->failed);
	metrics_process(m, getpid());
	metrics_descriptors(m, getpid());
}

static void all_scraped(void *arg, const struct families *families, size_t pods, size_t failed)
{
	struct request *q = arg;
	struct metrics own;

	q->scrape = NULL;
	q->p->scrapes--;
	q->p->failed += failed;
	add_own(q->p, pods, &own);

	int r = buf_append(&q->body, buf_data(&own.text), buf_len(&own.text));

	buf_fini(&own.text);
	if (r == 0)
		r = families_print(families, &q->body);
	if (r < 0)
		say(q, HTTP_SERVER_ERROR, "the metrics of all pods are too many");
	else
		set_answer(q, HTTP_OK, HTTP_METRICS);
	resume(q);
}

static void scrape_all(struct request *q)
{
	struct pages *p = q->p;
	struct err e = {0};

	if (p->scrapes >= SCRAPES_MAX) {
		say(q, HTTP_UNAVAILABLE, "others are asking all pods just now");
		return;
	}
	if (scrape_start(p->loop, p->base, POD_TIMEOUT_MS, all_scraped, q, &q->scrape, &e) < 0) {
		say_err(q, HTTP_SERVER_ERROR, &e);
		return;
	}
	p->scrapes++;
	p->scraped++;
	suspend(q);
}

/* What a pod says is judged also when it is the only one. */
static int keep_metrics(struct request *q, const struct http_answer *a)
{
	auto_ptr(families_free) struct families *f = families_new();
	int r = f ? families_add(f, a->body, a->bytes, NULL) : -ENOMEM;

	return r < 0 ? r : families_print(f, &q->body);
}

static void pod_answered(void *arg, const struct http_answer *a)
{
	struct request *q = arg;
	int r;

	q->get = NULL;
	if (a->r < 0) {
		say_err(q, HTTP_UNAVAILABLE, &a->err);
	} else {
		r = q->labels && a->status == HTTP_OK ? keep_metrics(q, a)
						      : buf_append(&q->body, a->body, a->bytes);
		if (r < 0)
			say(q, HTTP_SERVER_ERROR, "the answer of the pod cannot be kept");
		else
			set_answer(q, a->status, q->labels ? HTTP_METRICS : HTTP_TEXT);
	}
	resume(q);
}

static void ask_pod(struct request *q, const char *name, const char *target)
{
	auto_free char *path = NULL;
	struct err e = {0};
	int r;

	if (!pod_name_is_plain(name)) {
		say(q, HTTP_BAD_REQUEST, "this is no name of a sandbox");
		return;
	}
	path = str_printf("%s/%s/" POD_SOCKET, q->p->base, name);
	r = path ? http_get(q->p->loop, path, target, POD_MAX_BYTES, clock_deadline(POD_TIMEOUT_MS),
			    pod_answered, q, &q->get, &e)
		 : err_sys(&e, ENOMEM, "name a socket");
	if (r == 0)
		suspend(q);
	else if (r == -ENOENT || r == -ECONNREFUSED || r == -ENAMETOOLONG)
		say(q, HTTP_NOT_FOUND, "no such sandbox runs");
	else
		say_err(q, HTTP_SERVER_ERROR, &e);
}

static void page_metrics(struct request *q, const char *sandbox)
{
	q->labels = true;
	if (sandbox)
		ask_pod(q, sandbox, "/metrics");
	else
		scrape_all(q);
}

static void page_agent_url(struct request *q, const char *sandbox)
{
	if (sandbox)
		ask_pod(q, sandbox, "/agent-url");
	else
		say(q, HTTP_BAD_REQUEST, "the parameter sandbox is missing");
}

static void page_sandboxes(struct request *q, const char *sandbox)
{
	struct pods pods;
	struct err e = {0};
	int r = pods_list(q->p->base, &pods, &e);

	(void) sandbox;
	for (size_t i = 0; r == 0 && i < pods.n; i++)
		if (buf_append(&q->body, pods.names[i], strlen(pods.names[i])) < 0 ||
		    buf_append(&q->body, "\n", 1) < 0)
			r = err_sys(&e, ENOMEM, "list the pods");
	pods_fini(&pods);
	if (r < 0)
		say_err(q, HTTP_SERVER_ERROR, &e);
	else
		set_answer(q, HTTP_OK, HTTP_TEXT);
}

static void page_index(struct request *q, const char *sandbox)
{
	(void) sandbox;
	say(q, HTTP_OK,
	    "/metrics               metrics of all sandboxes\n"
	    "/metrics?sandbox=ID    metrics of one\n"
	    "/sandboxes             which there are\n"
	    "/agent-url?sandbox=ID  where its agent listens");
}

static const struct page {
	const char *path;
	void (*make)(struct request *q, const char *sandbox);
} pages[] = {
	{"/", page_index},
	{"/metrics", page_metrics},
	{"/sandboxes", page_sandboxes},
	{"/agent-url", page_agent_url},
};

static void make_page(struct request *q, const char *url, const char *method)
{
	const char *sandbox =
		MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "sandbox");

	if (strcmp(method, "GET") != 0) {
		say(q, HTTP_METHOD_NOT_ALLOWED, "only GET is served");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(pages); i++)
		if (strcmp(pages[i].path, url) == 0) {
			pages[i].make(q, sandbox);
			return;
		}
	say(q, HTTP_NOT_FOUND, "there is no such page");
}

/* ---- libmicrohttpd ---- */

/* Called once with the head, again when nothing more comes, and again after it was resumed. */
static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *data_bytes, void **slot)
{
	struct request *q = *slot;

	(void) version, (void) data;
	if (!q) {
		q = calloc(1, sizeof *q);
		if (!q)
			return MHD_NO;
		*q = (struct request){.p = arg, .connection = connection};
		list_init(&q->link);
		buf_init(&q->body, FAMILIES_MAX_BYTES + METRICS_MAX_BYTES);
		*slot = q;
		return MHD_YES;
	}
	if (*data_bytes > 0) {
		*data_bytes = 0; /* a body is thrown away */
		return MHD_YES;
	}
	if (!q->read) {
		q->read = true;
		make_page(q, url, method);
	}
	return q->status ? send_answer(q) : MHD_YES;
}

static void completed(void *arg, struct MHD_Connection *connection, void **slot,
		      enum MHD_RequestTerminationCode why)
{
	struct request *q = *slot;

	(void) arg, (void) connection, (void) why;
	if (!q)
		return;
	scrape_cancel(q->scrape);
	http_get_cancel(q->get);
	buf_fini(&q->body);
	free(q);
	*slot = NULL;
}

static void ready(void *arg, uint32_t events)
{
	(void) events;
	run(arg);
}

int pages_new(struct loop *loop, int take_listen_fd, const char *base, struct pages **ret,
	      struct err *e)
{
	struct pages *p = calloc(1, sizeof *p);
	const union MHD_DaemonInfo *info;

	if (!p)
		return err_sys(e, ENOMEM, "serve pages");
	p->loop = loop;
	p->base = base;
	list_init(&p->waiting);
	p->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
				     handle, p, MHD_OPTION_LISTEN_SOCKET, take_listen_fd,
				     MHD_OPTION_CONNECTION_LIMIT, (unsigned) CONNECTIONS_MAX,
				     MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t) CONNECTION_MEMORY,
				     MHD_OPTION_CONNECTION_TIMEOUT, (unsigned) CONNECTION_TIMEOUT_S,
				     MHD_OPTION_NOTIFY_COMPLETED, completed, p, MHD_OPTION_END);
	if (!p->daemon) {
		free(p);
		return err_say(e, EIO, "libmicrohttpd does not start");
	}
	info = MHD_get_daemon_info(p->daemon, MHD_DAEMON_INFO_EPOLL_FD);

	int r = info ? loop_watch(loop, info->epoll_fd, EPOLLIN, ready, p, &p->watch, e)
		     : err_say(e, EIO, "libmicrohttpd has no descriptor to wait for");

	if (r < 0) {
		(void) MHD_quiesce_daemon(p->daemon); /* the socket stays the caller's */
		pages_free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void pages_free(struct pages *p)
{
	if (!p)
		return;
	list_for_each (pos, &p->waiting)
		resume(container_of(pos, struct request, link));
	loop_unwatch(p->watch);
	loop_timer_cancel(p->timer);
	MHD_stop_daemon(p->daemon);
	free(p);
}
