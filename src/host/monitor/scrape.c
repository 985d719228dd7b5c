#include "host/monitor/scrape.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "host/http/http.h"
#include "host/state/pod_dir.h"

struct question {
	struct scrape *s;
	const char *name; /* NULL: free */
	struct http_get *get;
};

struct scrape {
	struct loop *loop;
	char *base;
	struct pods pods;
	size_t next, failed;
	uint32_t pod_ms;          /* for each */
	msec_t deadline;          /* for all */
	struct loop_timer *timer; /* for the first step, so that the answer always comes later */
	struct question questions[PODS_AT_A_TIME];
	size_t n_asked;
	struct families *families;
	scrape_done_fn done;
	void *arg;
};

bool pod_name_is_plain(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+-.";

	return name[0] && name[0] != '.' && strspn(name, letters) == strlen(name);
}

static int is_pod(const struct dirent *entry)
{
	return pod_name_is_plain(entry->d_name);
}

int pods_list(const char *base, struct pods *ret, struct err *e)
{
	struct dirent **entries = NULL;
	int n = scandir(base, &entries, is_pod, alphasort);

	*ret = (struct pods){0};
	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "read folder '%s'", base);
	ret->names = calloc((size_t) n + 1, sizeof *ret->names);
	for (int i = 0; i < n; i++) {
		if (ret->names && ret->n < PODS_MAX &&
		    (ret->names[ret->n] = strdup(entries[i]->d_name)))
			ret->n++;
		free(entries[i]);
	}
	free(entries);
	return ret->names ? 0 : err_sys(e, ENOMEM, "list the pods");
}

void pods_fini(struct pods *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->names[i]);
	free(p->names);
	*p = (struct pods){0};
}

void scrape_cancel(struct scrape *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < PODS_AT_A_TIME; i++)
		http_get_cancel(s->questions[i].get);
	loop_timer_cancel(s->timer);
	families_free(s->families);
	pods_fini(&s->pods);
	free(s->base);
	free(s);
}

static void proceed(struct scrape *s);

static void answered(void *arg, const struct http_answer *a)
{
	struct question *q = arg;
	struct scrape *s = q->s;
	struct err e = a->err;
	int r = a->r;

	if (r == 0 && a->status != HTTP_OK)
		r = err_say(&e, EIO, "it answers %d", a->status);
	else if (r == 0 && (r = families_add(s->families, a->body, a->bytes, q->name)) < 0)
		(void) err_sys(&e, -r, "keep its metrics");
	if (r < 0) {
		s->failed++;
		(void) err_wrap(&e, r, "pod '%s'", q->name);
		log_err(LOG_WARN, &e, "ignoring");
	}
	*q = (struct question){.s = s};
	s->n_asked--;
	proceed(s);
}

/* A pod that has just gone is no failure. */
static void ask(struct scrape *s, struct question *q, const char *name)
{
	auto_free char *path = str_printf("%s/%s/" POD_SOCKET, s->base, name);
	msec_t deadline = clock_deadline(s->pod_ms);
	struct err e = {0};
	int r = path ? http_get(s->loop, path, "/metrics", POD_MAX_BYTES,
				deadline < s->deadline ? deadline : s->deadline, answered, q,
				&q->get, &e)
		     : err_sys(&e, ENOMEM, "name a socket");

	if (r == 0) {
		q->name = name;
		s->n_asked++;
		return;
	}
	if (r == -ENOENT)
		return;
	s->failed++;
	log_err(LOG_WARN, &e, "ignoring");
}

static void proceed(struct scrape *s)
{
	for (size_t i = 0; i < PODS_AT_A_TIME && s->next < s->pods.n; i++) {
		while (!s->questions[i].name && s->next < s->pods.n) {
			if (clock_now() >= s->deadline) {
				s->failed += s->pods.n - s->next;
				s->next = s->pods.n;
			} else {
				ask(s, &s->questions[i], s->pods.names[s->next++]);
			}
		}
	}
	if (s->n_asked > 0)
		return;
	s->done(s->arg, s->families, s->pods.n, s->failed);
	scrape_cancel(s);
}

static void begin(void *arg)
{
	struct scrape *s = arg;

	s->timer = NULL;
	proceed(s);
}

int scrape_start(struct loop *loop, const char *base, uint32_t pod_ms, scrape_done_fn done,
		 void *arg, struct scrape **ret, struct err *e)
{
	struct scrape *s = calloc(1, sizeof *s);

	if (!s)
		return err_sys(e, ENOMEM, "collect metrics");
	*s = (struct scrape){
		.loop = loop,
		.pod_ms = pod_ms,
		.deadline = clock_deadline(SCRAPE_TIMEOUT_MS),
		.base = strdup(base),
		.families = families_new(),
		.done = done,
		.arg = arg,
	};
	for (size_t i = 0; i < PODS_AT_A_TIME; i++)
		s->questions[i].s = s;

	int r = s->base && s->families ? pods_list(base, &s->pods, e)
				       : err_sys(e, ENOMEM, "collect metrics");

	if (r == 0)
		r = loop_timer(loop, clock_now(), begin, s, &s->timer, e);
	if (r < 0)
		scrape_cancel(s);
	else
		*ret = s;
	return r;
}
