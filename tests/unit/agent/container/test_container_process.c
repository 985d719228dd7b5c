/* The processes of a container: what they get, hooks, terminals, more of them, their ends. */
#include "container_bench.h"

#include <sys/syscall.h>
#include <sys/wait.h>

#include "agent/container/worker.h"

TEST(the_working_folder_is_made_and_entered)
{
	struct bench b;

	bench_init(&b);
	b.process.cwd = (char *) "/made/for/me";
	says(&b, "pwd", "/made/for/me\n");
	bench_fini(&b);
}

TEST(a_working_folder_outside_is_refused)
{
	struct bench b;

	bench_init(&b);
	for (int fd = 3; fd < 12; fd++) {
		char cwd[64];

		snprintf(cwd, sizeof cwd, "/proc/self/fd/%d", fd);
		b.process.cwd = cwd;
		b.done = 0;
		CHECK(create(&b) < 0);
		container_free(b.c);
		b.c = NULL;
		b.out = fd_close(b.out);
		b.err = (struct err){0};
	}
	bench_fini(&b);
}

TEST(rlimits_and_no_new_privs_are_set)
{
	struct bench b;
	Grpc__POSIXRlimit limit = GRPC__POSIXRLIMIT__INIT;
	Grpc__POSIXRlimit *list[] = {&limit};

	bench_init(&b);
	limit.type = (char *) "RLIMIT_NOFILE";
	limit.has_soft = limit.has_hard = true;
	limit.soft = 20;
	limit.hard = 30;
	b.process.rlimits = list;
	b.process.n_rlimits = 1;
	b.process.has_nonewprivileges = b.process.nonewprivileges = true;
	says(&b, "ulimit -n; ulimit -Hn; busybox grep NoNewPrivs /proc/self/status",
	     "20\n30\nNoNewPrivs:\t1\n");
	bench_fini(&b);
}

static void seccomp_refuses_mkdir(bool no_new_privs, uint32_t uid)
{
	struct bench b;
	Grpc__LinuxSeccomp seccomp = GRPC__LINUX_SECCOMP__INIT;
	Grpc__LinuxSyscall call = GRPC__LINUX_SYSCALL__INIT;
	Grpc__LinuxSyscall *calls[] = {&call};
	char *names[] = {(char *) "mkdir", (char *) "mkdirat", (char *) "no_such_call"};

	bench_init(&b);
	seccomp.defaultaction = (char *) "SCMP_ACT_ALLOW";
	call.action = (char *) "SCMP_ACT_ERRNO";
	call.has_errnoret = true;
	call.errnoret = ENOTTY;
	call.names = names;
	call.n_names = 3;
	seccomp.syscalls = calls;
	seccomp.n_syscalls = 1;
	b.linux_.seccomp = &seccomp;
	b.process.has_nonewprivileges = b.process.nonewprivileges = no_new_privs;
	b.user.has_uid = true;
	b.user.uid = uid;
	says(&b, "mkdir /tmpx; busybox grep Seccomp: /proc/self/status",
	     "mkdir: can't create directory '/tmpx': Inappropriate ioctl for device\nSeccomp:\t2\n");
	bench_fini(&b);
}

TEST(seccomp_is_loaded_with_and_without_no_new_privs)
{
	seccomp_refuses_mkdir(false, 0);
	seccomp_refuses_mkdir(true, 0);
	seccomp_refuses_mkdir(false, 1000);
	seccomp_refuses_mkdir(true, 1000);
}

TEST(a_seccomp_action_that_is_not_known_is_named)
{
	struct bench b;
	Grpc__LinuxSeccomp seccomp = GRPC__LINUX_SECCOMP__INIT;

	bench_init(&b);
	seccomp.defaultaction = (char *) "SCMP_ACT_NOTIFY";
	b.linux_.seccomp = &seccomp;
	CHECK_EQ(create(&b), -ENOTSUP);
	CHECK(strstr(b.err.text, "linux.seccomp.defaultAction"));
	bench_fini(&b);
}

TEST(a_user_namespace_has_its_mappings)
{
	struct bench b;
	Grpc__LinuxIDMapping map = GRPC__LINUX_IDMAPPING__INIT;
	Grpc__LinuxIDMapping *list[] = {&map};

	bench_init(&b);
	map.has_hostid = map.has_containerid = map.has_size = true;
	map.hostid = 100000;
	map.size = 65536;
	add_namespace(&b, "user");
	b.linux_.uidmappings = b.linux_.gidmappings = list;
	b.linux_.n_uidmappings = b.linux_.n_gidmappings = 1;
	CHECK_EQ(chown(b.rootfs, 100000, 100000), 0);
	says(&b, "echo $$; id -u; busybox cat /proc/self/uid_map; echo x > /dev/null && echo ok",
	     "1\n0\n         0     100000      65536\nok\n");
	bench_fini(&b);
}

TEST(time_offsets_hold)
{
	struct bench b;
	Grpc__LinuxTimeOffset offset = GRPC__LINUX_TIME_OFFSET__INIT;
	Grpc__Linux__TimeOffsetsEntry entry = GRPC__LINUX__TIME_OFFSETS_ENTRY__INIT;
	Grpc__Linux__TimeOffsetsEntry *list[] = {&entry};

	bench_init(&b);
	add_namespace(&b, "time");
	offset.has_secs = true;
	offset.secs = 86400LL * 365 * 10;
	entry.key = (char *) "boottime";
	entry.value = &offset;
	b.linux_.timeoffsets = list;
	b.linux_.n_timeoffsets = 1;
	set_args(&b, "busybox cat /proc/uptime");
	CHECK_EQ(run(&b), 0);
	CHECK(atoll(b.said) > 86400LL * 365 * 10);
	bench_fini(&b);
}

TEST(the_personality_is_set)
{
	struct bench b;
	Grpc__LinuxPersonality personality = GRPC__LINUX_PERSONALITY__INIT;

	bench_init(&b);
	personality.domain = (char *) "LINUX32";
	b.linux_.personality = &personality;
	says(&b, "busybox uname -m | busybox grep -c -v 64", "1\n");
	bench_fini(&b);
}

TEST(hooks_run_each_in_its_place)
{
	struct bench b;
	Grpc__Hook hook[3] = {GRPC__HOOK__INIT, GRPC__HOOK__INIT, GRPC__HOOK__INIT};
	Grpc__Hook *list[3] = {&hook[0], &hook[1], &hook[2]};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	char out[240], *agent_args[4], *inner_args[4];

	bench_init(&b);
	snprintf(out, sizeof out, "/bin/busybox cat > %s/state; echo >> %s/state", b.dir, b.dir);
	agent_args[0] = (char *) "busybox";
	agent_args[1] = (char *) "sh";
	agent_args[2] = (char *) "-c";
	agent_args[3] = out;
	inner_args[0] = (char *) "busybox";
	inner_args[1] = (char *) "sh";
	inner_args[2] = (char *) "-c";
	inner_args[3] = (char *) "busybox cat > /started";
	hook[0].path = (char *) BUSYBOX;
	hook[0].args = agent_args;
	hook[0].n_args = 4;
	hook[1].path = (char *) "/bin/busybox";
	hook[1].args = inner_args;
	hook[1].n_args = 4;
	hooks.createruntime = &list[0];
	hooks.n_createruntime = 1;
	hooks.startcontainer = &list[1];
	hooks.n_startcontainer = 1;
	b.spec.hooks = &hooks;
	says(&b,
	     "busybox grep -c '\"status\":\"created\"' /started; busybox grep -c '\"pid\":1,' /started",
	     "1\n1\n");

	auto_free char *state = NULL;
	char path[160];

	snprintf(path, sizeof path, "%s/state", b.dir);
	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &state, NULL, NULL), 0);
	CHECK(strstr(state, "\"status\":\"creating\""));
	bench_fini(&b);
}

TEST(a_failing_hook_fails_the_start_and_says_what_the_hook_said)
{
	struct bench b;
	Grpc__Hook hook = GRPC__HOOK__INIT;
	Grpc__Hook *list[] = {&hook};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	char *args[] = {(char *) "busybox", (char *) "sh", (char *) "-c",
			(char *) "echo because >&2; exit 3"};

	bench_init(&b);
	hook.path = (char *) "/bin/busybox";
	hook.args = args;
	hook.n_args = 4;
	hooks.startcontainer = list;
	hooks.n_startcontainer = 1;
	b.spec.hooks = &hooks;
	must(&b, create(&b));
	CHECK(start(&b) < 0);
	CHECK(strstr(b.err.text,
		     "hooks.startContainer[0]: '/bin/busybox' ended with code 3: because"));
	wait_for(&b, &b.exited, 1);
	CHECK(WIFEXITED(b.status));
	CHECK_EQ(WEXITSTATUS(b.status), 1);
	destroy(&b);
	bench_fini(&b);
}

TEST(a_hook_that_takes_too_long_is_killed)
{
	struct bench b;
	Grpc__Hook hook = GRPC__HOOK__INIT;
	Grpc__Hook *list[] = {&hook};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	char *args[] = {(char *) "busybox", (char *) "sleep", (char *) "1000"};

	bench_init(&b);
	hook.path = (char *) BUSYBOX;
	hook.args = args;
	hook.n_args = 3;
	hook.has_timeout = true;
	hook.timeout = 1;
	hooks.createcontainer = list;
	hooks.n_createcontainer = 1;
	b.spec.hooks = &hooks;
	CHECK_EQ(create(&b), -ETIMEDOUT);
	CHECK(strstr(b.err.text, "hooks.createContainer[0]: '/bin/busybox' took longer than 1 s"));
	bench_fini(&b);
}

TEST(a_terminal_is_the_containers_own)
{
	struct bench b;
	Grpc__Box size = GRPC__BOX__INIT;
	char *options[] = {(char *) "newinstance", (char *) "ptmxmode=0666", (char *) "mode=0620"};

	bench_init(&b);
	add_mount(&b, "devpts", "devpts", "/dev/pts", options, 3);
	size.has_height = size.has_width = true;
	size.height = 33;
	size.width = 77;
	b.process.has_terminal = b.process.terminal = true;
	b.process.consolesize = &size;
	set_args(&b, "busybox stty size; busybox tty; echo hi > /dev/console");
	must(&b, create(&b));

	int tty = container_process_take_tty(container_init(b.c));

	CHECK(tty >= 0);
	CHECK_EQ(container_process_take_tty(container_init(b.c)), -1);
	must(&b, start(&b));
	wait_for(&b, &b.exited, 1);
	fd_close(b.out);
	b.out = tty;
	read_all(&b);
	CHECK_STR(b.said, "33 77\r\n/dev/pts/0\r\nhi\r\n");
	destroy(&b);
	bench_fini(&b);
}

TEST(a_second_process_joins_the_container)
{
	struct bench b;

	bench_init(&b);
	b.spec.hostname = (char *) "inner";
	set_args(&b, "trap 'exit 3' TERM; while :; do busybox sleep 0.1; done");
	must(&b, create(&b));
	must(&b, start(&b));
	CHECK_EQ(
		exec(&b,
		     "hostname; test $$ != 1 && echo other; busybox ls /proc/1 > /dev/null; exit 5"),
		5);
	CHECK_STR(b.said, "inner\nother\n");
	CHECK_EQ(exec(&b, "exit 0"), 0);
	b.process.args[0] = (char *) "nope";

	CHECK_EQ(container_process_signal(container_init(b.c), SIGTERM, NULL), 0);
	wait_for(&b, &b.exited, 1);
	CHECK_EQ(WEXITSTATUS(b.status), 3);
	destroy(&b);
	bench_fini(&b);
}

TEST(a_process_has_no_descriptors_but_its_own)
{
	struct bench b;

	bench_init(&b);
	/* The last one is what ls reads the folder by. */
	set_args(&b, "busybox ls /proc/self/fd | busybox tr '\\n' ' '; exec busybox sleep 100");
	must(&b, create(&b));
	must(&b, start(&b));
	CHECK_EQ(exec(&b, "busybox ls /proc/self/fd | busybox tr '\\n' ' '"), 0);
	CHECK_STR(b.said, "0 1 2 3 ");
	destroy(&b);
	bench_fini(&b);
}

/* Nothing of the workload's can reach it, but the guest's memory may run out. */
TEST(a_zygote_that_was_killed_is_replaced)
{
	struct bench b;

	bench_init(&b);
	set_args(&b, "exec busybox sleep 100");
	must(&b, create(&b));
	must(&b, start(&b));

	struct zygote *z = &b.host->zygote;
	siginfo_t info;

	CHECK_EQ(syscall(SYS_pidfd_send_signal, z->pidfd, SIGKILL, NULL, 0), 0);
	CHECK_EQ(waitid(P_PIDFD, (id_t) z->pidfd, &info, WEXITED), 0);
	CHECK_EQ(exec(&b, "exit 3"), 3);
	destroy(&b);
	bench_fini(&b);
}

TEST(executing_what_is_not_there_says_so_and_harms_nothing)
{
	struct bench b;
	auto_ptr(container_process_free) struct container_process *p = NULL;
	struct container_stdio none = {{-1, -1, -1}};

	bench_init(&b);
	set_args(&b, "busybox sleep 1000");
	must(&b, create(&b));
	must(&b, start(&b));
	b.args[0] = (char *) "nope";
	b.process.n_args = 1;
	CHECK_EQ(container_exec(b.c, &b.process, &none, on_exec_done, on_exec_exited, &b, &p, NULL),
		 0);
	wait_for(&b, &b.exec_done, 1);
	CHECK_EQ(b.exec_r, -ENOENT);
	CHECK(strstr(b.err.text, "executable file not found in $PATH"));
	CHECK_EQ(container_state(b.c), CONTAINER_RUNNING);
	CHECK_EQ(b.exec_exited, 0);
	destroy(&b);
	CHECK_EQ(b.exited, 1);
	CHECK_EQ(WTERMSIG(b.status), SIGKILL);
	bench_fini(&b);
}

TEST(joining_a_user_namespace_works_and_its_seccomp_holds)
{
	struct bench b;
	Grpc__LinuxIDMapping map = GRPC__LINUX_IDMAPPING__INIT;
	Grpc__LinuxIDMapping *list[] = {&map};
	Grpc__LinuxSeccomp seccomp = GRPC__LINUX_SECCOMP__INIT;
	Grpc__LinuxSyscall call = GRPC__LINUX_SYSCALL__INIT;
	Grpc__LinuxSyscall *calls[] = {&call};
	char *names[] = {(char *) "mkdir", (char *) "mkdirat"};

	bench_init(&b);
	map.has_hostid = map.has_containerid = map.has_size = true;
	map.hostid = 200000;
	map.size = 1000;
	add_namespace(&b, "user");
	b.linux_.uidmappings = b.linux_.gidmappings = list;
	b.linux_.n_uidmappings = b.linux_.n_gidmappings = 1;
	CHECK_EQ(chown(b.rootfs, 200000, 200000), 0);
	seccomp.defaultaction = (char *) "SCMP_ACT_ALLOW";
	call.action = (char *) "SCMP_ACT_ERRNO";
	call.names = names;
	call.n_names = 2;
	seccomp.syscalls = calls;
	seccomp.n_syscalls = 1;
	b.linux_.seccomp = &seccomp;
	set_args(&b, "busybox sleep 1000");
	must(&b, create(&b));
	must(&b, start(&b));
	CHECK_EQ(
		exec(&b,
		     "id -u; busybox readlink /proc/self/ns/user > /a; busybox readlink /proc/1/ns/user >"
		     " /b; busybox cmp /a /b && echo same; mkdir /x || echo no"),
		0);
	CHECK_STR(b.said,
		  "0\nsame\nmkdir: can't create directory '/x': Operation not permitted\nno\n");
	destroy(&b);
	bench_fini(&b);
}

TEST(removing_a_container_that_is_being_made_cancels_the_making)
{
	struct bench b;
	Grpc__Hook hook = GRPC__HOOK__INIT;
	Grpc__Hook *list[] = {&hook};
	Grpc__Hooks hooks = GRPC__HOOKS__INIT;
	char *args[] = {(char *) "busybox", (char *) "sleep", (char *) "1000"};

	bench_init(&b);
	hook.path = (char *) BUSYBOX;
	hook.args = args;
	hook.n_args = 3;
	hooks.createruntime = list;
	hooks.n_createruntime = 1;
	b.spec.hooks = &hooks;

	struct container_config config = {
		.id = "half-made",
		.bundle = b.dir,
		.spec = &b.spec,
		.ipc_ns = -1,
		.uts_ns = -1,
		.pid_ns = -1,
		.user_ns = -1,
		.stdio = {{-1, -1, -1}},
		.exited = on_exited,
		.arg = &b,
	};

	must(&b, container_create(b.host, &config, on_done, &b, &b.c, &b.err));
	/* Somewhere on the way. */
	for (int i = 0; i < 3; i++)
		(void) loop_step(b.loop, clock_deadline(100), NULL);
	destroy(&b);
	CHECK_EQ(b.done, 1);
	CHECK_EQ(b.r, -ECANCELED);
	CHECK_EQ(b.exited, 0);
	bench_fini(&b);
}

TEST(init_killed_while_it_waits_is_an_end_like_any_other)
{
	struct bench b;

	bench_init(&b);
	must(&b, create(&b));
	CHECK_EQ(container_process_signal(container_init(b.c), SIGKILL, NULL), 0);
	wait_for(&b, &b.exited, 1);
	CHECK_EQ(WTERMSIG(b.status), SIGKILL);
	CHECK_EQ(container_state(b.c), CONTAINER_STOPPED);
	CHECK_EQ(container_start(b.c, on_done, &b, NULL), -EBUSY);
	destroy(&b);
	bench_fini(&b);
}

TEST(a_profile_of_the_hosts_apparmor_is_no_reason_to_refuse)
{
	struct bench b;

	bench_init(&b);
	b.process.apparmorprofile = (char *) "cri-containerd.apparmor.d";
	says(&b, "echo ran", "ran\n");
	bench_fini(&b);
}

TEST(what_cannot_be_honoured_is_refused_by_name)
{
	struct bench b;

	bench_init(&b);
	b.process.selinuxlabel = (char *) "system_u:system_r:container_t:s0";
	CHECK_EQ(create(&b), -ENOTSUP);
	CHECK(strstr(b.err.text, "process.selinuxLabel"));
	bench_fini(&b);

	bench_init(&b);
	b.linux_.n_namespaces = 0;
	CHECK_EQ(create(&b), -ENOTSUP);
	CHECK(strstr(b.err.text, "linux.namespaces"));
	bench_fini(&b);

	bench_init(&b);
	b.linux_.rootfspropagation = (char *) "sideways";
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "linux.rootfsPropagation: unknown word 'sideways'"));
	bench_fini(&b);
}
