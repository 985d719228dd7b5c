#pragma once

/*
 * What tests of the container layer stand on. Containers are made for real, on this machine: it
 * needs root, a kernel with cgroup2 somewhere, and a static busybox. The zygote of the container
 * layer is this very program, executed again.
 */
#include "agent/container/container.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "base/fd.h"
#include "base/file.h"

#include "tests/test.h"

#define PATIENCE_MS 20000
#define BUSYBOX     "/bin/busybox"

/* Before test.h's main() takes "zygote" for the name of a test. */
__attribute__((constructor)) static void become_zygote(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], CONTAINER_ZYGOTE_ARG) == 0)
		_exit(container_zygote_main());
}

/* A specification that tests change before they use it. */
struct bench {
	struct loop *loop;
	struct reaper *reaper;
	struct container_host *host;
	char dir[64];    /* the bundle */
	char rootfs[96]; /* in it */
	Grpc__Spec spec;
	Grpc__Process process;
	Grpc__User user;
	Grpc__Root root;
	Grpc__Linux linux_;
	Grpc__LinuxNamespace ns[8];
	Grpc__LinuxNamespace *ns_list[8];
	Grpc__Mount mounts[8];
	Grpc__Mount *mount_list[8];
	char *args[8], *env[8];
	struct container *c;
	int out; /* what the process writes */
	char said[8192];
	size_t used;
	/* What callbacks tell. */
	int done, exited, exec_done, exec_exited, removed;
	int r, status, exec_r, exec_status;
	struct err err;
};

__attribute__((unused)) static void set_args(struct bench *b, const char *script)
{
	b->args[0] = (char *) "/bin/busybox";
	b->args[1] = (char *) "sh";
	b->args[2] = (char *) "-c";
	b->args[3] = (char *) script;
	b->process.args = b->args;
	b->process.n_args = 4;
}

__attribute__((unused)) static void add_namespace(struct bench *b, const char *type)
{
	size_t n = b->linux_.n_namespaces++;

	grpc__linux_namespace__init(&b->ns[n]);
	b->ns[n].type = (char *) type;
	b->ns_list[n] = &b->ns[n];
	b->linux_.namespaces = b->ns_list;
}

__attribute__((unused)) static Grpc__Mount *add_mount(struct bench *b, const char *type,
						      const char *source, const char *destination,
						      char **options, size_t n_options)
{
	size_t n = b->spec.n_mounts++;
	Grpc__Mount *m = &b->mounts[n];

	grpc__mount__init(m);
	m->type = (char *) type;
	m->source = (char *) source;
	m->destination = (char *) destination;
	m->options = options;
	m->n_options = n_options;
	b->mount_list[n] = m;
	b->spec.mounts = b->mount_list;
	return m;
}

__attribute__((unused)) static void copy_file(const char *from, const char *to)
{
	auto_close int in = open(from, O_RDONLY | O_CLOEXEC);
	auto_close int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n;

	CHECK(in >= 0 && out >= 0);
	while ((n = read(in, buf, sizeof buf)) > 0)
		CHECK_EQ(fd_write_all(out, buf, (size_t) n), 0);
}

__attribute__((unused)) static void make_rootfs(struct bench *b)
{
	char path[160];

	strcpy(b->dir, "/tmp/container-XXXXXX");
	CHECK(mkdtemp(b->dir));
	CHECK_EQ(chmod(b->dir, 0755), 0);
	snprintf(b->rootfs, sizeof b->rootfs, "%s/rootfs", b->dir);
	snprintf(path, sizeof path, "%s/bin", b->rootfs);
	CHECK_EQ(dir_make(path, 0755, NULL), 0);
	strcat(path, "/busybox");
	copy_file(BUSYBOX, path);
	snprintf(path, sizeof path, "%s/etc", b->rootfs);
	CHECK_EQ(dir_make(path, 0755, NULL), 0);
	strcat(path, "/passwd");

	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK(dprintf(fd, "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n") > 0);
}

__attribute__((unused)) static void bench_init(struct bench *b)
{
	if (geteuid() != 0 || access(BUSYBOX, X_OK) < 0)
		exit(TEST_SKIP);
	*b = (struct bench){.out = -1};

	CHECK_EQ(loop_new(&b->loop, NULL), 0);
	CHECK_EQ(reaper_new(b->loop, &b->reaper, NULL), 0);
	if (container_host_new(b->loop, b->reaper, &b->host, &b->err) < 0) {
		char text[640];

		fprintf(stderr, "# %s\n", err_show(&b->err, text, sizeof text));
		exit(TEST_SKIP);
	}
	make_rootfs(b);
	grpc__spec__init(&b->spec);
	grpc__process__init(&b->process);
	grpc__user__init(&b->user);
	grpc__root__init(&b->root);
	grpc__linux__init(&b->linux_);
	b->spec.version = (char *) "1.0.2";
	b->spec.process = &b->process;
	b->spec.root = &b->root;
	b->spec.linux = &b->linux_;
	b->process.user = &b->user;
	b->process.cwd = (char *) "/";
	b->env[0] = (char *) "PATH=/bin:/usr/bin";
	b->process.env = b->env;
	b->process.n_env = 1;
	b->root.path = b->rootfs;
	add_namespace(b, "mount");
	add_namespace(b, "pid");
	add_namespace(b, "ipc");
	add_namespace(b, "uts");
	add_mount(b, "proc", "proc", "/proc", NULL, 0);
	/* As every engine has it: in a sticky /dev nobody may open a device of others to create
	 * it. */
	static char *const dev[] = {"mode=755"};

	add_mount(b, "tmpfs", "tmpfs", "/dev", (char **) dev, 1);
	set_args(b, "exit 7");
}

__attribute__((unused)) static void bench_fini(struct bench *b)
{
	container_free(b->c);
	fd_close(b->out);
	container_host_free(b->host);
	reaper_free(b->reaper);
	loop_free(b->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, b->dir, NULL), 0);
}

__attribute__((unused)) static void on_done(void *arg, int r, const struct err *e)
{
	struct bench *b = arg;

	b->done++;
	b->r = r;
	if (e)
		b->err = *e;
}

__attribute__((unused)) static void on_exited(void *arg, int status)
{
	struct bench *b = arg;

	CHECK(b->done > 0);
	b->exited++;
	b->status = status;
}

__attribute__((unused)) static void on_removed(void *arg, int r, const struct err *e)
{
	struct bench *b = arg;

	b->removed++;
	if (r < 0)
		fprintf(stderr, "# remove: %s\n", e->text);
	CHECK_EQ(r, 0);
}

__attribute__((unused)) static void wait_for(struct bench *b, const int *what, int want)
{
	msec_t deadline = clock_deadline(PATIENCE_MS);

	while (*what < want)
		if (loop_step(b->loop, deadline, NULL) <= 0)
			break;
	CHECK_EQ(*what, want);
}

/* Until end of file. */
__attribute__((unused)) static void read_all(struct bench *b)
{
	ssize_t n;

	while ((n = read(b->out, b->said + b->used, sizeof b->said - 1 - b->used)) > 0)
		b->used += (size_t) n;
	b->said[b->used] = '\0';
}

__attribute__((unused)) static int create(struct bench *b)
{
	int p[2];
	char id[32];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	b->out = p[0];
	snprintf(id, sizeof id, "test-%d", getpid());

	struct container_config config = {
		.id = id,
		.bundle = b->dir,
		.spec = &b->spec,
		.ipc_ns = -1,
		.uts_ns = -1,
		.pid_ns = -1,
		.user_ns = -1,
		.stdio = {{-1, p[1], p[1]}},
		.exited = on_exited,
		.arg = b,
	};
	int r = container_create(b->host, &config, on_done, b, &b->c, &b->err);

	fd_close(p[1]);
	if (r < 0)
		return r;
	wait_for(b, &b->done, 1);
	return b->r;
}

__attribute__((unused)) static int start(struct bench *b)
{
	b->done = 0;
	CHECK_EQ(container_start(b->c, on_done, b, &b->err), 0);
	wait_for(b, &b->done, 1);
	return b->r;
}

__attribute__((unused)) static void destroy(struct bench *b)
{
	CHECK_EQ(container_remove(b->c, on_removed, b, NULL), 0);
	wait_for(b, &b->removed, 1);
	CHECK_EQ(container_state(b->c), CONTAINER_STOPPED);
}

__attribute__((unused)) static void must(struct bench *b, int r)
{
	char text[640];

	if (r < 0)
		fprintf(stderr, "# %s\n", err_show(&b->err, text, sizeof text));
	CHECK_EQ(r, 0);
}

/* The whole life; returns the exit code. */
__attribute__((unused)) static int run(struct bench *b)
{
	must(b, create(b));
	must(b, start(b));
	wait_for(b, &b->exited, 1);
	read_all(b);
	destroy(b);
	return WIFEXITED(b->status) ? WEXITSTATUS(b->status) : 128 + WTERMSIG(b->status);
}

__attribute__((unused)) static void says(struct bench *b, const char *script, const char *want)
{
	set_args(b, script);
	CHECK_EQ(run(b), 0);
	CHECK_STR(b->said, want);
}

__attribute__((unused)) static void on_exec_done(void *arg, int r, const struct err *e)
{
	struct bench *b = arg;

	b->exec_done++;
	b->exec_r = r;
	if (e)
		b->err = *e;
}

__attribute__((unused)) static void on_exec_exited(void *arg, int status)
{
	struct bench *b = arg;

	CHECK_EQ(b->exec_done, 1);
	b->exec_exited++;
	b->exec_status = status;
}

/* Executes @script in a running container and reads what it says. */
__attribute__((unused)) static int exec(struct bench *b, const char *script)
{
	auto_ptr(container_process_free) struct container_process *p = NULL;
	struct container_stdio stdio;
	int fds[2];

	set_args(b, script);
	CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
	fd_close(b->out);
	b->out = fds[0];
	stdio = (struct container_stdio){{-1, fds[1], fds[1]}};
	b->exec_done = b->exec_exited = 0;
	b->used = 0;

	int r = container_exec(b->c, &b->process, &stdio, on_exec_done, on_exec_exited, b, &p,
			       &b->err);

	fd_close(fds[1]);
	if (r < 0)
		return r;
	wait_for(b, &b->exec_done, 1);
	if (b->exec_r < 0)
		return b->exec_r;
	wait_for(b, &b->exec_exited, 1);
	read_all(b);
	return WEXITSTATUS(b->exec_status);
}
