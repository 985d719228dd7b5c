/* What a signal does to a process of a container, also to one that does not run yet or any more. */
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/model.h"
#include "host/sandbox/process.h"
#include "host/sandbox/registry.h"

static bool must_die(uint32_t signo)
{
	return signo == SIGKILL || signo == SIGTERM;
}

/* What holds a pod runs no program: the signals that end Kubernetes' pause program end it, too, and
 * others do nothing. */
static void kill_holder(struct guest_process *p, uint32_t signo)
{
	if (signo == SIGKILL)
		guest_process_end(p, 128 + SIGKILL);
	else if (signo == SIGTERM || signo == SIGINT)
		guest_process_end(p, 0);
}

/* Whether the machine is being started for containers that all were given up. */
static bool nobody_wants_machine(const struct sandbox *sb)
{
	if (sb->state != SANDBOX_EMPTY && !(sb->state == SANDBOX_STARTING && sb->for_container))
		return false;
	list_for_each (pos, &sb->containers)
		if (!container_of(pos, struct guest_container, link)->given_up.code)
			return false;
	return true;
}

static void give_up(struct guest_container *c, const char *why)
{
	(void) err_say(&c->given_up, ECANCELED, "%s", why);
	(void) eventfd_write(c->cancel_fd, 1);
	container_ask_cancel(c);
	if (nobody_wants_machine(c->sb))
		cause_give_up(c->sb, &c->given_up);
	guest_process_end(c->init, BROKEN_EXIT_CODE);
}

bool sandbox_give_up(struct sandbox *sb, const char *id, const char *why)
{
	struct guest_container *c = sandbox_find(sb, id, NULL);
	bool can = c && c->init->status == OCI_CREATING;

	if (can)
		give_up(c, why);
	return can;
}

/* A SIGKILL under way. */
struct killing {
	struct sandbox *sb;
	sandbox_done_fn done;
	void *arg;
};

/* A guest that does not answer has stopped, and nothing in it can be ended otherwise. */
static void killed(void *arg, const struct sandbox_answer *answer)
{
	struct killing *k = arg;
	const struct sandbox_answer has_ended = {0};
	struct err why = answer->err;
	bool is_stuck = answer->r == -ETIMEDOUT;

	if (is_stuck) {
		(void) err_wrap(&why, 0, "the guest does not answer");
		log_err(LOG_ERROR, &why, "the sandbox is lost");
		cause_give_up(k->sb, &why);
	}
	k->done(k->arg, is_stuck ? &has_ended : answer);
	free(k);
}

static void ask_to_kill(struct sandbox *sb, const ProtobufCMessage *signal,
			const struct ttrpc_pair *to, sandbox_done_fn done, void *arg)
{
	struct killing *k = calloc(1, sizeof *k);
	struct err e = {0};

	if (!k) {
		(void) err_sys(&e, ENOMEM, "kill a process");
		sandbox_refuse(done, arg, &e);
		return;
	}
	*k = (struct killing){.sb = sb, .done = done, .arg = arg};
	agent_ask_until(sb, "SignalProcess", signal, to, clock_deadline(KILL_TIMEOUT_MS), killed,
			k);
}

void sandbox_kill(struct sandbox *sb, const char *id, const char *exec_id, uint32_t signo, bool all,
		  sandbox_done_fn done, void *arg)
{
	static const struct ttrpc_pair to_one = {"kata-signal", "one"};
	static const struct ttrpc_pair to_all = {"kata-signal", "all"};
	Grpc__SignalProcessRequest signal = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	struct sandbox_answer done_already = {0};
	struct err e = {0};
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, &e);
	enum oci_status status = p ? guest_process_status(p) : OCI_STOPPED;

	if (p && status == OCI_CREATING && signo == SIGKILL) {
		give_up(p->container, "killed while it was being created");
		done(arg, &done_already);
		return;
	}
	if (p && status == OCI_STOPPED && must_die(signo)) {
		if (p->io && p->status != OCI_STOPPED)
			stdio_hurry(p->io, KILLED_FLUSH_MS);
		done(arg, &done_already);
		return;
	}
	if (p && p->container->holds_pod && status != OCI_CREATING && status != OCI_STOPPED) {
		kill_holder(p, signo);
		done(arg, &done_already);
		return;
	}
	if (p && p->spec && !p->io && p->busy) { /* being started: sent once it runs */
		p->early_signals |= 1ULL << (signo - 1);
		done(arg, &done_already);
		return;
	}
	if (p && (status == OCI_CREATING || status == OCI_STOPPED || (p->spec && !p->io)))
		(void) err_say(&e, ENOENT, "process '%s' of container '%s' does not run", exec_id,
			       id);
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	signal.container_id = p->container->id;
	signal.exec_id = p->exec_id;
	signal.signal = signo;
	/* SIGKILL to a container's first process goes to all of its processes. */
	all = !exec_id[0] && (all || signo == SIGKILL);
	if (signo == SIGKILL) {
		p->killed = true;
		ask_to_kill(sb, &signal.base, all ? &to_all : &to_one, done, arg);
	} else {
		agent_ask(sb, "SignalProcess", &signal.base, all ? &to_all : &to_one, done, arg);
	}
}
