#include "host/sandbox/process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/log.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

static bool is_passed(const char *name)
{
	return strncmp(name, "fd:", 3) == 0;
}

/* A stream named "fd:N" takes its descriptor from @fds. */
static int open_passed(struct loop *loop, const char *name, struct sandbox_stdio *fds,
		       enum stream_direction direction, struct stream **ret, struct err *e)
{
	int i = name[3] - '0';

	if (name[3] == '\0' || name[4] != '\0' || i < 0 || i > 2 || fds->fds[i] < 0)
		return err_say(e, EINVAL, "stream '%s': no such descriptor came along", name);

	int r = stream_open(loop, fds->fds[i], direction, ret, e);

	if (r == 0)
		fds->fds[i] = -1;
	return r;
}

/* The pipe to the process's logger, which is started for the first of its streams. */
static int open_logger(struct guest_process *p, const struct stream_name *name, bool is_error,
		       struct stream **ret, struct err *e)
{
	struct sandbox *sb = p->container->sb;
	const struct logger_spec spec = {
		.name = name,
		.id = p->exec_id[0] ? p->exec_id : p->container->id,
		.namespace = sb->options.namespace,
		.mount_ns = sb->options.host_mount_ns,
	};
	int r = p->logger ? 0 : logger_start(sb->loop, &spec, &p->logger, e);

	if (r < 0)
		return r;

	auto_close int fd = logger_take_output(p->logger, is_error);

	r = stream_open(sb->loop, fd, STREAM_OUT, ret, e);
	if (r == 0)
		(void) take_fd(&fd);
	return r;
}

static int need_streaming(struct sandbox *sb, struct err *e)
{
	return sb->streaming ? 0 : streaming_new(sb->loop, &sb->streaming, e);
}

static int open_remote(struct sandbox *sb, const char *id, enum stream_direction direction,
		       struct stream **ret, struct err *e)
{
	int r = need_streaming(sb, e);

	return r < 0 ? r : streaming_open(sb->streaming, id, direction, ret, e);
}

void sandbox_serve_stream(struct sandbox *sb, struct ttrpc_call *call)
{
	struct err e = {0};

	if (need_streaming(sb, &e) < 0)
		ttrpc_fail_err(call, &e);
	else
		streaming_serve(sb->streaming, call);
}

static int open_named(struct guest_process *p, const char *text, enum stream_direction direction,
		      bool is_error, struct stream **ret, struct err *e)
{
	__attribute__((cleanup(stream_name_fini))) struct stream_name name;
	struct loop *loop = p->container->sb->loop;
	int r = stream_name_parse(text, &name, e);

	if (r < 0)
		return r;
	if (name.kind == STREAM_REMOTE)
		return open_remote(p->container->sb, name.id, direction, ret, e);
	if (name.kind == STREAM_FIFO)
		return stream_open_fifo(loop, name.path, direction, ret, e);
	if (direction == STREAM_IN)
		return err_say(e, ENOTSUP, "stream '%.200s': input comes from a fifo", text);
	if (name.kind == STREAM_FILE)
		return stream_open_file(loop, name.path, ret, e);
	return open_logger(p, &name, is_error, ret, e);
}

/* Opens the streams that are passed, or those that are named, as @fds says. */
static int open_streams(struct guest_process *p, struct sandbox_stdio *fds, struct err *e)
{
	const struct {
		const char *name;
		enum stream_direction direction;
		struct stream **ret;
	} all[] = {
		{p->in, STREAM_IN, &p->streams.in},
		{p->out, STREAM_OUT, &p->streams.out},
		{p->terminal ? "" : p->err, STREAM_OUT, &p->streams.err},
	};
	struct loop *loop = p->container->sb->loop;
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
		if (*all[i].ret || !all[i].name[0] || is_passed(all[i].name) != (fds != NULL))
			continue;
		r = fds ? open_passed(loop, all[i].name, fds, all[i].direction, all[i].ret, e)
			: open_named(p, all[i].name, all[i].direction, i == 2, all[i].ret, e);
	}
	return r;
}

int guest_process_open(struct guest_process *p, struct err *e)
{
	int r = open_streams(p, NULL, e);

	if (r == 0 && p->input_ended && p->streams.in)
		stream_end(p->streams.in);
	return r;
}

void guest_process_close(struct guest_process *p)
{
	stream_close(take_ptr(p->streams.in));
	stream_close(take_ptr(p->streams.out));
	stream_close(take_ptr(p->streams.err));
}

static char *copy_of(const char *text)
{
	return strdup(text ? text : "");
}

static int process_fill(struct guest_process *p, const char *exec_id, struct sandbox_stdio *stdio,
			struct err *e)
{
	p->exec_id = strdup(exec_id);
	p->in = copy_of(stdio->in);
	p->out = copy_of(stdio->out);
	p->err = copy_of(stdio->err);
	if (!p->exec_id || !p->in || !p->out || !p->err)
		return err_sys(e, ENOMEM, "make a process");
	return open_streams(p, stdio, e);
}

int guest_process_new(struct guest_container *c, const char *exec_id,
		      const struct sandbox_stdio *stdio, struct guest_process **ret, struct err *e)
{
	auto_ptr(guest_process_free) struct guest_process *p = calloc(1, sizeof *p);
	struct sandbox_stdio left = *stdio;
	int r = p ? 0 : err_sys(e, ENOMEM, "make a process");

	if (p) {
		list_init(&p->link);
		list_init(&p->waits);
		p->container = c;
		p->status = OCI_CREATED;
		p->terminal = stdio->terminal;
		r = process_fill(p, exec_id, &left, e);
	}
	for (int i = 0; i < 3; i++)
		fd_close(left.fds[i]);
	if (r == 0)
		*ret = take_ptr(p);
	return r;
}

/* Returns whether one of the waits has is_last. */
static bool answer_waits(struct guest_process *p, const struct sandbox_answer *a)
{
	struct list *first;
	bool last = false;

	while ((first = list_first(&p->waits))) {
		struct sandbox_wait *w = container_of(first, struct sandbox_wait, link);

		list_remove(first);
		last |= w->is_last;
		w->done(w->arg, a);
	}
	return last;
}

/* The sandbox may have waited for it to be idle. */
static void logger_gone(void *arg)
{
	sandbox_changed(arg);
}

void guest_process_free(struct guest_process *p)
{
	struct sandbox_answer gone = {.r = -ENOENT};

	if (!p)
		return;
	list_remove(&p->link);
	gone.exit_status = p->exit_status;
	gone.exited_at = p->exited_at;
	(void) err_say(&gone.err, ENOENT, "the process was deleted");
	(void) answer_waits(p, &gone);
	ttrpc_cancel(p->waiting);
	stdio_free(p->io);
	guest_process_close(p);
	if (p->logger)
		logger_end(p->logger, &p->container->sb->loggers, logger_gone, p->container->sb);
	oci_process_free(p->spec);
	free(p->exec_id);
	free(p->in);
	free(p->out);
	free(p->err);
	free(p);
}

/* How it ended. */
static struct sandbox_answer end_of(const struct guest_process *p)
{
	const struct sandbox *sb = p->container->sb;
	struct sandbox_answer a = {.exit_status = p->exit_status, .exited_at = p->exited_at};

	if (p->lost && sb->cause.is_known && sb->cause.why.code != ECANCELED)
		a.cause = sb->cause.why;
	return a;
}

/* Deletes an exec whose end was reported to its last client. */
static void forget(struct guest_process *p)
{
	linger_begin(p);
	guest_process_free(p);
}

/* The user has all of the process's output: its end may be reported now. */
static void told(void *arg)
{
	struct guest_process *p = arg;
	struct sandbox *sb = p->container->sb;
	struct sandbox_answer a = end_of(p);

	p->status = OCI_STOPPED;
	if (p == p->container->init)
		guest_standin_end(&p->container->standin);
	if (answer_waits(p, &a) && p != p->container->init)
		forget(p);
	sandbox_changed(sb);
}

/* The guest sends no more output of the process. */
static void finish(struct guest_process *p)
{
	if (p->io)
		stdio_finish(p->io, told, p);
	else
		told(p);
}

static void ended(struct guest_process *p, uint32_t code)
{
	p->has_ended = true;
	p->exit_status = code;
	(void) clock_gettime(CLOCK_REALTIME, &p->exited_at);
}

void guest_process_end(struct guest_process *p, uint32_t code)
{
	ended(p, code);
	finish(p);
}

enum oci_status guest_process_status(const struct guest_process *p)
{
	return p->has_ended && p->io && stdio_is_stuck(p->io) ? OCI_STOPPED : p->status;
}

static int wait_for_end(struct guest_process *p, bool at_once, struct err *e);

static void waited(void *arg, struct ttrpc_answer *answer)
{
	struct guest_process *p = arg;
	struct err e = {0};

	p->waiting = NULL;
	if (answer->r == -ECONNRESET || answer->r == -ECANCELED)
		return; /* the connection is gone; guest_process_lost() follows */
	if (answer->r < 0)
		log_err(LOG_ERROR, &answer->err, "the end of a process is not known");

	Grpc__WaitProcessResponse *w = (Grpc__WaitProcessResponse *) answer->response;

	if (!p->has_ended)
		ended(p, w ? (uint32_t) w->status & 0xff : 255);
	if (p->killed)
		stdio_hurry(p->io, KILLED_FLUSH_MS);
	if (w && w->unread && wait_for_end(p, false, &e) == 0)
		return;
	finish(p);
}

/* Waits until the process has ended and the guest sent its output; @at_once: only for the end. */
static int wait_for_end(struct guest_process *p, bool at_once, struct err *e)
{
	static const struct ttrpc_pair end = {"kata-wait", "end"};
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "WaitProcess",
		.message = &wait.base,
		.deadline = CLOCK_NEVER,
		.metadata = &end,
		.n_metadata = at_once ? 1 : 0,
	};
	struct ttrpc_client *line = agent_line(p->container->sb, e);

	if (!line)
		return -ECONNRESET;
	wait.container_id = p->container->id;
	wait.exec_id = p->exec_id;
	return ttrpc_call(line, &request, waited, p, &p->waiting, e);
}

int guest_process_attach(struct guest_process *p, struct err *e)
{
	struct guest_container *c = p->container;
	struct ttrpc_client *line = agent_line(c->sb, e);

	if (!line)
		return -ECONNRESET;
	p->streams.container_id = c->id;
	p->streams.exec_id = p->exec_id;
	p->streams.promises = c->sb->agent.promises;
	p->streams.terminal = p->terminal;

	int r = stdio_new(c->sb->loop, line, &p->streams, &p->io, e);

	if (r < 0)
		return r;
	/* Reads go first, because an agent may at once end a stream that nobody reads yet. */
	stdio_start_output(p->io);
	return wait_for_end(p, c->sb->agent.promises.end_at_once, e);
}

void guest_process_started(struct guest_process *p)
{
	if (p->status == OCI_CREATED)
		p->status = OCI_RUNNING;
	if (p->io && p->waiting)
		stdio_start_input(p->io);
}

void guest_process_lost(struct guest_process *p)
{
	bool finishing = p->has_ended && !p->waiting;

	ttrpc_cancel(take_ptr(p->waiting));
	if (p->io)
		stdio_break(p->io);
	if (p->status == OCI_STOPPED || p->status == OCI_CREATING || finishing)
		return;
	if (p->io)
		stdio_hurry(p->io, BROKEN_FLUSH_MS);
	p->lost = !p->has_ended;
	if (p->lost)
		ended(p, BROKEN_EXIT_CODE);
	finish(p);
}

/* A start that waits for a logger fails. It may free its exec. */
static void stop_starts(struct guest_container *c)
{
	struct err why = {0};

	(void) err_say(&why, ECONNRESET, "the machine is gone");
	list_for_each (pos, &c->execs) {
		struct guest_process *p = container_of(pos, struct guest_process, link);

		if (p->logger)
			logger_stop_waiting(p->logger, &why);
	}
}

/* guest_process_lost() may free execs of the same container, never a container. */
void sandbox_end_processes(struct sandbox *sb)
{
	list_for_each (pos, &sb->containers) {
		struct guest_container *c = container_of(pos, struct guest_container, link);

		guest_process_lost(c->init);
		stop_starts(c);
		list_for_each (exec, &c->execs)
			guest_process_lost(container_of(exec, struct guest_process, link));
		lingers_lost(c);
	}
}

static void ignore(void *arg, const struct sandbox_answer *answer)
{
	(void) arg, (void) answer;
}

void guest_process_send_size(struct guest_process *p)
{
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;

	if (!p->terminal || !p->rows || !p->columns)
		return;
	resize.container_id = p->container->id;
	resize.exec_id = p->exec_id;
	resize.row = p->rows;
	resize.column = p->columns;
	agent_ask(p->container->sb, "TtyWinResize", &resize.base, NULL, ignore, NULL);
}

int sandbox_wait(struct sandbox *sb, const char *id, const char *exec_id, struct sandbox_wait *w,
		 struct err *e)
{
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, e);

	if (!p)
		return -ENOENT;
	list_init(&w->link);
	if (p->status == OCI_STOPPED) {
		struct sandbox_answer a = end_of(p);
		bool last = w->is_last && p != p->container->init;

		w->done(w->arg, &a);
		if (last)
			forget(p);
	} else {
		list_add(&p->waits, &w->link);
	}
	return 0;
}

void sandbox_wait_cancel(struct sandbox_wait *w)
{
	list_remove(&w->link);
}
