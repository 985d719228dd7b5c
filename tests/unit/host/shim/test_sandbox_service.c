#include "tests/unit/host/shim/served.h"

#include <jansson.h>

#include "cgroup_metrics.pb-c.h"
#include "host/shim/pod_config.h"
#include "host/shim/pod_spec.h"
#include "host/storage/volumes.h"
#include "oci/oci.h"
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

static uint32_t pid_of_pod(void)
{
	S(SandboxStatusRequest) q = CONTAINERD__RUNTIME__SANDBOX__V1__SANDBOX_STATUS_REQUEST__INIT;
	S(SandboxStatusResponse) *a = NULL;

	q.sandbox_id = (char *) "s1";
	CHECK_EQ(call("SandboxStatus", &q, &a), 0);

	uint32_t pid = a->pid;

	ttrpc_message_free(&a->base);
	return pid;
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

/* What containerd 2.3 gives to its plugins. */
static void check_spec(const Google__Protobuf__Any *any)
{
	Grpc__Spec *spec = NULL;

	CHECK(any);
	CHECK_STR(any->type_url, "types.containerd.io/opencontainers/runtime-spec/1/Spec");
	CHECK_EQ(oci_spec_parse((const char *) any->value.data, any->value.len, &spec, NULL), 0);
	CHECK_EQ(oci_spec_check(spec, NULL), 0);
	CHECK(pod_spec_is_sandbox(spec));
	oci_spec_free(spec);
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
	CHECK_EQ(pid_of_pod(), started->pid);
	check_spec(started->spec);
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

static void end_by(bool killed)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(pid_of_pod(), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);

	pid_t pid = (pid_t) pid_of_pod();

	CHECK(pid > 0);
	CHECK_EQ(kill(pid, 0), 0);
	if (killed)
		CHECK_EQ(kill(pid, SIGKILL), 0);
	else
		CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(wait_sandbox(), killed ? 137 : 0);
	check_state("SANDBOX_NOTREADY", false);
	CHECK_EQ(pid_of_pod(), 0);
	CHECK_EQ(kill(pid, 0), -1);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(the_pods_process_ends_with_the_pod)
{
	end_by(false);
}

TEST(the_pod_ends_with_its_process)
{
	end_by(true);
}

/* A container of the pod as containerd writes it: it names the namespaces of the pod's process. */
static void write_member(uint32_t pid)
{
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"cwd\":\"/\",\"args\":[\"stay\"],\"user\":{\"uid\":0,\"gid\":0}},"
		"\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"}],"
		"\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\"},"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		"{\"type\":\"pid\",\"path\":\"/proc/%u/ns/pid\"},"
		"{\"type\":\"ipc\",\"path\":\"/proc/%u/ns/ipc\"},"
		"{\"type\":\"uts\",\"path\":\"/proc/%u/ns/uts\"},"
		"{\"type\":\"network\",\"path\":\"/proc/%u/ns/net\"}]}}",
		pid, pid, pid, pid);

	write_text(here.bundle, "config.json", text);
}

TEST(a_container_joins_the_namespaces_of_the_pods_process_and_has_the_pods_files)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("StartSandbox", "s1", NULL), 0);
	write_member(pid_of_pod());
	CHECK_EQ(create("c1", NULL), 0);

	CHECK(here.agent.pod_pids);
	CHECK(strstr(here.agent.mounts, "/dev/shm=" VOLUME_SHM_GUEST_PATH " "));
	CHECK(strstr(here.agent.mounts, "/etc/hostname=" SHARE_GUEST_PATH "/"));
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	down();
}

TEST(who_has_asked_for_the_end_hangs_up_first)
{
	up(0);
	dial();
	CHECK_EQ(create_sandbox("s1"), 0);
	CHECK_EQ(about("ShutdownSandbox", "s1", NULL), 0);
	CHECK_EQ(about("PingSandbox", "s1", NULL), 0);
	check_state("SANDBOX_NOTREADY", false);
	down(); /* hangs up */
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

TEST(a_pod_that_is_stopped_while_it_is_started_has_failed)
{
	S(StartSandboxRequest) q = CONTAINERD__RUNTIME__SANDBOX__V1__START_SANDBOX_REQUEST__INIT;
	const struct ttrpc_request request = {
		.service = &containerd__runtime__sandbox__v1__sandbox__descriptor,
		.method = "StartSandbox",
		.message = &q.base,
		.deadline = CLOCK_NEVER,
	};

	up(0);
	here.agent.deaf = true;
	dial();
	q.sandbox_id = (char *) "s1";
	CHECK_EQ(create_sandbox("s1"), 0);
	send_only(here.client, &request);
	CHECK_EQ(about("StopSandbox", "s1", NULL), 0);
	check_state("SANDBOX_NOTREADY", false);
	CHECK_EQ(wait_sandbox(), 1);
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
	q.sandbox_id = (char *) "s1";
	q.netns_path = (char *) "/run/netns/n";
	q.options = &any;
	return pod_config_read(&q, ret, NULL);
}

static void read_pod(const Runtime__V1__PodSandboxConfig *pod, struct pod_config *ret)
{
	uint8_t packed[512];

	CHECK(protobuf_c_message_get_packed_size(&pod->base) <= sizeof packed);
	CHECK_EQ(read_config("runtime.v1.PodSandboxConfig", packed,
			     protobuf_c_message_pack(&pod->base, packed), ret),
		 0);
}

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(spec->annotations[i]->key, key) == 0)
			return spec->annotations[i]->value;
	return "";
}

TEST(a_pods_size_is_what_its_containers_may_use_and_its_overhead)
{
	Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxContainerResources sum = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	Runtime__V1__LinuxContainerResources over = RUNTIME__V1__LINUX_CONTAINER_RESOURCES__INIT;
	struct pod_config p;

	sum.cpu_period = over.cpu_period = 100000;
	sum.cpu_quota = 150000;
	over.cpu_quota = 25000;
	sum.memory_limit_in_bytes = 256 << 20;
	over.memory_limit_in_bytes = 64 << 20;
	linux.resources = &sum;
	linux.overhead = &over;
	pod.linux = &linux;
	read_pod(&pod, &p);

	const Grpc__LinuxResources *resources = p.spec->linux->resources;

	CHECK_EQ(resources->memory->limit, 320 << 20);
	CHECK_EQ(resources->cpu->quota, 175000);
	CHECK_EQ(resources->cpu->period, 100000);
	pod_config_fini(&p);
}

TEST(a_pods_spec_is_the_one_of_a_container_that_stands_for_it)
{
	Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__PodSandboxConfig__AnnotationsEntry notes[] = {
		RUNTIME__V1__POD_SANDBOX_CONFIG__ANNOTATIONS_ENTRY__INIT,
		RUNTIME__V1__POD_SANDBOX_CONFIG__ANNOTATIONS_ENTRY__INIT,
	};
	Runtime__V1__PodSandboxConfig__AnnotationsEntry *list[] = {&notes[0], &notes[1]};
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry sysctl =
		RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__SYSCTLS_ENTRY__INIT;
	Runtime__V1__LinuxPodSandboxConfig__SysctlsEntry *sysctls[] = {&sysctl};
	struct pod_config p;

	notes[0].key = (char *) "key";
	notes[0].value = (char *) "a \"value\"";
	notes[1].key = (char *) "io.kubernetes.cri.container-type";
	notes[1].value = (char *) "container";
	sysctl.key = (char *) "kernel.msgmax";
	sysctl.value = (char *) "4096";
	pod.annotations = list;
	pod.n_annotations = 2;
	linux.sysctls = sysctls;
	linux.n_sysctls = 1;
	linux.cgroup_parent = (char *) "/kubepods/p";
	pod.hostname = (char *) "web";
	pod.linux = &linux;
	read_pod(&pod, &p);
	CHECK_EQ(oci_spec_check(p.spec, NULL), 0);
	CHECK_STR(p.spec->hostname, "web");
	CHECK_STR(annotation(p.spec, "key"), "a \"value\"");
	CHECK(pod_spec_is_sandbox(p.spec));
	CHECK_STR(p.spec->linux->cgroupspath, "/kubepods/p/s1");
	CHECK_STR(p.spec->linux->sysctl[0]->key, "kernel.msgmax");
	CHECK_STR(p.spec->linux->namespaces[4]->path, "/run/netns/n");
	CHECK(!p.resolv_conf);
	pod_config_fini(&p);

	linux.cgroup_parent = (char *) "/kubepods.slice/kubepods-p.slice";
	read_pod(&pod, &p);
	CHECK_STR(p.spec->linux->cgroupspath, "kubepods-p.slice:cri-containerd:s1");
	pod_config_fini(&p);
}

TEST(what_a_pod_wants_of_the_host_is_refused)
{
	static const Runtime__V1__NamespaceMode wants[][3] = {
		{RUNTIME__V1__NAMESPACE_MODE__NODE, 0, 0},
		{0, RUNTIME__V1__NAMESPACE_MODE__NODE, 0},
		{0, 0, RUNTIME__V1__NAMESPACE_MODE__NODE},
		{0, RUNTIME__V1__NAMESPACE_MODE__CONTAINER, 0},
	};

	for (size_t i = 0; i < sizeof wants / sizeof *wants; i++) {
		Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
		Runtime__V1__LinuxPodSandboxConfig linux =
			RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
		Runtime__V1__LinuxSandboxSecurityContext security =
			RUNTIME__V1__LINUX_SANDBOX_SECURITY_CONTEXT__INIT;
		Runtime__V1__NamespaceOption option = RUNTIME__V1__NAMESPACE_OPTION__INIT;
		struct pod_config p;

		option.network = wants[i][0];
		option.pid = wants[i][1];
		option.ipc = wants[i][2];
		security.namespace_options = &option;
		linux.security_context = &security;
		pod.linux = &linux;
		read_pod(&pod, &p);
		CHECK_EQ(pod_spec_check(p.spec, NULL), i < 3 ? -ENOTSUP : 0);
		pod_config_fini(&p);
	}
}

TEST(a_pod_has_a_user_namespace_with_its_mappings_if_it_asks_for_one)
{
	Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxPodSandboxConfig linux = RUNTIME__V1__LINUX_POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__LinuxSandboxSecurityContext security =
		RUNTIME__V1__LINUX_SANDBOX_SECURITY_CONTEXT__INIT;
	Runtime__V1__NamespaceOption option = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	Runtime__V1__UserNamespace users = RUNTIME__V1__USER_NAMESPACE__INIT;
	Runtime__V1__IDMapping uid = RUNTIME__V1__IDMAPPING__INIT, *uids[] = {&uid};
	Runtime__V1__IDMapping gid = RUNTIME__V1__IDMAPPING__INIT, *gids[] = {&gid};
	struct pod_config p;

	uid.host_id = 4294900000;
	gid.host_id = 200000;
	uid.length = gid.length = 65536;
	users.uids = uids;
	users.gids = gids;
	users.n_uids = users.n_gids = 1;
	option.userns_options = &users;
	security.namespace_options = &option;
	linux.security_context = &security;
	pod.linux = &linux;
	read_pod(&pod, &p);
	CHECK_EQ(oci_spec_check(p.spec, NULL), 0);
	CHECK_EQ(p.spec->linux->n_uidmappings, 1);
	CHECK_EQ(p.spec->linux->uidmappings[0]->hostid, 4294900000);
	CHECK_EQ(p.spec->linux->uidmappings[0]->size, 65536);
	CHECK_EQ(p.spec->linux->gidmappings[0]->hostid, 200000);
	CHECK_STR(p.spec->linux->namespaces[5]->type, "user");
	pod_config_fini(&p);

	/* That of the host. */
	users.mode = RUNTIME__V1__NAMESPACE_MODE__NODE;
	read_pod(&pod, &p);
	CHECK_EQ(p.spec->linux->n_uidmappings, 0);
	CHECK_EQ(p.spec->linux->n_namespaces, 5);
	pod_config_fini(&p);
}

TEST(a_pods_name_service_is_written_as_resolv_conf)
{
	Runtime__V1__PodSandboxConfig pod = RUNTIME__V1__POD_SANDBOX_CONFIG__INIT;
	Runtime__V1__DNSConfig dns = RUNTIME__V1__DNSCONFIG__INIT;
	char *servers[] = {"192.0.2.1", "192.0.2.2"};
	char *searches[] = {"a.example", "example"};
	char *options[] = {"ndots:5"};
	struct pod_config p;

	dns.servers = servers;
	dns.searches = searches;
	dns.options = options;
	dns.n_servers = dns.n_searches = 2;
	dns.n_options = 1;
	pod.dns_config = &dns;
	read_pod(&pod, &p);
	CHECK_STR(p.resolv_conf, "search a.example example\n"
				 "nameserver 192.0.2.1\n"
				 "nameserver 192.0.2.2\n"
				 "options ndots:5\n");
	pod_config_fini(&p);
}

TEST(a_pods_configuration_that_is_none_is_refused_and_another_message_is_not_looked_at)
{
	struct pod_config p;
	uint8_t garbage[] = "\xff\xff garbage";

	CHECK_EQ(read_config("runtime.v1.PodSandboxConfig", garbage, sizeof garbage, &p), -EINVAL);
	pod_config_fini(&p);
	CHECK_EQ(read_config("example.v1.Other", garbage, sizeof garbage, &p), 0);
	CHECK(p.spec->hostname[0]);
	pod_config_fini(&p);
}

/* A host name (field 2) that is no text. */
TEST(a_pods_configuration_that_is_no_text_is_refused)
{
	struct pod_config p;
	uint8_t packed[] = {0x12, 0x02, 0xff, 0xfe};

	CHECK_EQ(read_config("runtime.v1.PodSandboxConfig", packed, sizeof packed, &p), -EINVAL);
	pod_config_fini(&p);
}
