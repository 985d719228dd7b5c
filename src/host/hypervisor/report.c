/* What drivers tell the caller. A file of its own, because hypervisor.c refers to the drivers. */
#include "host/hypervisor/driver.h"

static void tell_line(void *arg, const char *line)
{
	struct hv *hv = arg;

	if (hv->console_fn)
		hv->console_fn(hv->console_arg, line);
}

int hv_init(struct hv *hv, const struct hv_ops *ops, struct loop *loop, struct err *e)
{
	hv->ops = ops;
	hv->loop = loop;
	(void) pthread_mutex_init(&hv->turn, NULL);
	(void) pthread_mutex_init(&hv->lock, NULL);
	return console_init(&hv->console, tell_line, hv, e);
}

void hv_fini(struct hv *hv)
{
	console_fini(&hv->console);
	(void) pthread_mutex_destroy(&hv->turn);
	(void) pthread_mutex_destroy(&hv->lock);
}

void hv_note_end(struct hv *hv, const struct err *why)
{
	pthread_mutex_lock(&hv->lock);
	if (hv->end.code == 0)
		hv->end = *why;
	pthread_mutex_unlock(&hv->lock);
}

void hv_report_exit(struct hv *hv, const struct err *why)
{
	hv_exit_fn fn = hv->exit_fn;

	hv_note_end(hv, why);
	hv->exit_fn = NULL; /* once */
	if (fn)
		fn(hv->exit_arg, why);
}
