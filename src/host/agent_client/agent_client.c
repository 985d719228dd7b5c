#include "host/agent_client/agent_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/loop.h"
#include "health.pb-c.h"

/* One reference is the owner's; each agent_call() that the loop has not begun yet holds another, so
 * that the loop still finds the struct when the owner has gone. */
struct agent_client {
	atomic_uint refs;
	struct loop *loop;
	struct ttrpc_client *line; /* loop thread only; NULL once closed */
	void (*on_lost)(void *arg, const struct err *e);
	void *on_lost_arg;
};

/* An agent_call(). Held by the thread that waits and by the loop; the last one frees it. */
struct waiting {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	unsigned refs;
	bool answered;
	bool given_up; /* the waiting thread has left: @request is gone */
	struct ttrpc_answer answer;
	struct agent_client *client; /* loop only */
	const char *method;
	const ProtobufCMessage *request;
	msec_t deadline;
};

static void client_unref(struct agent_client *client)
{
	if (atomic_fetch_sub(&client->refs, 1) == 1)
		free(client);
}

static void line_closed(void *arg, const struct err *e)
{
	struct agent_client *client = arg;

	if (client->on_lost)
		client->on_lost(client->on_lost_arg, e);
}

int agent_client_new(struct loop *loop, int take_fd, struct agent_client **ret, struct err *e)
{
	struct agent_client *client = calloc(1, sizeof *client);

	if (!client)
		return err_sys(e, ENOMEM, "agent");

	int r = ttrpc_client_new(loop, take_fd, &client->line, e);

	if (r < 0) {
		free(client);
		return err_wrap(e, r, "agent");
	}
	atomic_init(&client->refs, 1);
	client->loop = loop;
	ttrpc_client_on_closed(client->line, line_closed, client);
	*ret = client;
	return 0;
}

void agent_client_close(struct agent_client *client)
{
	ttrpc_client_free(take_ptr(client->line));
}

void agent_client_free(struct agent_client *client)
{
	if (!client)
		return;
	agent_client_close(client);
	client_unref(client);
}

void agent_client_on_lost(struct agent_client *client, void (*fn)(void *arg, const struct err *e),
			  void *arg)
{
	client->on_lost = fn;
	client->on_lost_arg = arg;
}

struct ttrpc_client *agent_client_line(struct agent_client *client)
{
	return client->line;
}

/* A method's name tells its service, because no name is in both. */
static const ProtobufCServiceDescriptor *service_of(const char *method)
{
	const ProtobufCServiceDescriptor *agent = &grpc__agent_service__descriptor;

	return protobuf_c_service_descriptor_get_method_by_name(agent, method)
		       ? agent
		       : &grpc__health__descriptor;
}

int agent_call_begin(struct agent_client *client, const char *method,
		     const ProtobufCMessage *request, msec_t deadline, ttrpc_done_fn done,
		     void *arg, struct ttrpc_pending **ret, struct err *e)
{
	if (!client->line)
		return err_say(e, ECANCELED, "%s: the line to the guest is closed", method);

	struct ttrpc_request r = {
		.service = service_of(method),
		.method = method,
		.message = request,
		.deadline = deadline,
	};

	return ttrpc_call(client->line, &r, done, arg, ret, e);
}

/* ---- agent_call(), the loop's side ---- */

/* Drops a reference to @w, whose lock is held, and unlocks it. */
static void release(struct waiting *w)
{
	bool last = --w->refs == 0;

	(void) pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	ttrpc_message_free(w->answer.response);
	(void) pthread_cond_destroy(&w->changed);
	(void) pthread_mutex_destroy(&w->lock);
	free(w);
}

/* Answers with the lock held, and drops the loop's reference. */
static void answer(struct waiting *w, const struct ttrpc_answer *a)
{
	w->answer = *a;
	w->answered = true;
	(void) pthread_cond_signal(&w->changed);
	release(w);
}

static void answered(void *arg, struct ttrpc_answer *a)
{
	struct waiting *w = arg;

	(void) pthread_mutex_lock(&w->lock);
	answer(w, a);
	a->response = NULL;
}

static void begin_on_loop(void *arg)
{
	struct waiting *w = arg;
	struct agent_client *client = w->client;
	struct ttrpc_answer a = {0};

	(void) pthread_mutex_lock(&w->lock);
	if (w->given_up) {
		release(w);
	} else {
		a.r = agent_call_begin(client, w->method, w->request, w->deadline, answered, w,
				       NULL, &a.err);
		if (a.r < 0)
			answer(w, &a);
		else
			(void) pthread_mutex_unlock(&w->lock);
	}
	client_unref(client);
}

/* ---- agent_call(), the side of the thread that waits ---- */

static struct waiting *waiting_new(struct agent_client *client, const char *method,
				   const ProtobufCMessage *request, msec_t deadline)
{
	struct waiting *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	(void) pthread_mutex_init(&w->lock, NULL);
	(void) pthread_cond_init(&w->changed, NULL);
	w->refs = 2;
	w->client = client;
	w->method = method;
	w->request = request;
	w->deadline = deadline;
	return w;
}

/* Sleeps, with the lock held, until there is an answer or no time left. */
static void sleep_until_answered(struct waiting *w)
{
	struct timespec until = {
		.tv_sec = (time_t) (w->deadline / 1000),
		.tv_nsec = (long) (w->deadline % 1000) * 1000000,
	};

	while (!w->answered) {
		int r = w->deadline == CLOCK_NEVER
				? pthread_cond_wait(&w->changed, &w->lock)
				: pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC,
							 &until);

		if (r == ETIMEDOUT && !w->answered) {
			w->given_up = true;
			w->answer.r = err_say(&w->answer.err, ETIMEDOUT, "%s: no answer in time",
					      w->method);
			return;
		}
	}
}

int agent_call(struct agent_client *client, const char *method, const ProtobufCMessage *request,
	       msec_t deadline, ProtobufCMessage **ret, struct err *e)
{
	struct waiting *w = waiting_new(client, method, request, deadline);

	if (!w)
		return err_sys(e, ENOMEM, "agent: %s", method);
	atomic_fetch_add(&client->refs, 1);
	(void) pthread_mutex_lock(&w->lock);
	if (loop_post(client->loop, begin_on_loop, w) < 0) {
		client_unref(client);
		w->refs--;
		release(w);
		return err_sys(e, ENOMEM, "agent: %s", method);
	}
	sleep_until_answered(w);

	int r = w->answer.r;

	if (r < 0 && e)
		*e = w->answer.err;
	if (ret && r == 0)
		*ret = take_ptr(w->answer.response);
	release(w);
	return r < 0 ? err_wrap(e, r, "agent") : 0;
}

bool agent_details_have(const Grpc__AgentDetails *details, const char *feature)
{
	for (size_t i = 0; details && i < details->n_extra_features; i++) {
		if (strcmp(details->extra_features[i], feature) == 0)
			return true;
	}
	return false;
}
