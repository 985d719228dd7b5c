#include "tests/test.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/state/wanted_namespaces.h"

/* A process in a uts namespace of its own, which waits to be killed. */
static pid_t somebody(void)
{
	int told[2];
	char byte = 0;

	CHECK_EQ(pipe(told), 0);

	pid_t pid = fork();

	if (pid == 0) {
		byte = unshare(CLONE_NEWUTS) == 0;
		(void) !write(told[1], &byte, 1);
		(void) pause();
		_exit(0);
	}
	CHECK_EQ(read(told[0], &byte, 1), 1);
	(void) close(told[0]);
	(void) close(told[1]);
	if (byte == 0)
		_exit(TEST_SKIP);
	return pid;
}

static struct wanted_namespaces named(const char *type, pid_t pid)
{
	char path[64];
	Grpc__LinuxNamespace ns = GRPC__LINUX_NAMESPACE__INIT, *list[] = {&ns};
	Grpc__Linux linux_part = GRPC__LINUX__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;

	(void) snprintf(path, sizeof path, "/proc/%d/ns/%s", pid,
			strcmp(type, "network") == 0 ? "net" : type);
	ns.type = (char *) type;
	ns.path = path;
	linux_part.namespaces = list;
	linux_part.n_namespaces = 1;
	spec.linux = &linux_part;
	return wanted_namespaces_of(&spec);
}

TEST(a_namespace_is_wanted_of_who_has_it)
{
	pid_t pid = somebody(), other = somebody();
	const struct wanted_namespaces w = named("uts", pid);

	CHECK_EQ(w.n, 1);
	CHECK(wanted_namespaces_has(&w, pid));
	CHECK(!wanted_namespaces_has(&w, other));
	CHECK(!wanted_namespaces_has(&w, getpid()));
	(void) kill(pid, SIGKILL);
	(void) kill(other, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(waitpid(other, NULL, 0), other);
	CHECK(!wanted_namespaces_has(&w, pid)); /* it is gone */
}

TEST(the_callers_own_namespaces_are_the_hosts)
{
	pid_t pid = somebody();
	const struct wanted_namespaces w = named("network", pid);

	CHECK_EQ(w.n, 0);
	CHECK(!wanted_namespaces_has(&w, pid));
	(void) kill(pid, SIGKILL);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(a_path_that_is_none_is_left_to_the_server)
{
	CHECK_EQ(named("uts", 0).n, 0);
}
