/* Mounts beyond the plain ones, and how the kernel treats the process. */
#include "agent/container/container.h"

#include "container_bench.h"

static const char *make_source(struct bench *b, char path[160])
{
	snprintf(path, 160, "%s/data", b->dir);
	CHECK_EQ(mkdir(path, 0755), 0);
	return path;
}

TEST(a_recursively_readonly_bind_is_so_below_too)
{
	struct bench b;
	char source[160], below[200];
	char *options[] = {(char *) "rbind", (char *) "rro"};

	bench_init(&b);
	make_source(&b, source);
	snprintf(below, sizeof below, "%s/below", source);
	CHECK_EQ(mkdir(below, 0755), 0);
	CHECK_EQ(mount("tmpfs", below, "tmpfs", 0, NULL), 0);
	add_mount(&b, "bind", source, "/mnt", options, 2);
	says(&b, "touch /mnt/x 2>/dev/null || echo a; touch /mnt/below/x 2>/dev/null || echo b",
	     "a\nb\n");
	CHECK_EQ(umount2(below, MNT_DETACH), 0);
	bench_fini(&b);
}

TEST(owners_of_a_mapped_bind_are_mapped)
{
	struct bench b;
	char source[160], path[200];
	char *options[] = {(char *) "bind", (char *) "idmap"};
	Grpc__LinuxIDMapping map = GRPC__LINUX_IDMAPPING__INIT;
	Grpc__LinuxIDMapping *list[] = {&map};

	bench_init(&b);
	make_source(&b, source);
	snprintf(path, sizeof path, "%s/file", source);
	fd_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	CHECK_EQ(chown(path, 10, 10), 0);

	Grpc__Mount *m = add_mount(&b, "bind", source, "/mnt", options, 2);

	map.has_hostid = map.has_containerid = map.has_size = true;
	map.hostid = 5000;
	map.size = 100;
	m->uidmappings = m->gidmappings = list;
	m->n_uidmappings = m->n_gidmappings = 1;
	set_args(&b, "busybox stat -c %u:%g /mnt/file");

	int r = create(&b);

	/* A tmpfs can only since Linux 6.3. */
	if (r == -ENOTSUP && strstr(b.err.text, "cannot map owners")) {
		bench_fini(&b);
		exit(TEST_SKIP);
	}
	must(&b, r);
	must(&b, start(&b));
	wait_for(&b, &b.exited, 1);
	read_all(&b);
	CHECK_STR(b.said, "5010:5010\n");
	destroy(&b);
	bench_fini(&b);
}

TEST(propagation_is_what_was_asked_for)
{
	struct bench b;
	char source[160];
	char *options[] = {(char *) "bind", (char *) "shared"};

	bench_init(&b);
	make_source(&b, source);
	add_mount(&b, "bind", source, "/mnt", options, 2);
	b.linux_.rootfspropagation = (char *) "slave";
	says(&b, "busybox grep -c ' /mnt .* shared:' /proc/self/mountinfo", "1\n");
	bench_fini(&b);

	bench_init(&b);
	b.linux_.rootfspropagation = (char *) "rshared";
	says(&b, "busybox grep -c ' shared:' /proc/self/mountinfo", "3\n");
	bench_fini(&b);
}

TEST(a_readonly_tmpfs_is_filled_first)
{
	struct bench b;
	char *options[] = {(char *) "ro", (char *) "mode=0711"};
	char *inner[] = {(char *) "bind"};

	bench_init(&b);
	add_mount(&b, "tmpfs", "tmpfs", "/t", options, 2);
	add_mount(&b, "bind", BUSYBOX, "/t/deep/file", inner, 1);
	says(&b,
	     "test -s /t/deep/file && echo there; touch /t/x 2>/dev/null || echo ro;"
	     "busybox stat -c %a /t",
	     "there\nro\n711\n");
	bench_fini(&b);
}

TEST(kernel_filesystems_are_mounted)
{
	struct bench b;
	char *pts[] = {(char *) "newinstance", (char *) "ptmxmode=0666"};

	bench_init(&b);
	add_namespace(&b, "cgroup");
	add_mount(&b, "devpts", "devpts", "/dev/pts", pts, 2);
	add_mount(&b, "mqueue", "mqueue", "/dev/mqueue", NULL, 0);
	add_mount(&b, "sysfs", "sysfs", "/sys", NULL, 0);
	add_mount(&b, "cgroup", "cgroup", "/sys/fs/cgroup", NULL, 0);
	says(&b,
	     "busybox ls /dev/pts; test -d /dev/mqueue && test -d /sys/class && echo sys;"
	     "test -f /sys/fs/cgroup/cgroup.procs && busybox grep '^0::' /proc/self/cgroup",
	     "ptmx\nsys\n0::/\n");
	bench_fini(&b);
}

TEST(unknown_types_and_options_are_named)
{
	struct bench b;
	char *options[] = {(char *) "sparkling"};

	bench_init(&b);
	add_mount(&b, "nonsensefs", "none", "/mnt", NULL, 0);
	CHECK(create(&b) < 0);
	CHECK(strstr(b.err.text, "mounts[2] on '/mnt': mount nonsensefs"));
	bench_fini(&b);

	bench_init(&b);
	add_mount(&b, "tmpfs", "tmpfs", "/mnt", options, 1);
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "mounts[2] on '/mnt'"));
	bench_fini(&b);
}

TEST(a_bind_without_a_source_does_not_show_the_bundle)
{
	struct bench b;

	bench_init(&b);
	add_mount(&b, "bind", "", "/mnt", NULL, 0);
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "mounts[2].source: is missing"));
	bench_fini(&b);
}

TEST(links_that_dangle_are_followed_inside)
{
	struct bench b;
	char path[160];
	char *options[] = {(char *) "bind"};

	bench_init(&b);
	snprintf(path, sizeof path, "%s/var", b.rootfs);
	CHECK_EQ(mkdir(path, 0755), 0);
	snprintf(path, sizeof path, "%s/var/run", b.rootfs);
	CHECK_EQ(symlink("/run", path), 0);
	snprintf(path, sizeof path, "%s/var/loop", b.rootfs);
	CHECK_EQ(symlink("loop", path), 0);
	add_mount(&b, "bind", BUSYBOX, "/var/run/secrets/token", options, 1);
	says(&b, "test -s /run/secrets/token && echo there", "there\n");
	bench_fini(&b);

	bench_init(&b);
	snprintf(path, sizeof path, "%s/loop", b.rootfs);
	CHECK_EQ(symlink("loop", path), 0);
	add_mount(&b, "bind", "/bin", "/loop/x", options, 1);
	CHECK_EQ(create(&b), -ELOOP);
	bench_fini(&b);
}

TEST(scheduler_and_io_priority_are_set)
{
	struct bench b;
	Grpc__Scheduler scheduler = GRPC__SCHEDULER__INIT;
	Grpc__LinuxIOPriority io = GRPC__LINUX_IOPRIORITY__INIT;

	bench_init(&b);
	scheduler.policy = (char *) "SCHED_BATCH";
	scheduler.has_nice = true;
	scheduler.nice = 7;
	b.process.scheduler = &scheduler;
	io.class_ = (char *) "IOPRIO_CLASS_IDLE";
	b.process.iopriority = &io;
	/* 3 is SCHED_BATCH; field 41 of stat is the policy, 19 the nice value. */
	says(&b, "busybox awk '{print $19, $41}' /proc/self/stat; busybox ionice", "7 3\nidle\n");
	bench_fini(&b);

	bench_init(&b);
	scheduler.policy = (char *) "SCHED_LAZY";
	b.process.scheduler = &scheduler;
	CHECK_EQ(create(&b), -EINVAL);
	CHECK(strstr(b.err.text, "process.scheduler.policy"));
	bench_fini(&b);
}
