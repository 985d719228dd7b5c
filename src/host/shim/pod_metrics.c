#include "host/shim/pod_metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.pb-c.h"
#include "base/log.h"
#include "base/metrics.h"
#include "host/metrics/exposition.h"

/* A guest that does not answer in this time does not hold up the host's metrics: whoever collects
 * them would give up. */
#define GUEST_TIMEOUT_MS 2000

/* Families that a guest may tell of. */
static const char *const of_guest[] = {"kata_guest_", "kata_agent_", NULL};

struct scrape {
	struct http_call *call; /* NULL: answered */
	struct loop_timer *timer;
	struct metrics metrics;
};

static void answer(struct scrape *p)
{
	if (metrics_end(&p->metrics) < 0)
		log_warn("ignoring that not all metrics fit");
	loop_timer_cancel(p->timer);
	p->timer = NULL;
	http_reply(p->call, HTTP_OK, HTTP_METRICS, buf_data(&p->metrics.text),
		   buf_len(&p->metrics.text));
	p->call = NULL;
	buf_fini(&p->metrics.text);
}

static void too_late(void *arg)
{
	struct scrape *p = arg;

	p->timer = NULL;
	answer(p);
}

static void add_guest(struct scrape *p, const struct sandbox_answer *a, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (ttrpc_unpack(&grpc__metrics__descriptor, a->data, a->bytes, &m, e) < 0)
		return;

	const char *text = ((Grpc__Metrics *) m)->metrics;
	int r = exposition_copy(text, strlen(text), of_guest, &p->metrics.text);

	if (r < 0)
		(void) err_sys(e, -r, "keep the guest's metrics");
}

static void guest_answered(void *arg, const struct sandbox_answer *a)
{
	struct scrape *p = arg;
	struct err e = a->err;

	if (p->call) {
		if (a->r == 0)
			add_guest(p, a, &e);
		if (e.code)
			log_err(LOG_DEBUG, &e, "ignoring, while metrics are collected");
		answer(p);
	}
	free(p);
}

static void add_host(struct metrics *m, struct server *s)
{
	pid_t vmm = (pid_t) sandbox_vmm_pid(s->sandbox);
	uint64_t refused;

	m->prefix = "kata_shim";
	metrics_process(m, getpid());
	metrics_descriptors(m, getpid());
	if (sandbox_egress_refused(s->sandbox, &refused))
		metrics_single(m, "egress_refused_packets_total", "counter",
			       "Packets of the guest that the egress policy has refused.", refused);
	if (vmm <= 0)
		return;
	m->prefix = "kata_hypervisor";
	metrics_process(m, vmm);
	metrics_descriptors(m, vmm);
}

void pod_metrics(struct server *s, struct http_call *call, const struct http_request *q)
{
	struct scrape *p = calloc(1, sizeof *p);

	(void) q;
	if (!p || loop_timer(s->loop, clock_deadline(GUEST_TIMEOUT_MS), too_late, p, &p->timer,
			     NULL) < 0) {
		free(p);
		http_say(call, HTTP_SERVER_ERROR, "out of memory");
		return;
	}
	p->call = call;
	metrics_init(&p->metrics);
	add_host(&p->metrics, s);
	sandbox_metrics(s->sandbox, guest_answered, p);
}
