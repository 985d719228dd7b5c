/* More processes in a container, and what else can be done to one. */

#include <errno.h>
#include <signal.h>

#include "base/array.h"
#include "tests/agent/box.h"

static void open_host(struct vm *vm, const char *id, const struct box_options *o)
{
	box_prepare(vm);
	MUST(box_create(vm, id, "exec sleep 1000", o, &why));
	MUST(box_start(vm, id, &why));
}

CASE(an_exec_runs_in_the_container_and_has_its_own_end)
{
	struct run r;

	open_host(vm, "execs", NULL);
	MUST(box_exec(vm, "execs", "one", "echo $$; cat; exit 6", &why));
	run_begin(&r, vm, "execs", "one");
	MUST(box_write(vm, "execs", "one", "input", &why));
	MUST(box_close_stdin(vm, "execs", "one", &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 6);
	CHECK(strstr(run_out(&r), "\ninput"));
	run_fini(&r);
	MUST(box_remove(vm, "execs", 0, &why));
}

CASE(an_exec_id_is_used_once_until_its_process_is_forgotten)
{
	struct err e = {0};
	struct run r;

	open_host(vm, "ids", NULL);
	MUST(box_exec(vm, "ids", "x", "exec sleep 1000", &why));
	CHECK_EQ(box_exec(vm, "ids", "x", "true", &e), -EEXIST);
	CHECK_EQ(box_exec(vm, "ids", "ids", "true", NULL), -EEXIST);
	CHECK_EQ(box_exec(vm, "ids", "", "true", NULL), -EEXIST);
	CHECK_EQ(box_exec(vm, "no-such", "x", "true", NULL), -ENOENT);
	run_begin(&r, vm, "ids", "x");
	MUST(box_signal(vm, "ids", "x", SIGTERM, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 128 + SIGTERM);
	run_fini(&r);
	MUST(box_exec(vm, "ids", "x", "exit 2", &why));
	run_begin(&r, vm, "ids", "x");
	run_until_closed(&r);
	CHECK_EQ(r.code, 2);
	run_fini(&r);
	MUST(box_remove(vm, "ids", 0, &why));
}

CASE(what_cannot_be_executed_is_said_by_the_call)
{
	Grpc__ExecProcessRequest req = GRPC__EXEC_PROCESS_REQUEST__INIT;
	Grpc__Process process;
	char *args[] = {(char *) "/no/such/program"};
	struct err e = {0};

	grpc__process__init(&process);
	open_host(vm, "noexec", NULL);
	req.container_id = (char *) "noexec";
	req.exec_id = (char *) "e";
	CHECK_EQ(vm_call(vm, "ExecProcess", &req, NULL, &e), -EINVAL);
	CHECK_STR(e.text, "process is missing");
	err_clear(&e);
	process.args = args;
	process.n_args = 1;
	process.cwd = (char *) "/";
	req.process = &process;
	CHECK(vm_call(vm, "ExecProcess", &req, NULL, &e) < 0);
	CHECK(strstr(e.text, "/no/such/program"));
	/* And the id is free again. */
	MUST(box_exec(vm, "noexec", "e", "true", &why));
	MUST(box_remove(vm, "noexec", 0, &why));
}

CASE(hundreds_of_execs_leave_nothing_behind)
{
	open_host(vm, "many", NULL);
	for (int i = 0; i < 200; i++) {
		char id[16];
		struct run r;

		(void) snprintf(id, sizeof id, "e%d", i);
		MUST(box_exec(vm, "many", id, "echo x", &why));
		run_begin(&r, vm, "many", id);
		run_until_closed(&r);
		CHECK_EQ(r.code, 0);
		CHECK_EQ(r.out_bytes_at_end, 2);
		run_fini(&r);
	}
	MUST(box_remove(vm, "many", 0, &why));
}

CASE(a_paused_container_stands_still)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	struct run r;
	size_t before;

	box_prepare(vm);
	MUST(box_create(vm, "ticker", "while :; do echo tick; sleep 0.02; done", NULL, &why));
	run_begin(&r, vm, "ticker", "");
	MUST(box_start(vm, "ticker", &why));
	run_until_output(&r, 5);
	pause.container_id = resume.container_id = (char *) "ticker";
	MUST(vm_call(vm, "PauseContainer", &pause, NULL, &why));
	while (loop_step(vm->loop, clock_deadline(100), NULL) > 0)
		; /* what was under way */
	before = r.out_bytes;
	CHECK_EQ(loop_step(vm->loop, clock_deadline(300), NULL), 0);
	CHECK_EQ(r.out_bytes, before);
	MUST(vm_call(vm, "ResumeContainer", &resume, NULL, &why));
	run_until_output(&r, before + 5);
	MUST(vm_call(vm, "PauseContainer", &pause, NULL, &why));
	MUST(box_remove(vm, "ticker", 0, &why)); /* frozen as it is */
	run_until_closed(&r);
	run_fini(&r);
}

CASE(limits_are_set_changed_and_counted)
{
	const struct box_options o = {.resources = "{\"memory\": {\"limit\": 67108864},"
						   " \"pids\": {\"limit\": 50}}"};
	Grpc__StatsContainerRequest ask = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__UpdateContainerRequest update = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerResponse *stats = NULL;
	Grpc__LinuxResources res;
	Grpc__LinuxPids pids;
	struct err e = {0};

	open_host(vm, "limits", &o);
	ask.container_id = update.container_id = (char *) "limits";
	MUST(vm_call(vm, "StatsContainer", &ask, &stats, &why));
	CHECK_EQ(stats->cgroup_stats->memory_stats->usage->limit, 67108864);
	CHECK_EQ(stats->cgroup_stats->pids_stats->limit, 50);
	CHECK_EQ(stats->cgroup_stats->pids_stats->current, 1);
	CHECK(stats->cgroup_stats->cpu_stats->cpu_usage->total_usage > 0);
	ttrpc_message_free(&stats->base);
	stats = NULL;

	CHECK_EQ(vm_call(vm, "UpdateContainer", &update, NULL, &e), -EINVAL);
	grpc__linux_resources__init(&res);
	grpc__linux_pids__init(&pids);
	pids.has_limit = true;
	pids.limit = 70;
	res.pids = &pids;
	update.resources = &res;
	MUST(vm_call(vm, "UpdateContainer", &update, NULL, &why));
	MUST(vm_call(vm, "StatsContainer", &ask, &stats, &why));
	CHECK_EQ(stats->cgroup_stats->pids_stats->limit, 70);
	CHECK_EQ(stats->cgroup_stats->memory_stats->usage->limit, 67108864);
	ttrpc_message_free(&stats->base);
	MUST(box_remove(vm, "limits", 0, &why));
}

struct oom {
	bool told;
	char id[64];
};

static void oom_told(void *arg, struct ttrpc_answer *a)
{
	struct oom *o = arg;

	o->told = true;
	if (a->r == 0)
		(void) snprintf(o->id, sizeof o->id, "%s",
				((const Grpc__OOMEvent *) a->response)->container_id);
}

CASE(a_container_out_of_memory_is_reported)
{
	const struct box_options o = {.resources = "{\"memory\": {\"limit\": 16777216}}"};
	Grpc__GetOOMEventRequest ask = GRPC__GET_OOMEVENT_REQUEST__INIT;
	struct oom told = {0};
	struct run r;

	box_prepare(vm);
	CHECK_EQ(vm_begin(vm, "GetOOMEvent", &ask, oom_told, &told), 0);
	MUST(box_create(vm, "hungry", "exec tail /dev/zero", &o, &why));
	run_begin(&r, vm, "hungry", "");
	MUST(box_start(vm, "hungry", &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 128 + SIGKILL);
	while (!told.told)
		CHECK(loop_step(vm->loop, clock_deadline(VM_PATIENCE_MS), NULL) > 0);
	CHECK_STR(told.id, "hungry");
	run_fini(&r);
	MUST(box_remove(vm, "hungry", 0, &why));
}

CASE(the_processes_of_a_container_can_be_listed)
{
	Grpc__ListProcessesRequest ask = GRPC__LIST_PROCESSES_REQUEST__INIT;
	Grpc__ListProcessesResponse *reply = NULL;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "listed", "echo up; read forever", NULL, &why));
	run_begin(&r, vm, "listed", "listed");
	MUST(box_start(vm, "listed", &why));
	/* A program that was only just executed may not have its arguments in /proc yet. */
	run_until_output(&r, 3);
	ask.container_id = (char *) "listed";
	ask.format = (char *) "json";
	MUST(vm_call(vm, "ListProcesses", &ask, &reply, &why));
	CHECK_EQ(reply->process_list.len, 3);
	CHECK_EQ(memcmp(reply->process_list.data, "[1]", 3), 0);
	ttrpc_message_free(&reply->base);
	reply = NULL;
	ask.format = (char *) "table";
	MUST(vm_call(vm, "ListProcesses", &ask, &reply, &why));
	CHECK(memmem(reply->process_list.data, reply->process_list.len, "read forever", 12));
	ttrpc_message_free(&reply->base);
	MUST(box_signal(vm, "listed", "listed", SIGKILL, &why));
	run_until_closed(&r);
	run_fini(&r);
	MUST(box_remove(vm, "listed", 0, &why));
}

CASE(the_agent_stays_small)
{
	const struct box_options o = {.guest_pids = true};
	struct run r;
	const char *rss;

	box_prepare(vm);
	/* What large messages have left behind is given back when it is quiet. */
	while (loop_step(vm->loop, clock_deadline(1500), NULL) > 0)
		;
	CHECK_EQ(box_run(vm, "look",
			 "grep -E 'VmRSS|VmHWM|Rss' /proc/1/status; ls /proc/1/fd | wc -l", &o, &r),
		 0);
	rss = strstr(run_out(&r), "VmRSS:");
	printf("# agent: %s", run_out(&r));
	CHECK(rss && atoi(rss + strlen("VmRSS:")) <= 2048);
	run_fini(&r);
}
