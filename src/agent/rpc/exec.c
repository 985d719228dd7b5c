/* Exec processes, signals to processes, and waiting for their ends. */

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "agent/rpc/member.h"
#include "base/array.h"

static void close_child_ends(struct container_stdio *stdio)
{
	for (size_t i = 0; i < ARRAY_LEN(stdio->fds); i++)
		stdio->fds[i] = fd_close(stdio->fds[i]);
}

int task_open_stdio(struct task *t, bool terminal, struct container_stdio *ret, struct err *e)
{
	*ret = (struct container_stdio){.fds = {-1, -1, -1}};
	if (terminal)
		return 0;
	return process_io_open(t->member->rpc->config.pipe_bytes, &t->io, ret->fds, e);
}

static void exec_done(void *arg, int r, const struct err *cause)
{
	struct task *t = arg;
	struct ttrpc_call *call = t->call;
	struct err e = {0};

	t->call = NULL;
	if (r < 0) {
		ttrpc_answer(call, r, cause);
		task_free(t);
		return;
	}
	r = task_attach(t, &e);
	ttrpc_answer(call, r, &e);
	if (r < 0)
		task_free(t); /* kills it */
}

static void exec_exited(void *arg, int status)
{
	task_exited(arg, status);
}

static int check_exec(const Grpc__ExecProcessRequest *req, struct err *e)
{
	if (!req->process)
		return err_say(e, EINVAL, "process is missing");
	if (req->stdin_port || req->stdout_port || req->stderr_port)
		return err_say(e, ENOTSUP, "streams on ports of their own are not supported");
	if (req->string_user)
		return err_say(e, ENOTSUP, "string_user is not supported");
	return 0;
}

static int begin_exec(struct rpc *rpc, struct ttrpc_call *call, const Grpc__ExecProcessRequest *req,
		      struct err *e)
{
	struct container_stdio stdio;
	struct member *m = NULL;
	struct task *t = NULL;
	int r = check_exec(req, e);

	if (r == 0)
		r = member_find_made(rpc, req->container_id, &m, e);
	if (r == 0)
		r = task_new(m, req->exec_id, &t, e);
	if (!t)
		return r;
	r = task_open_stdio(t, req->process->terminal, &stdio, e);
	if (r == 0)
		r = container_exec(m->container, req->process, &stdio, exec_done, exec_exited, t,
				   &t->cp, e);
	close_child_ends(&stdio);
	if (r < 0)
		task_free(t);
	else
		t->call = call;
	return r;
}

void exec_process(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	struct err e = {0};
	int r = begin_exec(rpc, call, request, &e);

	if (r < 0)
		ttrpc_answer(call, r, &e);
}

/*
 * An empty exec id, and the container's own, mean the container as upstream's agent sees it:
 *  - KILL to the empty id reaches every process in it;
 *  - TERM becomes KILL when its init has no handler, because the kernel ignores it there.
 * Any other id means one process and exactly the signal that was asked for. This project's host
 * says in the call's metadata which of them it means: see agent.proto.
 */
static int send_signal(struct task *t, struct ttrpc_call *call,
		       const Grpc__SignalProcessRequest *req, struct err *e)
{
	const char *exactly = ttrpc_call_metadata(call, "kata-signal");
	bool to_all = exactly && strcmp(exactly, "all") == 0;
	bool as_container = !*req->exec_id || strcmp(req->exec_id, t->member->id) == 0;
	int signo = (int) req->signal;

	if (to_all)
		return container_signal_all(t->member->container, signo, e);
	if (!exactly && as_container && signo == SIGTERM && t->cp &&
	    !process_has_ended(t->process) && !container_process_catches(t->cp, SIGTERM))
		signo = SIGKILL;
	if (!exactly && !*req->exec_id && signo == SIGKILL)
		return container_signal_all(t->member->container, SIGKILL, e);
	if (!t->cp || process_has_ended(t->process))
		return 0;

	struct err cause = {0};
	int r = container_process_signal(t->cp, signo, &cause);

	if (r < 0 && r != -ESRCH && e)
		*e = cause;
	return r == -ESRCH ? 0 : r;
}

void exec_signal(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__SignalProcessRequest *req = request;
	struct task *t = task_find(rpc, req->container_id, req->exec_id, call);
	struct err e = {0};
	int r;

	if (!t)
		return;
	if (req->signal == 0 || req->signal >= _NSIG)
		r = err_say(&e, EINVAL, "%u is no signal", req->signal);
	else
		r = send_signal(t, call, req, &e);
	ttrpc_answer(call, r, &e);
}

/* A WaitProcess call that waits for the end of a process. */
struct watcher {
	struct process_wait wait;
	struct ttrpc_call *call;
};

static void watcher_finish(struct process_wait *w, int exit_code)
{
	struct watcher *x = container_of(w, struct watcher, wait);
	struct err e = {0};

	if (exit_code < 0) {
		ttrpc_answer(x->call, err_sys(&e, -exit_code, "wait for the end of the process"),
			     &e);
	} else {
		Grpc__WaitProcessResponse reply = GRPC__WAIT_PROCESS_RESPONSE__INIT;

		reply.status = exit_code;
		reply.unread = w->unread;
		ttrpc_reply(x->call, &reply.base);
	}
	free(x);
}

static void watcher_gone(void *arg)
{
	struct watcher *x = arg;

	process_wait_cancel(&x->wait);
	ttrpc_drop(x->call);
	free(x);
}

void exec_wait(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__WaitProcessRequest *req = request;
	struct task *t = task_find(rpc, req->container_id, req->exec_id, call);
	struct err e = {0};

	if (!t)
		return;

	const char *when = ttrpc_call_metadata(call, "kata-wait");
	struct watcher *x = calloc(1, sizeof *x);

	if (!x) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "wait for the end of the process"), &e);
		return;
	}
	x->call = call;
	x->wait.at_end = when && strcmp(when, "end") == 0;
	x->wait.finish = watcher_finish;
	ttrpc_call_on_gone(call, watcher_gone, x);
	process_wait(t->process, &x->wait);
}
