#include "tests/unit/host/sandbox/fake_sandbox.h"

static pid_t pid_of(const char *id)
{
	struct sandbox_process p;

	CHECK_EQ(sandbox_state(here.sb, id, "", &p, NULL), 0);
	return (pid_t) p.pid;
}

/* A bundle of a pod of Kubernetes: @kind "sandbox" or "container", @more namespaces. */
static void write_kind(const char *kind, const char *more)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"},\"hostname\":\"h\","
		"\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"annotations\":{\"io.kubernetes.cri.container-type\":\"%s\"},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"network\"}%s]}}",
		kind, more);

	write_text(here.bundle, "config.json", text);
}

#define OWN ",{\"type\":\"uts\"},{\"type\":\"ipc\"},{\"type\":\"pid\"}"

/* Namespaces ipc and uts of process @ipc, pid of process @pid. */
static char *joins(pid_t ipc, pid_t pid)
{
	return str_printf(",{\"type\":\"uts\",\"path\":\"/proc/%d/ns/uts\"},"
			  "{\"type\":\"ipc\",\"path\":\"/proc/%d/ns/ipc\"},"
			  "{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"}",
			  (int) ipc, (int) ipc, (int) pid);
}

static void make_pod(void)
{
	here.has_standins = true;
	up();
	write_kind("sandbox", OWN);
	CHECK_EQ(create("pod", NO_STREAMS), 0);
	CHECK_EQ(start("pod", ""), 0);
}

static void end_pod(void)
{
	CHECK_EQ(kill_it("pod", "", SIGKILL), 0);
	CHECK_EQ(wait_for("pod", ""), 128 + SIGKILL);
	CHECK_EQ(delete_it("pod", ""), 0);
	CHECK(sandbox_is_over(here.sb));
	down();
	here.has_standins = false;
}

TEST(a_pods_own_container_runs_no_program_and_has_a_life_all_the_same)
{
	auto_free char *process = strdup("{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{}}");
	Grpc__Process *spec = NULL;
	struct sandbox_stdio streams = NO_STREAMS;
	struct err e = {0};

	make_pod();
	CHECK_EQ(here.agent.created, 0);
	CHECK_STR(here.agent.hostname, "h");
	CHECK_EQ(status_of("pod", ""), OCI_RUNNING);
	CHECK_EQ(kill(pid_of("pod"), 0), 0);

	CHECK_EQ(oci_process_parse(process, strlen(process), &spec, NULL), 0);
	CHECK_EQ(sandbox_exec(here.sb, "pod", "e1", spec, &streams, &e), -EOPNOTSUPP);
	CHECK_STR(e.text, "container 'pod' stands for its pod: no program runs in it");
	sandbox_pause(here.sb, "pod", on_done, NULL);
	CHECK_EQ(outcome(), -EOPNOTSUPP);
	sandbox_stats(here.sb, "pod", on_done, NULL);
	CHECK_EQ(outcome(), 0);
	CHECK(here.answer.bytes > 0);

	CHECK_EQ(kill_it("pod", "", SIGUSR1), 0);
	CHECK_EQ(status_of("pod", ""), OCI_RUNNING);
	CHECK_EQ(kill_it("pod", "", SIGTERM), 0);
	CHECK_EQ(wait_for("pod", ""), 0);
	CHECK_EQ(delete_it("pod", ""), 0);
	CHECK_EQ(here.agent.removed, 0);
	down();
	here.has_standins = false;
}

TEST(who_kills_a_pods_pid_kills_its_own_container)
{
	make_pod();
	CHECK_EQ(kill(pid_of("pod"), SIGKILL), 0);
	CHECK_EQ(wait_for("pod", ""), 128 + SIGKILL);
	end_pod();
}

TEST(if_the_machine_dies_a_pods_own_container_ends_too)
{
	make_pod();
	hv_fake_die(here.hv, "qemu was killed");
	CHECK_EQ(wait_for("pod", ""), 137);
	CHECK_EQ(delete_it("pod", ""), 0);
	down();
	here.has_standins = false;
}

TEST(a_container_joins_its_pod_and_a_debugger_another_container)
{
	auto_free char *pods = NULL, *others = NULL;
	auto_free char *theirs = NULL, *ours = NULL;
	struct stat a, b;

	make_pod();
	pods = joins(pid_of("pod"), pid_of("pod"));
	write_kind("container", pods);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK(here.agent.pod_pids);
	CHECK_STR(here.agent.pids_of, "");

	/* On the host, too, the pod's namespaces are those of its containers. */
	theirs = str_printf("/proc/%d/ns/ipc", (int) pid_of("c1"));
	ours = str_printf("/proc/%d/ns/ipc", (int) pid_of("pod"));
	CHECK_EQ(stat(theirs, &a), 0);
	CHECK_EQ(stat(ours, &b), 0);
	CHECK_EQ(a.st_ino, b.st_ino);

	others = joins(pid_of("pod"), pid_of("c1"));
	write_kind("container", others);
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK(!here.agent.pod_pids);
	CHECK_STR(here.agent.pids_of, "c1");
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c2", ""), 0);
	end_pod();
}

TEST(what_is_not_in_the_pod_cannot_be_joined)
{
	auto_free char *hosts = NULL;

	make_pod();
	hosts = joins(getpid(), getpid());
	write_kind("container", hosts);
	CHECK_EQ(create("c1", NO_STREAMS), -ENOTSUP);
	write_kind("container", ",{\"type\":\"ipc\"},{\"type\":\"uts\"}");
	CHECK_EQ(create("c2", NO_STREAMS), -ENOTSUP);
	CHECK(strstr(here.answer.err.text, "hostPID") != NULL);
	end_pod();
}

TEST(an_agent_that_cannot_share_processes_is_not_asked_to)
{
	auto_free char *others = NULL;

	here.has_standins = true;
	up();
	here.agent.features[3] = NULL;
	write_kind("sandbox", OWN);
	CHECK_EQ(create("pod", NO_STREAMS), 0);
	write_kind("container", OWN);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	others = joins(pid_of("pod"), pid_of("c1"));
	write_kind("container", others);
	CHECK_EQ(create("c2", NO_STREAMS), -ENOTSUP);
	CHECK(strstr(here.answer.err.text, "cannot let it see the processes of container 'c1'") !=
	      NULL);
	CHECK_EQ(delete_it("c1", ""), 0);
	end_pod();
}
