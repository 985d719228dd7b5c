#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "host/sandbox/hooks.h"
#include "tests/unit/oci/shell_hook.h"

static char folder[] = "/tmp/test-hooks-XXXXXX";

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

TEST(a_failing_hook_ends_the_row_unless_that_is_ignored)
{
	struct hooks_run run = prestart();
	char *a[3], *b[3];
	Grpc__Hook bad = shell("echo no such thing >&2; exit 3", a);
	Grpc__Hook never = shell("touch ran", b);
	Grpc__Hook *hooks[] = {&bad, &never};
	struct err e = {0};

	CHECK_EQ(hooks_run(&run, hooks, 2, &e), -EIO);
	CHECK_STR(e.text, "hooks.prestart[0]: '/bin/sh' ended with code 3: no such thing");

	auto_free char *path = str_printf("%s/ran", folder);

	CHECK_EQ(access(path, F_OK), -1);

	log_open(-1, LOG_TEXT, LOG_ERROR);
	run.ignores_failures = true;
	CHECK_EQ(hooks_run(&run, hooks, 2, NULL), 0);
	CHECK_EQ(access(path, F_OK), 0);
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
