/* What a signal does to a process of a container, also to one that does not run yet or any more. */
#include <errno.h>
#include <signal.h>

#include "host/sandbox/agent_call.h"
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
		sandbox_abort(sb, "killed while it was being created");
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
	if (signo == SIGKILL)
		p->killed = true;
	signal.container_id = p->container->id;
	signal.exec_id = p->exec_id;
	signal.signal = signo;
	/* SIGKILL to a container's first process goes to all of its processes. */
	all = !exec_id[0] && (all || signo == SIGKILL);
	agent_ask(sb, "SignalProcess", &signal.base, all ? &to_all : &to_one, done, arg);
}
