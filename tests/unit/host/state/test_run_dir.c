#include "tests/test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "host/state/run_dir.h"

#define SOMEBODY 65534

static bool is_path(const char *system, const char *own, const char *expected)
{
	if (own)
		(void) setenv("XDG_RUNTIME_DIR", own, 1);
	else
		(void) unsetenv("XDG_RUNTIME_DIR");

	auto_free char *path = run_dir_path(system, "here");

	return path && strcmp(path, expected) == 0;
}

TEST(who_may_write_there_uses_the_systems_folder)
{
	CHECK(is_path("/tmp", "/own", "/tmp/here"));
	CHECK(is_path("/tmp", NULL, "/tmp/here"));
}

/* Root may write everywhere, so another user asks. */
static int ask_without_rights(void)
{
	if (geteuid() == 0 && seteuid(SOMEBODY) < 0)
		return 1;
	if (!is_path("/proc/sys", "/own", "/own/here"))
		return 2;
	if (!is_path("/proc/sys", NULL, "/proc/sys/here"))
		return 3;
	return is_path("/proc/sys", "relative", "/proc/sys/here") ? 0 : 4;
}

TEST(others_use_their_own)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit(ask_without_rights());
	CHECK_EQ(waitpid(child, &status, 0), child);
	CHECK_EQ(WEXITSTATUS(status), 0);
}
