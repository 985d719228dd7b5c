/* The streams of processes: long polls in both directions. */

#include <errno.h>
#include <stdlib.h>

#include "agent/rpc/member.h"
#include "base/array.h"

/* Whose streams they are: a process's or a connection's (see "connect" in agent.proto). NULL after
 * it has answered @call. */
static struct process *find_streams(struct rpc *rpc, const char *id, const char *exec_id,
				    struct ttrpc_call *call)
{
	if (!*id)
		return connection_find(rpc, exec_id, call);

	struct task *t = task_find(rpc, id, exec_id, call);

	return t ? t->process : NULL;
}

/* A read that waits for output. */
struct pull {
	struct process_read read;
	struct ttrpc_call *call;
};

static uint8_t *pull_room(struct process_read *r, size_t bytes)
{
	return ttrpc_reply_room(container_of(r, struct pull, read)->call, bytes);
}

/* End of file is an error in this protocol; OUT_OF_RANGE is this project's code for it. */
static void pull_finish(struct process_read *r, ssize_t n)
{
	struct pull *p = container_of(r, struct pull, read);
	struct err e = {0};

	if (n > 0)
		ttrpc_reply_bytes(p->call, (size_t) n);
	else if (n == 0)
		ttrpc_fail(p->call, TTRPC_OUT_OF_RANGE, "end of file");
	else
		ttrpc_answer(p->call, err_sys(&e, (int) -n, "read the stream"), &e);
	free(p);
}

static void pull_gone(void *arg)
{
	struct pull *p = arg;

	process_read_cancel(&p->read);
	ttrpc_drop(p->call);
	free(p);
}

static void pull_stream(struct rpc *rpc, struct ttrpc_call *call, const void *request,
			enum process_stream which)
{
	const Grpc__ReadStreamRequest *req = request;
	struct process *process = find_streams(rpc, req->container_id, req->exec_id, call);
	struct err e = {0};

	if (!process)
		return;
	if (req->len == 0) { /* "close-output" in agent.proto */
		process_close_output(process, which);
		ttrpc_reply(call, NULL);
		return;
	}

	struct pull *p = calloc(1, sizeof *p);

	if (!p) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "read the stream"), &e);
		return;
	}
	p->call = call;
	p->read = (struct process_read){
		.max_bytes = req->len < TTRPC_ROOM_MAX ? req->len : TTRPC_ROOM_MAX,
		.room = pull_room,
		.finish = pull_finish,
	};
	ttrpc_call_on_gone(call, pull_gone, p);
	process_read(process, which, &p->read);
}

void stdio_read_stdout(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	pull_stream(rpc, call, request, PROCESS_STDOUT);
}

void stdio_read_stderr(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	pull_stream(rpc, call, request, PROCESS_STDERR);
}

/* A write that waits until the process's pipe has taken it. */
struct push {
	struct process_write write;
	struct ttrpc_call *call; /* keeps the bytes */
};

static void push_finish(struct process_write *w, int r)
{
	struct push *p = container_of(w, struct push, write);
	struct err e = {0};

	if (r < 0) {
		ttrpc_answer(p->call, err_sys(&e, -r, "write to stdin"), &e);
	} else {
		Grpc__WriteStreamResponse reply = GRPC__WRITE_STREAM_RESPONSE__INIT;

		reply.len = (uint32_t) w->done;
		ttrpc_reply(p->call, &reply.base);
	}
	free(p);
}

static void push_gone(void *arg)
{
	struct push *p = arg;

	process_write_cancel(&p->write);
	ttrpc_drop(p->call);
	free(p);
}

void stdio_write_stdin(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__WriteStreamRequest *req = request;
	struct process *process = find_streams(rpc, req->container_id, req->exec_id, call);
	struct err e = {0};

	if (!process)
		return;
	if (req->data.len == 0) { /* upstream's other way to close stdin */
		process_close_stdin(process);
		ttrpc_reply(call, NULL);
		return;
	}

	struct push *p = calloc(1, sizeof *p);

	if (!p) {
		ttrpc_answer(call, err_sys(&e, ENOMEM, "write to stdin"), &e);
		return;
	}
	p->call = call;
	p->write = (struct process_write){
		.data = req->data.data,
		.bytes = req->data.len,
		.finish = push_finish,
	};
	ttrpc_call_on_gone(call, push_gone, p);
	process_write(process, &p->write);
}

void stdio_close_stdin(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__CloseStdinRequest *req = request;
	struct process *process = find_streams(rpc, req->container_id, req->exec_id, call);

	if (!process)
		return;
	process_close_stdin(process);
	ttrpc_answer(call, 0, NULL);
}

void stdio_resize(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__TtyWinResizeRequest *req = request;
	struct task *t = task_find(rpc, req->container_id, req->exec_id, call);
	struct err e = {0};

	if (t)
		ttrpc_answer(call, process_resize(t->process, req->row, req->column, &e), &e);
}
