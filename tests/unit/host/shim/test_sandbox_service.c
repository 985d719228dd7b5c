#include "tests/unit/host/shim/served.h"

#include <jansson.h>

#include "cgroup_metrics.pb-c.h"
#include "host/shim/pod_config.h"
#include "pod_config.pb-c.h"
#include "sandbox.pb-c.h"

#define S(name) Containerd__Runtime__Sandbox__V1__##name

static int call(const char *method, const void *message, void *ret)
{
	struct ttrpc_request q = {
		.service = &containerd__runtime__sandbox__v1__sandbox__descriptor,
		.method = method,
		.message = message,
		.deadline = clock_deadline(20000),
	};

	return ttrpc_call_wait(here.client, &q, ret, NULL);
}

static int create_sandbox(const char *id)
{
	S(CreateSandboxRequest) q = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;

	q.sandbox_id = (char *) id;
	q.bundle_path = here.bundle;
	return call("CreateSandbox", &q, NULL);
}

/* A method whose request is no more than an id, which has the same number in each. */
static int about(const char *method, const char *id, void *ret)
{
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(
		&containerd__runtime__sandbox__v1__sandbox__descriptor, method);
	uint8_t q[256] = {0};

	CHECK(m && m->input->sizeof_message <= sizeof q);
	protobuf_c_message_init(m->input, q);
	*(const char **) (q + m->input->fields[0].offset) = id;
	return call(method, q, ret);
}

static const char *const about_one[] = {"StartSandbox",    "Platform",      "StopSandbox",
					"WaitSandbox",     "SandboxStatus", "PingSandbox",
					"ShutdownSandbox", "SandboxMetrics"};

static int connect_task(const char *id)
{
	T(ConnectRequest) q = CONTAINERD__TASK__V2__CONNECT_REQUEST__INIT;

	q.id = (char *) id;
	return TASK(Connect, q, NULL);
}

static void check_state(const char *state, bool verbose)
{
	S(SandboxStatusRequest) q = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_REQUEST__INIT;
	S(SandboxStatusResponse) *a = NULL;

	q.sandbox_id = (char *) "s1";
	q.verbose = verbose;
	CHECK_EQ(call("SandboxStatus", &q, &a), 0);
	CHECK_STR(a->sandbox_id, "s1");
	CHECK_STR(a->state, state);
	CHECK(a->created_at->seconds > 0);
	CHECK_EQ(a->n_info, verbose ? 1 : 0);
	if (verbose) {
		json_t *o = json_loads(a->info[0]->value, 0, NULL);

		CHECK_STR(a->info[0]->key, "info");
		CHECK(json_is_string(json_object_get(o, "hypervisor")));
		json_decref(o);
	}
	ttrpc_message_free(&a->base);
}

static uint32_t wait_sandbox(void)
{
	S(WaitSandboxResponse) *a = NULL;

	CHECK_EQ(about("WaitSandbox", "s1", &a), 0);
	CHECK(a->exited_at->seconds > 0);

	uint32_t status = a->exit_status;

	ttrpc_message_free(&a->base);
	return status;
}

TEST(a_pod_lives_apart_from_its_containers)
{
	S(StartSandboxResponse) *started = NULL;

	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	check_state("SANDBOX_NOTREADY", false);
	CHECK_EQ(create("c1", NULL), -EBUSY); /* there is no machine yet */
	CHECK_EQ(about("StartSandbox", "s1", &started), 0);
	CHECK(started->created_at->seconds > 0);
	ttrpc_message_free(&started->base);
	check_state("SANDBOX_READY", true);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(create("c1", NULL), 0);
		CHECK_EQ(delete_it("c1", ""), 0);
		CHECK_EQ(shut_down(false), 0); /* as containerd 2.4 does after each Delete */
		check_state("SANDBOX_READY", false);
	}
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	check_state("SANDBOX_NOTREADY", false);
	CHECK_EQ(wait_sandbox(), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(a_create_that_fails_does_not_end_the_pod)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	write_text(here.bundle, "config.json", "{");
	CHECK(create("c1", NULL) < 0);
	check_state("SANDBOX_READY", false);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(containers_end_with_their_pod)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(create("c2", NULL), -EBUSY);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0); /* though c1 was not deleted */
	down();
}

TEST(an_unknown_sandbox_is_not_found_whatever_is_asked)
{
	up(0);
	dial();
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof about_one / sizeof *about_one; i++)
			CHECK_EQ(about(about_one[i], round ? "other" : "s1", NULL), -ENOENT);
		CHECK_EQ(connect_task("other"), -ENOENT);
		if (round == 0)
			CHECK_EQ(create_sandbox("s1"), 0);
	}
	CHECK_EQ(connect_task("s1"), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(what_comes_twice_or_too_late_is_refused_or_done_already)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s2"), -EINVAL);
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(create_sandbox("s1"), -EEXIST);
	CHECK_EQ(about("SandboxMetrics", "s1", NULL), -ENOENT);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), -EBUSY);
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), -EBUSY);
	CHECK_EQ(wait_sandbox(), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(a_server_of_containers_takes_no_sandbox)
{
	up(0);
	dial();
	CHECK_EQ(create("c1", NULL), 0);
	CHECK_EQ(create_sandbox("s1"), -EBUSY);
	CHECK_EQ(connect_task("c1"), 0);
	CHECK_EQ(connect_task("s1"), -ENOENT);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
}

TEST(a_pod_that_was_stopped_before_it_was_started_never_runs)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), -EBUSY);
	CHECK_EQ(wait_sandbox(), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(a_pod_that_nobody_started_goes_with_who_made_it)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	down(); /* hangs up */
}

TEST(a_pod_whose_machine_does_not_start_is_told_to_be_over)
{
	up(0);
	write_config("nonsense", 10000);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK(about("StartSandbox", "s1", NULL) < 0);
	check_state("SANDBOX_NOTREADY", false);
	CHECK_EQ(wait_sandbox(), 1);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(a_pod_runs_on_when_containerd_is_gone_for_a_while)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	hang_up();
	dial();
	CHECK_EQ(connect_task("s1"), 0);
	check_state("SANDBOX_READY", false);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(metrics_are_what_the_pod_takes_of_the_host)
{
	S(SandboxMetricsResponse) *a = NULL;
	ProtobufCMessage *m = NULL;

	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	CHECK_EQ(about("SandboxMetrics", "s1", &a), 0);
	CHECK_STR(a->metrics->id, "s1");
	CHECK_STR(a->metrics->data->type_url, "io.containerd.cgroups.v2.Metrics");
	CHECK_EQ(ttrpc_unpack(&io__containerd__cgroups__v2__metrics__descriptor,
			      a->metrics->data->value.data, a->metrics->data->value.len, &m, NULL),
		 0);

	const Io__Containerd__Cgroups__V2__Metrics *all = (const void *) m;

	/* The fake machine is no process: there is this one, with its server's thread. */
	CHECK(all->pids->current >= 2);
	CHECK(all->memory->usage > 1 << 16);
	ttrpc_message_free(m);
	ttrpc_message_free(&a->base);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

/* ---- The pod's configuration ---- */

static int read_config(const char *type, void *value, size_t bytes, struct pod_config *ret)
{
	S(CreateSandboxRequest) q = CONTAINERD__RUNTIME__SANDBOX__V1__CREATE_SANDBOX_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *) type;
	any.value = (ProtobufCBinaryData){bytes, value};
	q.options = &any;
	return pod_config_read(&q, ret, NULL);
}

TEST(a_pods_size_is_what_its_containers_may_use_and_its_overhead)
{
	Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxContainerResources sum = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Runtime__V1__LinuxContainerResources over = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry note =
		RUNTIME__V1__POD_SANDBOX_CONFIG__ANNOTATIONS_ENTRY__INIT;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry *notes[] = {&note};
	struct pod_config p;
	uint8_t packed[256];

	sum.cpu_period = over.cpu_period = 100000;
	sum.cpu_quota = 150000;
	over.cpu_quota = 25000;
	sum.memory_limit_in_bytes = 256 << 20;
	over.memory_limit_in_bytes = 64 << 20;
	linux.resources = &sum;
	linux.overhead = &over;
	note.key = (char *) "key";
	note.value = (char *) "value";
	pod.hostname = (char *) "web";
	pod.linux = &linux;
	pod.annotations = notes;
	pod.n_annotations = 1;
	CHECK_EQ(read_config("runtime.v1.PodSandboxConfig", packed,
			     protobuf_c_message_pack(&pod.base, packed), &p),
		 0);
	CHECK_STR(p.spec.hostname, "web");
	CHECK_EQ(p.spec.resources->memory->limit, 320 << 20);
	CHECK_EQ(p.spec.resources->cpu->quota, 175000);
	CHECK_EQ(p.spec.resources->cpu->period, 100000);
	CHECK_EQ(p.spec.n_annotations, 1);
	CHECK_STR(p.spec.annotations[0]->value, "value");
	pod_config_fini(&p);
}

TEST(a_pods_configuration_that_is_none_is_refused_and_another_message_is_not_looked_at)
{
	struct pod_config p;
	uint8_t garbage[] = "\xff\xff garbage";

	CHECK_EQ(read_config("runtime.v1.PodSandboxConfig", garbage, sizeof garbage, &p), -EINVAL);
	pod_config_fini(&p);
	CHECK_EQ(read_config("example.v1.Other", garbage, sizeof garbage, &p), 0);
	CHECK(!p.spec.resources);
	pod_config_fini(&p);
}
