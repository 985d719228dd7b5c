#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/shim/peer.h"

/* This program stands for the server: its children are what a server may have started. */
#define OURSELVES "test_peer"

static char folder[32];
static int listening = -1;

static struct sockaddr_un address(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void) snprintf(a.sun_path, sizeof a.sun_path, "%s/sock", folder);
	return a;
}

static void up(void)
{
	if (geteuid() != 0)
		exit(TEST_SKIP);
	strcpy(folder, "/tmp/test-peer-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);

	struct sockaddr_un a = address();

	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(bind(listening, (struct sockaddr *) &a, sizeof a), 0);
	CHECK_EQ(listen(listening, 8), 0);
}

static void down(void)
{
	listening = fd_close(listening);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

/* Connects, and lives until it is killed. */
static void connect_and_stay(void)
{
	struct sockaddr_un a = address();
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void) prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || connect(fd, (struct sockaddr *) &a, sizeof a) < 0)
		_exit(1);
	for (;;)
		(void) pause();
}

/* A child in the namespaces @flags that connects, or whose own child does. */
static pid_t child(int flags, bool grandchild)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	if (unshare(flags) < 0)
		_exit(1);
	if (grandchild || (flags & CLONE_NEWPID)) {
		pid_t own = fork();

		if (own > 0)
			(void) waitpid(own, NULL, 0);
		if (own != 0)
			_exit(1);
	}
	connect_and_stay();
	return 0;
}

static int judge(const char *server_name, pid_t helper, struct peer *ret)
{
	const struct peer_rules rules = {
		.owner = geteuid(),
		.server_name = server_name,
		.helpers = &helper,
		.n_helpers = 1,
	};
	auto_close int fd = accept(listening, NULL, NULL);

	CHECK(fd >= 0);
	return peer_judge(fd, &rules, ret, NULL);
}

static void end(pid_t pid)
{
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
}

TEST(a_program_of_the_owner_is_served)
{
	struct peer peer;

	up();

	pid_t pid = child(0, false);

	CHECK_EQ(judge("no-such-server", 0, &peer), 0);
	CHECK_EQ(peer.pid, pid);
	CHECK_EQ(peer.uid, geteuid());
	end(pid);
	down();
}

/* The network namespace of an engine's caller, a mount namespace: those do not make it a helper. */
TEST(a_program_in_namespaces_of_its_own_is_served)
{
	static const int kinds[] = {CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWIPC};
	struct peer peer;

	up();
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		pid_t pid = child(kinds[i], false);

		CHECK_EQ(judge("no-such-server", 0, &peer), 0);
		end(pid);
	}
	down();
}

TEST(a_hook_of_a_server_is_served)
{
	struct peer peer;

	up();
	for (int deep = 0; deep < 2; deep++) {
		pid_t pid = child(CLONE_NEWNS, deep);

		CHECK_EQ(judge(OURSELVES, 0, &peer), 0);
		end(pid);
	}
	down();
}

/* A server's child in other namespaces is a VMM or a file server, whichever server's it is. */
TEST(a_child_of_any_server_in_other_namespaces_is_refused)
{
	static const int kinds[] = {CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWUSER};
	struct peer peer;

	up();
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		for (int deep = 0; deep < 2; deep++) {
			pid_t pid = child(kinds[i], deep);
			int r = judge(OURSELVES, 0, &peer);

			/* In a user namespace without a map it is nobody. */
			CHECK_EQ(r, -EACCES);
			CHECK(peer.pid > 0);
			end(pid);
		}
	}
	down();
}

TEST(a_helper_of_the_machine_and_its_children_are_refused)
{
	struct peer peer;

	up();
	for (int deep = 0; deep < 2; deep++) {
		pid_t pid = child(0, deep);

		CHECK_EQ(judge("no-such-server", pid, &peer), -EACCES);
		end(pid);
	}
	down();
}

/* Who has entered its namespace is as good as it. */
TEST(who_lives_in_the_pid_namespace_of_a_helper_is_refused)
{
	struct peer helper_is, peer;

	up();

	pid_t pid = child(CLONE_NEWPID, false);

	CHECK_EQ(judge("no-such-server", 0, &helper_is), 0);

	pid_t visitor = fork();

	if (visitor == 0) {
		auto_free char *path = str_printf("/proc/%d/ns/pid", helper_is.pid);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (setns(fd, CLONE_NEWPID) < 0)
			_exit(1);

		pid_t own = fork();

		if (own > 0)
			(void) waitpid(own, NULL, 0);
		if (own != 0)
			_exit(1);
		connect_and_stay();
	}
	CHECK_EQ(judge("no-such-server", helper_is.pid, &peer), -EACCES);
	end(visitor);
	end(pid);
	down();
}

TEST(another_user_is_refused_by_number)
{
	struct peer peer;

	up();
	CHECK_EQ(chmod(folder, 0755), 0);

	struct sockaddr_un a = address();

	CHECK_EQ(chmod(a.sun_path, 0777), 0);

	pid_t pid = fork();

	if (pid == 0) {
		if (setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		connect_and_stay();
	}
	CHECK_EQ(judge("no-such-server", 0, &peer), -EACCES);
	CHECK_EQ(peer.uid, 65534);
	CHECK_EQ(peer.pid, pid);
	end(pid);
	down();
}

TEST(who_has_ended_is_told_apart)
{
	struct peer peer;

	up();

	pid_t pid = fork();

	if (pid == 0) {
		struct sockaddr_un a = address();
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		_exit(connect(fd, (struct sockaddr *) &a, sizeof a) < 0);
	}
	CHECK_EQ(waitpid(pid, NULL, 0), pid);
	CHECK_EQ(judge("no-such-server", 0, &peer), -ESRCH);
	CHECK(peer.gone);
	down();
}
