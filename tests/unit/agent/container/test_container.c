/* The container as a whole: its life, its root, what is mounted and made in it. */
#include "container_bench.h"

TEST(a_container_runs_and_its_exit_code_comes_back)
{
	struct bench b;

	bench_init(&b);
	CHECK_EQ(run(&b), 7);
	CHECK_EQ(b.exited, 1);
	bench_fini(&b);
}

TEST(it_is_pid_1_in_its_own_root)
{
	struct bench b;

	bench_init(&b);
	says(&b, "echo $$; cd /; echo *", "1\nbin dev etc proc\n");
	bench_fini(&b);
}

TEST(nothing_runs_before_the_start)
{
	struct bench b;

	bench_init(&b);
	set_args(&b, "echo started");
	must(&b, create(&b));
	CHECK_EQ(container_state(b.c), CONTAINER_CREATED);
	CHECK(container_process_pid(container_init(b.c)) > 1);

	struct pollfd p = {.fd = b.out, .events = POLLIN};

	CHECK_EQ(poll(&p, 1, 50), 0);
	must(&b, start(&b));
	wait_for(&b, &b.exited, 1);
	read_all(&b);
	CHECK_STR(b.said, "started\n");
	destroy(&b);
	bench_fini(&b);
}

TEST(a_missing_program_fails_the_create_with_runcs_words)
{
	struct bench b;

	bench_init(&b);
	b.args[0] = (char *) "nope";
	b.process.args = b.args;
	b.process.n_args = 1;
	CHECK_EQ(create(&b), -ENOENT);
	CHECK(strstr(b.err.text, "exec: \"nope\": executable file not found in $PATH"));
	CHECK_EQ(b.exited, 0);
	bench_fini(&b);

	bench_init(&b);
	b.args[0] = (char *) "/etc/passwd";
	b.process.args = b.args;
	b.process.n_args = 1;
	CHECK_EQ(create(&b), -EACCES);
	CHECK(strstr(b.err.text, "permission denied"));
	bench_fini(&b);
}

TEST(a_program_of_another_format_fails_the_start)
{
	struct bench b;
	char path[160];

	bench_init(&b);
	snprintf(path, sizeof path, "%s/bin/odd", b.rootfs);

	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	CHECK_EQ(write(fd, "\1\2\3\4", 4), 4);
	fd_close(fd);
	b.args[0] = (char *) "odd";
	b.process.args = b.args;
	b.process.n_args = 1;
	must(&b, create(&b));
	CHECK_EQ(start(&b), -ENOEXEC);
	CHECK(strstr(b.err.text, "exec format error"));
	wait_for(&b, &b.exited, 1);
	destroy(&b);
	bench_fini(&b);
}

TEST(user_groups_umask_and_home_are_set)
{
	struct bench b;
	uint32_t more[] = {5, 6};

	bench_init(&b);
	b.user.has_uid = b.user.has_gid = true;
	b.user.uid = b.user.gid = 1000;
	b.user.additionalgids = more;
	b.user.n_additionalgids = 2;
	b.user.has_umask = true;
	b.user.umask = 027;
	says(&b, "id -u; id -g; id -G; umask; echo $HOME; busybox grep CapEff /proc/self/status",
	     "1000\n1000\n1000 5 6\n0027\n/home/user\nCapEff:\t0000000000000000\n");
	bench_fini(&b);
}

TEST(capabilities_are_what_was_asked_for)
{
	struct bench b;
	char *names[] = {(char *) "CAP_KILL", (char *) "CAP_CHOWN"};
	Grpc__LinuxCapabilities caps = GRPC__LINUX_CAPABILITIES__INIT;

	bench_init(&b);
	caps.bounding = caps.permitted = caps.effective = caps.inheritable = caps.ambient = names;
	caps.n_bounding = 2;
	caps.n_permitted = caps.n_effective = caps.n_inheritable = 2;
	caps.n_ambient = 1;
	b.process.capabilities = &caps;
	b.user.has_uid = true;
	b.user.uid = 1000;
	says(&b, "busybox grep ^Cap /proc/self/status",
	     "CapInh:\t0000000000000021\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
	     "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000020\n");
	bench_fini(&b);
}

TEST(an_unknown_capability_is_named)
{
	struct bench b;
	char *names[] = {(char *) "CAP_FLY"};
	Grpc__LinuxCapabilities caps = GRPC__LINUX_CAPABILITIES__INIT;

	bench_init(&b);
	caps.bounding = names;
	caps.n_bounding = 1;
	b.process.capabilities = &caps;
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "process.capabilities.bounding: unknown capability 'CAP_FLY'"));
	bench_fini(&b);
}

TEST(hostname_and_domainname_are_set)
{
	struct bench b;

	bench_init(&b);
	b.spec.hostname = (char *) "box";
	b.spec.domainname = (char *) "home";
	says(&b, "hostname; busybox cat /proc/sys/kernel/domainname", "box\nhome\n");
	bench_fini(&b);
}

TEST(sysctls_of_its_namespaces_are_set_and_others_refused)
{
	struct bench b;
	Grpc__Linux__SysctlEntry entry = GRPC__LINUX__SYSCTL_ENTRY__INIT;
	Grpc__Linux__SysctlEntry *list[] = {&entry};

	bench_init(&b);
	entry.key = (char *) "kernel.msgmax";
	entry.value = (char *) "4242";
	b.linux_.sysctl = list;
	b.linux_.n_sysctl = 1;
	says(&b, "busybox cat /proc/sys/kernel/msgmax", "4242\n");
	bench_fini(&b);

	bench_init(&b);
	entry.key = (char *) "vm.swappiness";
	b.linux_.sysctl = list;
	b.linux_.n_sysctl = 1;
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "linux.sysctl['vm.swappiness']"));
	bench_fini(&b);

	bench_init(&b);
	entry.key = (char *) "net/../kernel/core_pattern";
	b.linux_.sysctl = list;
	b.linux_.n_sysctl = 1;
	CHECK_EQ(create(&b), -EINVAL);
	bench_fini(&b);
}

TEST(masked_and_readonly_paths_and_a_readonly_root)
{
	struct bench b;
	char *masked[] = {(char *) "/proc/kallsyms", (char *) "/proc/sys", (char *) "/missing"};
	char *readonly[] = {(char *) "/proc/irq", (char *) "/missing"};

	bench_init(&b);
	b.linux_.maskedpaths = masked;
	b.linux_.n_maskedpaths = 3;
	b.linux_.readonlypaths = readonly;
	b.linux_.n_readonlypaths = 2;
	b.root.has_readonly = b.root.readonly = true;
	says(&b,
	     "busybox wc -c < /proc/kallsyms; busybox ls /proc/sys; touch /x 2>/dev/null || echo ro;"
	     "touch /dev/x && echo dev; busybox grep -c ' /proc/irq .*ro,' /proc/self/mountinfo",
	     "0\nro\ndev\n1\n");
	bench_fini(&b);
}

TEST(default_devices_and_links_are_made)
{
	struct bench b;

	bench_init(&b);
	says(&b,
	     "cd /dev; busybox rm -f core; echo *; busybox stat -c '%n %t:%T %a' null tty; busybox readlink ptmx; busybox readlink stdin;"
	     "echo x > null && echo ok",
	     "fd full null ptmx random stderr stdin stdout tty urandom zero\n"
	     "null 1:3 666\ntty 5:0 666\npts/ptmx\n/proc/self/fd/0\nok\n");
	bench_fini(&b);
}

TEST(a_device_is_made_with_its_mode_and_owner)
{
	struct bench b;
	Grpc__LinuxDevice device = GRPC__LINUX_DEVICE__INIT;
	Grpc__LinuxDevice *list[] = {&device};

	bench_init(&b);
	device.path = (char *) "/dev/deep/er";
	device.type = (char *) "b";
	device.has_major = device.has_minor = device.has_filemode = device.has_uid = true;
	device.major = 7;
	device.minor = 300;
	device.filemode = 0640;
	device.uid = 12;
	b.linux_.devices = list;
	b.linux_.n_devices = 1;
	says(&b, "busybox stat -c '%F %t:%T %a %u:%g' /dev/deep/er",
	     "block special file 7:12c 640 12:0\n");
	bench_fini(&b);
}

TEST(what_is_there_must_be_the_device_that_is_asked_for)
{
	struct bench b;
	Grpc__LinuxDevice device = GRPC__LINUX_DEVICE__INIT;
	Grpc__LinuxDevice *list[] = {&device};
	char path[160];

	bench_init(&b);
	snprintf(path, sizeof path, "%s/node", b.rootfs);
	CHECK_EQ(mknod(path, S_IFCHR | 0600, makedev(1, 5)), 0);
	device.path = (char *) "/node";
	device.type = (char *) "c";
	device.has_major = device.has_minor = true;
	device.major = 1;
	device.minor = 3;
	b.linux_.devices = list;
	b.linux_.n_devices = 1;
	CHECK_EQ(create(&b), -EEXIST);
	CHECK(strstr(b.err.text, "linux.devices[0]: '/node' is there and is not this device"));
	bench_fini(&b);

	bench_init(&b);
	snprintf(path, sizeof path, "%s/node", b.rootfs);
	CHECK_EQ(mknod(path, S_IFCHR | 0600, makedev(1, 5)), 0);
	device.minor = 5;
	b.linux_.devices = list;
	b.linux_.n_devices = 1;
	says(&b, "busybox stat -c '%t:%T %a' /node", "1:5 600\n");
	bench_fini(&b);
}

TEST(bind_mounts_have_their_options)
{
	struct bench b;
	char *ro[] = {(char *) "rbind", (char *) "ro", (char *) "nosuid"};
	char *rw[] = {(char *) "bind"};
	char source[160];

	bench_init(&b);
	snprintf(source, sizeof source, "%s/data", b.dir);
	CHECK_EQ(mkdir(source, 0755), 0);
	add_mount(&b, "bind", source, "/ro", ro, 3);
	add_mount(&b, NULL, source, "/deep/rw", rw, 1);
	add_mount(&b, "bind", BUSYBOX, "/file", ro, 3);
	says(&b,
	     "touch /ro/x 2>/dev/null || echo no; touch /deep/rw/y && busybox ls /ro;"
	     "busybox grep -c ' /ro ro,nosuid' /proc/self/mountinfo; test -s /file && echo file",
	     "no\ny\n1\nfile\n");
	bench_fini(&b);
}

TEST(a_missing_source_is_named)
{
	struct bench b;
	char *options[] = {(char *) "bind"};

	bench_init(&b);
	add_mount(&b, "bind", "/no/such/thing", "/x", options, 1);
	CHECK_EQ(create(&b), -ENOENT);
	CHECK(strstr(b.err.text, "mounts[2].source '/no/such/thing'"));
	bench_fini(&b);
}

TEST(links_in_the_root_cannot_lead_out_of_it)
{
	struct bench b;
	char *options[] = {(char *) "bind"};
	char link[160], source[160], victim[160], seen[400];

	bench_init(&b);
	snprintf(victim, sizeof victim, "%s/victim", b.dir);
	snprintf(source, sizeof source, "%s/data", b.dir);
	snprintf(link, sizeof link, "%s/link", b.rootfs);
	CHECK_EQ(mkdir(victim, 0755), 0);
	CHECK_EQ(mkdir(source, 0755), 0);
	CHECK_EQ(symlink(victim, link), 0);
	add_mount(&b, "bind", source, "/link/sub", options, 1);
	/* The link means a folder of the same name inside, which is made. */
	CHECK_EQ(run(&b), 7);
	snprintf(seen, sizeof seen, "%s%s/sub", b.rootfs, victim);
	CHECK_EQ(access(seen, F_OK), 0);
	snprintf(seen, sizeof seen, "%s/sub", victim);
	CHECK_EQ(access(seen, F_OK), -1);
	bench_fini(&b);
}

TEST(a_link_in_place_of_proc_is_refused)
{
	struct bench b;
	char link[160];

	bench_init(&b);
	snprintf(link, sizeof link, "%s/proc", b.rootfs);
	CHECK_EQ(symlink("etc", link), 0);
	CHECK_EQ(create(&b), -ENOTDIR);
	CHECK(strstr(b.err.text, "mounts[0] on '/proc'"));
	bench_fini(&b);
}

TEST(nothing_is_mounted_into_proc)
{
	struct bench b;
	char *options[] = {(char *) "bind"};

	bench_init(&b);
	add_mount(&b, "bind", "/bin", "/proc/sys", options, 1);
	CHECK_EQ(create(&b), -EPERM);
	CHECK(strstr(b.err.text, "inside '/proc'"));
	bench_fini(&b);
}

TEST(a_tmpfs_can_begin_with_what_it_covers)
{
	struct bench b;
	char *options[] = {(char *) "tmpcopyup", (char *) "size=65536"};

	bench_init(&b);
	add_mount(&b, "tmpfs", "tmpfs", "/etc", options, 2);
	says(&b, "busybox grep -c root /etc/passwd; touch /etc/new; busybox stat -f -c %T /etc",
	     "1\ntmpfs\n");

	char path[160];

	snprintf(path, sizeof path, "%s/etc/new", b.rootfs);
	CHECK_EQ(access(path, F_OK), -1);
	bench_fini(&b);
}
