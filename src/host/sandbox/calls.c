#include <errno.h>
#include <signal.h>

#include "host/sandbox/inside.h"

/* A request to the agent; its answer goes to @done. */
struct question {
	struct loss_wait wait;
	struct sandbox *sb;
	sandbox_done_fn done;
	void *arg;
};

static void lost(struct loss_wait *w, const struct err *why)
{
	struct question *q = container_of(w, struct question, wait);

	sandbox_refuse(q->done, q->arg, why);
	free(q);
}

static void answered(void *arg, struct ttrpc_answer *answer)
{
	struct question *q = arg;
	struct sandbox_answer a = {.r = answer->r, .err = answer->err};
	auto_free uint8_t *packed = NULL;

	if (answer->r < 0 && loss_tells(q->sb, &q->wait))
		return;
	if (answer->response) {
		a.bytes = protobuf_c_message_get_packed_size(answer->response);
		packed = malloc(a.bytes ? a.bytes : 1);
		if (packed)
			(void) protobuf_c_message_pack(answer->response, packed);
		else
			a.r = err_sys(&a.err, ENOMEM, "keep the guest's answer");
		a.data = packed;
	}
	q->done(q->arg, &a);
	free(q);
}

struct ttrpc_client *agent_line(struct sandbox *sb, struct err *e)
{
	struct ttrpc_client *line = sb->agent ? agent_client_line(sb->agent) : NULL;

	if (!line && sb->broken)
		(void) err_say(e, ECONNRESET, "the machine is gone: %s", sb->why.text);
	else if (!line)
		(void) err_say(e, ECONNRESET, "there is no line to the guest");
	return line;
}

void agent_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	       const struct ttrpc_pair *metadata, sandbox_done_fn done, void *arg)
{
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(AGENT_TIMEOUT_MS),
		.metadata = metadata,
		.n_metadata = metadata ? 1 : 0,
	};
	struct err e = {0};
	struct ttrpc_client *line = agent_line(sb, &e);
	struct question *q = line ? calloc(1, sizeof *q) : NULL;

	if (line && !q)
		(void) err_sys(&e, ENOMEM, "ask the guest");
	if (!e.code) {
		*q = (struct question){.wait.tell = lost, .sb = sb, .done = done, .arg = arg};
		(void) ttrpc_call(line, &request, answered, q, NULL, &e);
	}
	if (e.code) {
		free(q);
		sandbox_refuse(done, arg, &e);
	}
}

/* Finds the container @id, if the guest has it and it has not ended. */
static struct guest_container *in_guest(struct sandbox *sb, const char *id, struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	if (!c)
		return NULL;
	if (c->init->status != OCI_CREATING && c->init->status != OCI_STOPPED)
		return c;
	(void) err_say(e, EBUSY, "container '%s' is %s", id, oci_status_name(c->init->status));
	return NULL;
}

static bool must_die(uint32_t signo)
{
	return signo == SIGKILL || signo == SIGTERM;
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

/* Pause and resume change the status only once the guest has done it. */
struct freeze {
	struct sandbox *sb;
	char *id;
	enum oci_status status;
	sandbox_done_fn done;
	void *arg;
};

static void frozen(void *arg, const struct sandbox_answer *answer)
{
	struct freeze *f = arg;
	struct guest_container *c = sandbox_find(f->sb, f->id, NULL);

	if (answer->r == 0 && c && c->init->status != OCI_STOPPED)
		c->init->status = f->status;
	f->done(f->arg, answer);
	free(f->id);
	free(f);
}

static void freeze(struct sandbox *sb, const char *id, enum oci_status from, enum oci_status to,
		   sandbox_done_fn done, void *arg)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct err e = {0};
	struct guest_container *c = in_guest(sb, id, &e);
	struct freeze *f = NULL;

	if (c && c->init->status != from)
		(void) err_say(&e, EBUSY, "container '%s' is %s, not %s", id,
			       oci_status_name(c->init->status), oci_status_name(from));
	if (!e.code) {
		f = calloc(1, sizeof *f);
		if (!f || !(f->id = strdup(id))) {
			free(f);
			(void) err_sys(&e, ENOMEM, "freeze a container");
		}
	}
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	f->sb = sb;
	f->status = to;
	f->done = done;
	f->arg = arg;
	pause.container_id = resume.container_id = c->id;
	if (to == OCI_PAUSED)
		agent_ask(sb, "PauseContainer", &pause.base, NULL, frozen, f);
	else
		agent_ask(sb, "ResumeContainer", &resume.base, NULL, frozen, f);
}

void sandbox_pause(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	freeze(sb, id, OCI_RUNNING, OCI_PAUSED, done, arg);
}

void sandbox_resume(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	freeze(sb, id, OCI_PAUSED, OCI_RUNNING, done, arg);
}

void sandbox_update(struct sandbox *sb, const char *id, const Grpc__LinuxResources *resources,
		    sandbox_done_fn done, void *arg)
{
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	struct err e = {0};
	struct guest_container *c = in_guest(sb, id, &e);

	if (!c) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	update.container_id = c->id;
	update.resources = (Grpc__LinuxResources *) resources;
	agent_ask(sb, "UpdateContainer", &update.base, NULL, done, arg);
}

void sandbox_stats(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct err e = {0};
	struct guest_container *c = in_guest(sb, id, &e);

	if (!c) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	stats.container_id = c->id;
	agent_ask(sb, "StatsContainer", &stats.base, NULL, done, arg);
}

void sandbox_processes(struct sandbox *sb, const char *id, const char *format, sandbox_done_fn done,
		       void *arg)
{
	Grpc__ListProcessesRequest list = GRPC__LIST_PROCESSES_REQUEST__INIT;
	struct err e = {0};
	struct guest_container *c = in_guest(sb, id, &e);

	if (c && !sb->lists_processes)
		(void) err_say(&e, ENOSYS, "the agent in the guest cannot list processes");
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	list.container_id = c->id;
	list.format = (char *) format;
	agent_ask(sb, "ListProcesses", &list.base, NULL, done, arg);
}

void sandbox_resize(struct sandbox *sb, const char *id, const char *exec_id, uint32_t rows,
		    uint32_t columns, sandbox_done_fn done, void *arg)
{
	Grpc__TtyWinResizeRequest resize = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct sandbox_answer later = {0};
	struct err e = {0};
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, &e);

	if (p && !p->terminal)
		(void) err_say(&e, EINVAL, "the process has no terminal");
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	p->rows = rows;
	p->columns = columns;
	if (!p->io ||
	    p->status == OCI_STOPPED) { /* sent once the terminal exists; moot after the end */
		done(arg, &later);
		return;
	}
	resize.container_id = p->container->id;
	resize.exec_id = p->exec_id;
	resize.row = rows;
	resize.column = columns;
	agent_ask(sb, "TtyWinResize", &resize.base, NULL, done, arg);
}

int sandbox_close_stdin(struct sandbox *sb, const char *id, const char *exec_id, struct err *e)
{
	struct guest_process *p = sandbox_find_process(sb, id, exec_id, e);

	if (!p)
		return -ENOENT;
	if (p->io)
		stdio_end_input(p->io);
	else if (p->streams.in)
		stream_end(p->streams.in);
	return 0;
}
