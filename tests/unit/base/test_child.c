#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/child.h"
#include "base/fd.h"

static int run_shell(const char *script, struct child *ret, struct err *e)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	struct child_spec spec = {.path = "sh", .argv = argv, .die_with_parent = true};

	return child_start(&spec, ret, e);
}

TEST(the_exit_code_comes_back)
{
	struct child c = CHILD_NONE;
	int status;

	CHECK_EQ(run_shell("exit 7", &c, NULL), 0);
	CHECK_EQ(child_wait(&c, clock_deadline(10000), &status, NULL), 0);
	CHECK_EQ(child_exit_code(status), 7);
	CHECK_EQ(c.pid, 0);
}

TEST(a_signal_counts_from_128)
{
	struct child c = CHILD_NONE;
	int status;

	CHECK_EQ(run_shell("kill -TERM $$", &c, NULL), 0);
	CHECK_EQ(child_wait(&c, clock_deadline(10000), &status, NULL), 0);
	CHECK_EQ(child_exit_code(status), 128 + SIGTERM);
}

TEST(a_missing_program_is_an_error_of_the_start)
{
	const char *const argv[] = {"x", NULL};
	struct child_spec spec = {.path = "/no/such/program", .argv = argv};
	struct child c = CHILD_NONE;
	struct err e = {0};

	CHECK_EQ(child_start(&spec, &c, &e), -ENOENT);
	CHECK_STR(e.text, "run '/no/such/program'");
	CHECK_EQ(c.pid, 0);
}

TEST(the_child_has_only_the_descriptors_it_was_given)
{
	const char *const argv[] = {"ls", "/proc/self/fd", NULL};
	int p[2], extra = open("/dev/null", O_RDONLY);
	char text[64] = "";

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	auto_close int wr = p[1];
	auto_close int leaky = extra;
	struct child_fd fds[] = {{wr, 1}, {wr, 5}};
	struct child_spec spec = {.path = "ls", .argv = argv, .fds = fds, .n_fds = 2};
	struct child c = CHILD_NONE;
	int status;

	CHECK_EQ(child_start(&spec, &c, NULL), 0);
	CHECK_EQ(child_wait(&c, clock_deadline(10000), &status, NULL), 0);
	CHECK(leaky >= 0);
	CHECK(read(rd, text, sizeof text - 1) > 0);
	CHECK_STR(text, "0\n1\n2\n3\n5\n"); /* 3 is the folder that ls reads */
}

TEST(waiting_has_an_end)
{
	struct child c = CHILD_NONE;
	int status;

	CHECK_EQ(run_shell("exec sleep 1000", &c, NULL), 0);
	CHECK_EQ(child_wait(&c, clock_now(), &status, NULL), -ETIMEDOUT);
	child_kill(&c);
	CHECK_EQ(c.pid, 0);
}

TEST(descriptors_travel_with_bytes)
{
	int sv[2], fds[FD_PASS_MAX], null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	char text[4];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	CHECK_EQ(fd_send(sv[0], "hi", 2, &null, 1), 2);
	CHECK_EQ(fd_recv(sv[1], text, sizeof text, fds, &n), 2);
	CHECK_EQ(n, 1);
	CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	fd_close(fds[0]);
	fd_close(null);
	fd_close(sv[0]);
	fd_close(sv[1]);
}

TEST(a_standard_stream_that_was_closed_is_dev_null_and_the_others_stay)
{
	int in = dup(0);
	struct stat before, null, now;

	CHECK(in > 2);
	CHECK_EQ(fstat(1, &before), 0);
	CHECK_EQ(stat("/dev/null", &null), 0);
	close(0);
	CHECK_EQ(fd_open_standard(), 0);
	CHECK_EQ(fstat(0, &now), 0);
	CHECK_EQ(now.st_rdev, null.st_rdev);
	CHECK_EQ(fstat(1, &now), 0);
	CHECK_EQ(now.st_ino, before.st_ino);
	CHECK_EQ(dup2(in, 0), 0);
	close(in);
}

static int give_up(void *arg, struct err *e)
{
	(void) arg;
	(void) e;
	abort();
}

static void need_root(void)
{
	if (geteuid() != 0)
		exit(TEST_SKIP);
}

/* The kernel keeps the signals that it sends to itself from the first process of a namespace. */
TEST(the_first_process_of_a_pid_namespace_can_abort)
{
	const char *const argv[] = {"true", NULL};
	struct child_spec spec = {
		.path = "true", .argv = argv, .new_pid_namespace = true, .prepare = give_up};
	struct child c = CHILD_NONE;
	int status;

	need_root();
	CHECK_EQ(child_start(&spec, &c, NULL), 0);
	CHECK_EQ(child_wait(&c, clock_deadline(60000), &status, NULL), 0);
	CHECK(WIFSIGNALED(status));
}

TEST(the_first_process_of_a_pid_namespace_dies_with_who_started_it)
{
	const char *const argv[] = {"sleep", "1000", NULL};
	int p[2], lives[2], status;
	char byte;

	need_root();
	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(lives, O_CLOEXEC), 0);

	pid_t starter = fork();

	if (starter == 0) {
		const struct child_fd fds[] = {{lives[1], 3}};
		struct child_spec spec = {.path = "sleep",
					  .argv = argv,
					  .fds = fds,
					  .n_fds = 1,
					  .new_pid_namespace = true,
					  .die_with_parent = true};
		struct child c = CHILD_NONE;

		_exit(child_start(&spec, &c, NULL) == 0 && write(p[1], "x", 1) == 1 ? 0 : 1);
	}
	(void) close(lives[1]);
	CHECK_EQ(read(p[0], &byte, 1), 1);
	CHECK_EQ(waitpid(starter, &status, 0), starter);
	CHECK_EQ(status, 0);
	CHECK_EQ(read(lives[0], &byte, 1), 0); /* it had the other end, and is gone */
	(void) close(lives[0]);
	(void) close(p[0]);
	(void) close(p[1]);
}

/* What a child says that calls child_die_with() when its parent is dead (@late) or before that:
 * 1 byte if it goes on, 0 if it ends. */
static ssize_t orphan(bool late)
{
	int line[2];
	char byte;

	CHECK_EQ(pipe2(line, O_CLOEXEC), 0);

	pid_t parent = fork();

	if (parent == 0) {
		pid_t me = getpid();

		if (fork() == 0) {
			while (late && getppid() == me)
				(void) poll(NULL, 0, 1);
			child_die_with(me);
			(void) poll(NULL, 0, late ? 0 : 10000);
			(void) !write(line[1], "x", 1);
			_exit(0);
		}
		(void) poll(NULL, 0, 50);
		_exit(0);
	}
	(void) close(line[1]);
	CHECK_EQ(waitpid(parent, NULL, 0), parent);

	ssize_t n = read(line[0], &byte, 1);

	(void) close(line[0]);
	return n;
}

TEST(a_child_without_exec_ends_with_its_parent)
{
	CHECK_EQ(orphan(false), 0);
}

TEST(a_child_without_exec_ends_if_its_parent_has_ended_before_it_asked)
{
	CHECK_EQ(orphan(true), 0);
}
