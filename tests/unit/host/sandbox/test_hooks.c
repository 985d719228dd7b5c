#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/hooks.h"

static char folder[] = "/tmp/test-hooks-XXXXXX";

/* A hook that runs @script in a shell. */
static Grpc__Hook shell(const char *script, char *args[3])
{
	Grpc__Hook hook = GRPC__HOOK__INIT;

	args[0] = "sh";
	args[1] = "-c";
	args[2] = (char *) script;
	hook.path = "/bin/sh";
	hook.args = args;
	hook.n_args = 3;
	return hook;
}

static struct hooks_run prestart(void)
{
	CHECK(mkdtemp(folder) != NULL);
	return (struct hooks_run){
		.kind = "prestart",
		.state = "{\"id\":\"c1\"}",
		.bundle = folder,
		.mount_ns_fd = -1,
		.cancel_fd = -1,
	};
}

TEST(a_hook_gets_the_state_and_runs_in_the_bundle)
{
	struct hooks_run run = prestart();
	char *args[3];
	Grpc__Hook hook = shell("cat > seen; test $# -eq 0", args);
	Grpc__Hook *hooks[] = {&hook};
	char *text;

	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), 0);

	auto_free char *path = str_printf("%s/seen", folder);

	CHECK_EQ(file_read(AT_FDCWD, path, 1000, &text, NULL, NULL), 0);
	CHECK_STR(text, "{\"id\":\"c1\"}");
	free(text);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_hook_has_its_own_environment_if_it_says_so)
{
	struct hooks_run run = prestart();
	char *args[3], *env[] = {"ONLY=this", NULL};
	Grpc__Hook hook = shell("test \"$ONLY\" = this && test -z \"$HOME\"", args);
	Grpc__Hook *hooks[] = {&hook};

	CHECK_EQ(setenv("HOME", "/root", 1), 0);
	hook.env = env;
	hook.n_env = 1;
	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

/* The caller's environment may hold what is nobody else's business. */
TEST(a_hook_without_an_environment_gets_none)
{
	struct hooks_run run = prestart();
	char *args[3];
	Grpc__Hook hook = shell("test -z \"$TOKEN$HOME\"", args);
	Grpc__Hook *hooks[] = {&hook};

	CHECK_EQ(setenv("TOKEN", "secret", 1), 0);
	CHECK_EQ(setenv("HOME", "/root", 1), 0);
	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_failing_hook_is_told_with_its_words_and_ends_the_row)
{
	struct hooks_run run = prestart();
	char *a[3], *b[3];
	Grpc__Hook bad = shell("echo no such thing >&2; exit 3", a);
	Grpc__Hook never = shell("touch ran", b);
	Grpc__Hook *hooks[] = {&bad, &never};
	struct err e = {0};

	CHECK_EQ(hooks_run(&run, hooks, 2, &e), -EIO);
	CHECK_STR(e.text, "prestart hook 0 '/bin/sh': it ended with code 3: no such thing");

	auto_free char *path = str_printf("%s/ran", folder);

	CHECK_EQ(access(path, F_OK), -1);

	log_open(-1, LOG_TEXT, LOG_ERROR);
	hooks_run_all(&run, hooks, 2);
	CHECK_EQ(access(path, F_OK), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_missing_hook_is_an_error)
{
	struct hooks_run run = prestart();
	Grpc__Hook hook = GRPC__HOOK__INIT, *hooks[] = {&hook};
	struct err e = {0};
	char text[640];

	hook.path = "/no/such/hook";
	CHECK_EQ(hooks_run(&run, hooks, 1, &e), -ENOENT);
	CHECK_STR(
		err_show(&e, text, sizeof text),
		"prestart hook 0 '/no/such/hook': run '/no/such/hook': No such file or directory");
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_hook_that_takes_too_long_is_killed_with_all_it_started)
{
	struct hooks_run run = prestart();
	char *args[3];
	Grpc__Hook hook = shell("sleep 1000 & echo $! > pid; wait", args);
	Grpc__Hook *hooks[] = {&hook};
	msec_t began = clock_now();
	struct err e = {0};

	hook.has_timeout = true;
	hook.timeout = 1;
	CHECK_EQ(hooks_run(&run, hooks, 1, &e), -ETIMEDOUT);
	CHECK(clock_now() - began < 20000);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_hook_can_be_cancelled)
{
	struct hooks_run run = prestart();
	char *args[3];
	Grpc__Hook hook = shell("sleep 1000", args);
	Grpc__Hook *hooks[] = {&hook};
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	fd_close(p[1]); /* a hang-up counts too */
	run.cancel_fd = rd;
	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), -ECANCELED);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_hook_runs_among_the_mounts_it_is_given)
{
	struct hooks_run run = prestart();
	char *args[3];
	Grpc__Hook hook = shell("test -e only-outside", args);
	Grpc__Hook *hooks[] = {&hook};

	if (geteuid() != 0)
		exit(TEST_SKIP);

	auto_close int outside = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
	auto_free char *file = str_printf("%s/only-outside", folder);
	auto_close int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(unshare(CLONE_NEWNS), 0);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, NULL), 0);
	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), -EIO);
	run.mount_ns_fd = outside;
	CHECK_EQ(hooks_run(&run, hooks, 1, NULL), 0);
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}
