#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/create_sandbox.h"
#include "host/sandbox/machine.h"
#include "host/sandbox/model.h"
#include "host/sandbox/phases.h"

/* From nothing to a guest that waits for containers. */

/* More than the kernel's generator holds. */
#define SEED_BYTES 64

/* While dial() waits for the guest to listen, it looks at cancel_fd this often. */
#define DIAL_SLICE_MS 500

static bool given_up(const struct sandbox *sb)
{
	struct pollfd p = {.fd = sb->cancel_fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static int dial(struct sandbox *sb, msec_t deadline, int *ret_fd, struct err *e)
{
	for (;;) {
		struct err last = {0};
		msec_t slice = clock_deadline(DIAL_SLICE_MS);
		int r = hv_dial(sb->machine.hv, HV_AGENT_PORT, slice < deadline ? slice : deadline,
				ret_fd, &last);

		if (r == 0)
			return 0;
		if (r != -ETIMEDOUT || clock_now() >= deadline) {
			if (e)
				*e = last;
			return r;
		}
		if (given_up(sb))
			return err_say(e, ECANCELED, "given up");
	}
}

static void line_broke(void *arg, const struct err *e)
{
	struct err why = *e;

	(void) err_wrap(&why, 0, "the line to the agent broke");
	cause_report(arg, CAUSE_CONNECTION, &why);
}

/* Keeps what the agent can do. GetGuestDetails is sent before CreateSandbox, so that its answer
 * arrives first. */
static void learn(void *arg, struct ttrpc_answer *answer)
{
	struct sandbox *sb = arg;
	const Grpc__GuestDetailsResponse *r = (const void *) answer->response;
	const Grpc__AgentDetails *d = r ? r->agent_details : NULL;

	if (answer->r < 0)
		return; /* the next call will report what is wrong */
	sb->agent.is_known = true;
	sb->agent.promises.ordered_exit = agent_details_have(d, "ordered-exit");
	sb->agent.promises.close_output = agent_details_have(d, "close-output");
	sb->agent.promises.end_at_once = agent_details_have(d, "end-at-once");
	sb->agent.knows_oci_1_2 = agent_details_have(d, "oci-1.2");
	sb->agent.knows_pods = agent_details_have(d, "pods");
	sb->agent.knows_users = agent_details_have(d, "users");
	sb->agent.knows_networks = agent_details_have(d, "network");
	sb->agent.has_vrfs = agent_details_have(d, "vrf");
	sb->agent.connects = agent_details_have(d, "connect");
	sb->agent.lists_processes = agent_details_have(d, "list-processes");
	log_debug("guest: agent %s", d ? d->version : "without details");
}

struct connect {
	struct sandbox *sb;
	int fd;
	msec_t deadline;
};

/* Loop. */
static int connect_agent(void *arg, struct err *e)
{
	struct connect *c = arg;
	struct sandbox *sb = c->sb;

	if (sb->cause.is_known) {
		*e = sb->cause.why;
		return -e->code;
	}

	int r = agent_client_new(sb->loop, c->fd, &sb->agent.client, e);

	if (r < 0)
		return r;
	(void) take_fd(&c->fd);
	agent_client_on_lost(sb->agent.client, line_broke, sb);
	return agent_call_begin(sb->agent.client, "GetGuestDetails", NULL, c->deadline, learn, sb,
				NULL, e);
}

static int reach_agent(struct sandbox *sb, msec_t deadline, struct err *e)
{
	struct connect c = {.sb = sb, .fd = -1, .deadline = deadline};
	int r = dial(sb, deadline, &c.fd, e);

	if (r < 0)
		return r;
	r = worker_on_loop(sb->machine.worker, connect_agent, &c, e);
	fd_close(c.fd);
	return r;
}

/* What a machine must not have in common with others of its template: what its kernel draws from
 * now on, and the time at which that was saved. First of all, before anything of a user is there.
 */
static int renew(struct sandbox *sb, msec_t deadline, struct err *e)
{
	Grpc__ReseedRandomDevRequest seed = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;
	Grpc__SetGuestDateTimeRequest time = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	uint8_t random[SEED_BYTES];
	struct timespec now;
	int r;

	if (getrandom(random, sizeof random, 0) != sizeof random)
		return err_sys(e, errno, "get randomness for the guest");
	seed.data = (ProtobufCBinaryData){.data = random, .len = sizeof random};
	r = guest_ask(sb, sb->machine.worker, "ReseedRandomDev", &seed.base, deadline, NULL, e);
	explicit_bzero(random, sizeof random);
	if (r < 0)
		return r;
	(void) clock_gettime(CLOCK_REALTIME, &now);
	time.sec = now.tv_sec;
	time.usec = now.tv_nsec / 1000;
	return guest_ask(sb, sb->machine.worker, "SetGuestDateTime", &time.base, deadline, NULL, e);
}

static int greet_agent(struct sandbox *sb, const struct sandbox_spec *spec,
		       const struct guest_container *first, msec_t deadline, struct err *e)
{
	const Grpc__Linux *holder = first && first->holds_pod ? first->spec->linux : NULL;
	const struct create_sandbox_pod pod = {
		.hostname = spec->hostname,
		.share_at = &sb->machine.share_at,
		.shm = &sb->machine.shm,
		.sysctl = holder ? holder->sysctl : NULL,
		.n_sysctl = holder ? holder->n_sysctl : 0,
	};
	struct create_sandbox g;

	log_debug("step: make the guest's sandbox");

	int r = create_sandbox_init(&g, sb->machine.config, sb->options.id, &pod, e);

	if (r == 0)
		r = guest_ask(sb, sb->machine.worker, "CreateSandbox", &g.request.base, deadline,
			      NULL, e);
	create_sandbox_fini(&g);
	if (r < 0)
		return r;
	sb->machine.booted = true;
	phase_end(&sb->phases, "agent");
	return 0;
}

struct details {
	struct sandbox *sb;
	struct ttrpc_answer answer;
};

static int learn_late(void *arg, struct err *e)
{
	struct details *d = arg;

	(void) e;
	learn(d->sb, &d->answer);
	return 0;
}

/* Asks again if no details came before the answer of CreateSandbox. */
static int await_details(struct sandbox *sb, msec_t deadline, struct err *e)
{
	struct details d = {.sb = sb};

	if (sb->agent.is_known)
		return 0;

	int r = guest_ask(sb, sb->machine.worker, "GetGuestDetails", NULL, deadline,
			  &d.answer.response, e);

	if (r < 0)
		return r;
	(void) worker_on_loop(sb->machine.worker, learn_late, &d, NULL);
	ttrpc_message_free(d.answer.response);
	return 0;
}

/* An agent that does not know the pod's sysctls has skipped them. */
static int check_holder(const struct sandbox *sb, const struct guest_container *first,
			struct err *e)
{
	if (!first || !first->holds_pod || !first->spec->linux->n_sysctl || sb->agent.knows_pods)
		return 0;
	return err_say(e, ENOTSUP, "linux.sysctl: the agent in the guest does not know a pod's");
}

/* A timeout names its length, and the key to raise for a guest that needs longer. */
static void name_deadline(const struct sandbox *sb, struct err *e)
{
	if (e && e->code == ETIMEDOUT)
		(void) err_wrap(e, 0, "the guest is not up after %g s (key 'reconnect_timeout_ms')",
				sb->machine.config->agent.reconnect_timeout_ms / 1000.0);
}

static int explain(struct sandbox *sb, int r, struct err *e)
{
	name_deadline(sb, e);
	r = cause_of_boot(sb, r, e);
	if (e)
		(void) cgroups_explain(sb, e);
	return r;
}

/* From a machine that runs to an agent that has made its sandbox. */
static int begin(struct sandbox *sb, const struct sandbox_spec *spec,
		 const struct guest_container *first, msec_t deadline, struct err *e)
{
	notes_update(sb, first);
	log_debug("step: reach the agent");

	int r = reach_agent(sb, deadline, e);

	if (r == 0 && sb->machine.from_template)
		r = renew(sb, deadline, e);
	if (r == 0)
		r = greet_agent(sb, spec, first, deadline, e);
	if (r == 0)
		r = await_details(sb, deadline, e);
	return r;
}

/* From nothing to an agent that has made its sandbox. */
static int bring_up(struct sandbox *sb, const struct sandbox_spec *spec,
		    const struct guest_container *first, bool may_load, struct err *e)
{
	msec_t deadline = clock_deadline(sb->machine.config->agent.reconnect_timeout_ms);
	struct worker *w = sb->machine.worker;
	int r;

	if (may_load)
		cause_begin_trial(sb, w);
	r = machine_start(sb, spec, may_load, deadline, e);
	if (r == 0)
		r = begin(sb, spec, first, deadline, e);
	if (sb->machine.from_template && !cause_end_trial(sb, w) && r == 0)
		r = err_say(e, ECONNRESET, "the machine broke");
	return r;
}

/* A machine that did not start from its template was not on the way to be the user's yet: nothing
 * of one has run in it, so it can be replaced by one that boots. */
static int boot_instead(struct sandbox *sb, const struct sandbox_spec *spec,
			const struct guest_container *first, struct err *e)
{
	(void) err_wrap(e, 0, "the machine boots, because it did not start from its template");
	log_err(LOG_WARN, e, "ignoring");
	err_clear(e);
	machine_drop(sb);
	return bring_up(sb, spec, first, false, e);
}

int boot(struct sandbox *sb, const struct sandbox_spec *spec, const struct guest_container *first,
	 struct err *e)
{
	int r = bring_up(sb, spec, first, sb->machine.config->hypervisor.enable_template, e);

	if (r < 0 && sb->machine.from_template && !given_up(sb))
		r = boot_instead(sb, spec, first, e);
	if (r == 0)
		r = check_holder(sb, first, e);
	if (r == 0)
		r = interfaces_tell(sb, sb->machine.worker,
				    clock_deadline(sb->machine.config->agent.reconnect_timeout_ms),
				    e);
	return r < 0 ? explain(sb, r, e) : 0;
}
