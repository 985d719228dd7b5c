#include <assert.h>
#include <errno.h>

#include "host/sandbox/agent_call.h"
#include "host/sandbox/cgroups.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

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
	struct guest_container *c = sandbox_find_in_guest(sb, id, &e);
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

/* What holds a pod uses nothing in the guest, and without a cgroup nobody counts what it uses of
 * the host. */
static void answer_zero(sandbox_done_fn done, void *arg)
{
	Grpc__StatsContainerResponse all = GRPC__STATS_CONTAINER_RESPONSE__INIT;
	Grpc__CgroupStats cgroup = GRPC__CGROUP_STATS__INIT;
	Grpc__CpuStats cpu = GRPC__CPU_STATS__INIT;
	Grpc__CpuUsage usage = GRPC__CPU_USAGE__INIT;
	Grpc__MemoryStats memory = GRPC__MEMORY_STATS__INIT;
	Grpc__MemoryData bytes = GRPC__MEMORY_DATA__INIT;
	Grpc__PidsStats pids = GRPC__PIDS_STATS__INIT;
	uint8_t packed[64];

	cpu.cpu_usage = &usage;
	memory.usage = &bytes;
	cgroup.cpu_stats = &cpu;
	cgroup.memory_stats = &memory;
	cgroup.pids_stats = &pids;
	all.cgroup_stats = &cgroup;
	assert(protobuf_c_message_get_packed_size(&all.base) <= sizeof packed);

	const struct sandbox_answer answer = {
		.data = packed,
		.bytes = protobuf_c_message_pack(&all.base, packed),
	};

	done(arg, &answer);
}

/* What holds a pod: all that serves it is in one cgroup of the host. */
static void answer_host_stats(struct sandbox *sb, sandbox_done_fn done, void *arg)
{
	struct sandbox_answer answer = {0};
	auto_free void *data = NULL;

	answer.r = cgroups_stats(sb, &data, &answer.bytes, &answer.err);
	answer.data = data;
	done(arg, &answer);
}

void sandbox_stats(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg)
{
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	struct err e = {0};
	struct guest_container *c = sandbox_find_alive(sb, id, &e);

	if (!c) {
		/* Engines ask for all that they know, and take only this for no failure. */
		e.code = ENOENT;
		sandbox_refuse(done, arg, &e);
		return;
	}
	if (c->holds_pod && sb->machine.cgroup) {
		answer_host_stats(sb, done, arg);
		return;
	}
	if (c->holds_pod) {
		answer_zero(done, arg);
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
	struct guest_container *c = sandbox_find_in_guest(sb, id, &e);

	if (c && !sb->agent.lists_processes)
		(void) err_say(&e, ENOSYS, "the agent in the guest cannot list processes");
	if (e.code) {
		sandbox_refuse(done, arg, &e);
		return;
	}
	list.container_id = c->id;
	list.format = (char *) format;
	agent_ask(sb, "ListProcesses", &list.base, NULL, done, arg);
}

void sandbox_metrics(struct sandbox *sb, sandbox_done_fn done, void *arg)
{
	Grpc__GetMetricsRequest get = GRPC__GET_METRICS_REQUEST__INIT;

	agent_ask(sb, "GetMetrics", &get.base, NULL, done, arg);
}

void sandbox_volume_stats(struct sandbox *sb, const char *guest_path, sandbox_done_fn done,
			  void *arg)
{
	Grpc__VolumeStatsRequest stats = GRPC__VOLUME_STATS_REQUEST__INIT;

	stats.volume_guest_path = (char *) guest_path;
	agent_ask(sb, "GetVolumeStats", &stats.base, NULL, done, arg);
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
	p->input_ended = true;
	if (p->io)
		stdio_end_input(p->io);
	else if (p->streams.in)
		stream_end(p->streams.in);
	return 0;
}
