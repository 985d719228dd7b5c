#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/loop.h"
#include "host/storage/virtiofsd.h"
#include "host/storage/virtiofsd_args.h"

/* A folder of a test's own, with a program in it that says it is a virtiofsd. */
struct scene {
	char dir[32];
	char program[64];
	struct loop *loop;
	struct virtiofsd *v;
	struct err why;
	int ended;
};

static void on_exit_fn(void *arg, const struct err *why)
{
	struct scene *s = arg;

	s->why = *why;
	s->ended++;
}

static void scene_open(struct scene *s, const char *script)
{
	*s = (struct scene){.dir = "/tmp/virtiofsd.XXXXXX"};
	CHECK(mkdtemp(s->dir));
	(void) snprintf(s->program, sizeof s->program, "%s/prog", s->dir);
	CHECK_EQ(file_replace(AT_FDCWD, s->program, script, strlen(script), 0755, NULL), 0);
	CHECK_EQ(loop_new(&s->loop, NULL), 0);
	CHECK_EQ(virtiofsd_new(s->loop, &s->v, NULL), 0);
	virtiofsd_on_exit(s->v, on_exit_fn, s);
}

static void scene_close(struct scene *s)
{
	virtiofsd_free(s->v);
	loop_free(s->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, s->dir, NULL), 0);
}

static struct virtiofsd_spec spec_of(const struct scene *s)
{
	return (struct virtiofsd_spec){
		.program = s->program,
		.source = s->dir,
		.private_dir = s->dir,
	};
}

static void turn_until_ended(struct scene *s)
{
	msec_t deadline = clock_deadline(20000);

	while (!s->ended && loop_step(s->loop, deadline, NULL) > 0)
		;
	CHECK_EQ(s->ended, 1);
}

/* The arguments joined by blanks. */
static void args_of(enum virtiofsd_flavour flavour, const struct virtiofsd_spec *spec, char *out,
		    size_t bytes)
{
	struct virtiofsd_args a = {0};
	size_t n = 0;

	CHECK_EQ(virtiofsd_args_build(&a, spec, "/v", flavour, NULL), 0);
	for (char **p = a.argv; *p; p++)
		n += (size_t) snprintf(out + n, bytes - n, "%s%s", n ? " " : "", *p);
	virtiofsd_args_fini(&a);
}

TEST(each_flavour_gets_its_own_words)
{
	const char *const extra[] = {"--thread-pool-size=1"};
	struct virtiofsd_spec spec = {
		.source = "/share",
		.cache = VIRTIOFSD_CACHE_NEVER,
		.extra_args = extra,
		.n_extra_args = 1,
	};
	char args[512];

	args_of(VIRTIOFSD_C, &spec, args, sizeof args);
	CHECK_STR(args, "/v --fd=3 --rlimit-nofile=0 -f -osource=/share -ocache=none "
			"-osandbox=chroot -omodcaps=-mknod -oannounce_submounts -oxattr "
			"-ono_readdirplus -olog_level=warn --thread-pool-size=1");
	args_of(VIRTIOFSD_RUST, &spec, args, sizeof args);
	CHECK_STR(args, "/v --fd=3 --rlimit-nofile=0 --shared-dir=/share --cache=never "
			"--sandbox=chroot --modcaps=-mknod --announce-submounts --xattr "
			"--no-readdirplus --log-level=warn --thread-pool-size=1");
}

/* Or every program would be read again whenever it is executed. */
TEST(data_outlives_the_descriptor_while_attributes_agree)
{
	struct virtiofsd_spec spec = {.source = "/share", .cache = VIRTIOFSD_CACHE_AUTO};
	char args[512];

	args_of(VIRTIOFSD_C, &spec, args, sizeof args);
	CHECK(strstr(args, " -ocache=always,timeout=0 "));
	args_of(VIRTIOFSD_RUST, &spec, args, sizeof args);
	CHECK(strstr(args, " --cache=auto "));
}

TEST(what_a_flavour_cannot_is_refused)
{
	struct virtiofsd_spec spec = {.source = "/share", .cache = VIRTIOFSD_CACHE_METADATA};
	struct virtiofsd_args a = {0};
	struct err e = {0};

	CHECK_EQ(virtiofsd_args_build(&a, &spec, "/v", VIRTIOFSD_C, &e), -EOPNOTSUPP);
	CHECK(strstr(e.text, "virtio_fs_cache"));
	CHECK_EQ(a.n, 0);
}

TEST(too_many_arguments_are_refused)
{
	const char *extra[VIRTIOFSD_ARGS_MAX];
	struct virtiofsd_spec spec = {
		.source = "/share",
		.extra_args = extra,
		.n_extra_args = VIRTIOFSD_ARGS_MAX,
	};
	struct virtiofsd_args a = {0};

	for (size_t i = 0; i < VIRTIOFSD_ARGS_MAX; i++)
		extra[i] = "--x";
	CHECK_EQ(virtiofsd_args_build(&a, &spec, "/v", VIRTIOFSD_RUST, NULL), -E2BIG);
	CHECK_EQ(a.n, 0);
}

TEST(the_flavour_is_read_in_the_file)
{
	enum virtiofsd_flavour f = VIRTIOFSD_RUST;
	struct scene s;

	scene_open(&s, "#!/bin/sh\n# the QEMU Project developers\n");
	CHECK_EQ(virtiofsd_flavour(s.program, &f, NULL), 0);
	CHECK_EQ(f, VIRTIOFSD_C);
	scene_close(&s);
	scene_open(&s, "#!/bin/sh\n");
	CHECK_EQ(virtiofsd_flavour(s.program, &f, NULL), 0);
	CHECK_EQ(f, VIRTIOFSD_RUST);
	scene_close(&s);
}

TEST(a_missing_program_is_named_with_its_key)
{
	struct scene s;
	struct virtiofsd_spec spec;
	struct err e = {0};
	char sentence[640];
	int fd = -1;

	scene_open(&s, "#!/bin/sh\n");
	spec = spec_of(&s);
	spec.program = "/no/such/virtiofsd";
	CHECK_EQ(virtiofsd_start(s.v, &spec, &fd, &e), -ENOENT);
	CHECK_STR(err_show(&e, sentence, sizeof sentence),
		  "start virtiofsd: run virtiofsd '/no/such/virtiofsd' (key 'virtio_fs_daemon'): "
		  "No such file or directory: install qemu-system-common (Debian 12) or virtiofsd, "
		  "and let the key name it or be empty");
	CHECK_EQ(fd, -1);
	scene_close(&s);
}

TEST(one_that_dies_tells_why)
{
	struct scene s;
	struct virtiofsd_spec spec;
	int fd = -1;

	scene_open(&s, "#!/bin/sh\necho 'bad \033[31moption' >&2; exit 1\n");
	spec = spec_of(&s);
	CHECK_EQ(virtiofsd_start(s.v, &spec, &fd, NULL), 0);
	turn_until_ended(&s);
	CHECK_STR(s.why.text, "virtiofsd ended with code 1: bad option");
	fd_close(fd);
	scene_close(&s);
}

TEST(it_listens_on_what_we_are_connected_to_and_nobody_finds_it)
{
	struct scene s;
	struct virtiofsd_spec spec;
	struct stat st;
	char path[64];
	int fd = -1;

	scene_open(&s, "#!/bin/sh\nexec sleep 1000\n");
	spec = spec_of(&s);
	CHECK_EQ(virtiofsd_start(s.v, &spec, &fd, NULL), 0);
	CHECK(virtiofsd_pid(s.v) > 0);
	(void) snprintf(path, sizeof path, "/proc/%d/fd/3", virtiofsd_pid(s.v));
	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	(void) snprintf(path, sizeof path, "%s/virtiofsd.sock", s.dir);
	CHECK_EQ(stat(path, &st), -1);
	CHECK_EQ(virtiofsd_stop(s.v, clock_deadline(10000), NULL), 0);
	CHECK_EQ(virtiofsd_pid(s.v), 0);
	/* The line is dead with it. */
	char c;
	CHECK(recv(fd, &c, 1, 0) <= 0);
	fd_close(fd);
	scene_close(&s);
}

TEST(the_real_one_serves_and_ends_when_we_hang_up)
{
	struct scene s;
	struct virtiofsd_spec spec;
	auto_free char *real = virtiofsd_find(NULL, NULL);
	int fd = -1;

	if (!real || geteuid() != 0)
		exit(TEST_SKIP);
	scene_open(&s, "#!/bin/sh\n");
	spec = spec_of(&s);
	spec.program = real;
	CHECK_EQ(virtiofsd_start(s.v, &spec, &fd, NULL), 0);

	/* VHOST_USER_GET_FEATURES (1), flags: version 1, no payload; the answer has a u64. */
	const uint32_t ask[3] = {1, 1, 0};
	uint32_t answer[5];

	CHECK_EQ(send(fd, ask, sizeof ask, 0), sizeof ask);
	CHECK_EQ(recv(fd, answer, sizeof answer, MSG_WAITALL), sizeof answer);
	CHECK_EQ(answer[0], 1);
	CHECK_EQ(answer[2], 8);
	fd_close(fd);
	turn_until_ended(&s);
	CHECK(strncmp(s.why.text, "virtiofsd ended with code 0", 27) == 0);
	scene_close(&s);
}
