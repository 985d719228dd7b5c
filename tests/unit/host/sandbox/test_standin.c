#include "tests/unit/host/sandbox/fake_sandbox.h"

#include <sys/wait.h>

/* The pid that is told for container @id. */
static pid_t pid_of(const char *id)
{
	struct sandbox_process p;

	CHECK_EQ(sandbox_state(here.sb, id, "", &p, NULL), 0);
	return (pid_t) p.pid;
}

static void make_two(void)
{
	here.has_standins = true;
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ((pid_t) here.answer.pid, pid_of("c1"));
	CHECK_EQ(create("c2", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ((pid_t) here.answer.pid, pid_of("c1"));
}

static void delete_two(void)
{
	CHECK_EQ(kill_it("c1", "", SIGKILL), 0);
	CHECK_EQ(wait_for("c1", ""), 128 + SIGKILL);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ(delete_it("c2", ""), 0);
	down();
	here.has_standins = false;
}

/* Where the namespace @name of @pid is another one than this process's. */
static bool has_own(pid_t pid, const char *name)
{
	auto_free char *theirs = str_printf("/proc/%d/ns/%s", (int) pid, name);
	auto_free char *ours = str_printf("/proc/self/ns/%s", name);
	struct stat a, b;

	CHECK_EQ(stat(theirs, &a), 0);
	CHECK_EQ(stat(ours, &b), 0);
	return a.st_ino != b.st_ino;
}

TEST(each_container_has_a_process_in_a_room_of_its_own)
{
	static const char *const kinds[] = {"pid", "mnt", "net", "ipc", "uts", "cgroup"};
	pid_t one, two;

	make_two();
	one = pid_of("c1");
	two = pid_of("c2");
	CHECK(one != two);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		CHECK(has_own(one, kinds[i]));
	CHECK_EQ(kill(one, 0), 0);
	delete_two();
	CHECK_EQ(kill(one, 0), -1);
	CHECK_EQ(kill(two, 0), -1);
}

TEST(a_signal_to_the_pid_reaches_the_container_and_its_end_is_the_pids)
{
	pid_t pid;

	make_two();
	pid = pid_of("c1");
	CHECK_EQ(kill(pid, SIGTERM), 0);
	CHECK_EQ(wait_for("c1", ""), 128 + SIGTERM);
	CHECK_EQ(pid_of("c1"), 0);
	CHECK_EQ(status_of("c2", ""), OCI_CREATED);
	CHECK_EQ(delete_it("c1", ""), 0);
	CHECK_EQ((pid_t) here.answer.pid, pid);
	CHECK_EQ(kill(pid, 0), -1);
	CHECK_EQ(delete_it("c2", ""), 0);
	down();
	here.has_standins = false;
}

TEST(who_kills_the_pid_kills_the_container)
{
	make_two();
	CHECK_EQ(kill(pid_of("c1"), SIGKILL), 0);
	CHECK_EQ(wait_for("c1", ""), 128 + SIGKILL);
	CHECK_EQ(status_of("c2", ""), OCI_CREATED);
	delete_two();
}

TEST(a_create_that_fails_leaves_no_process)
{
	here.has_standins = true;
	up();
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	here.agent.refuse = "CreateContainer";
	CHECK(create("c2", NO_STREAMS) < 0);
	here.agent.refuse = NULL;
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
	here.has_standins = false;
	CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
}
