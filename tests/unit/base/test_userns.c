#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/auto.h"
#include "base/userns.h"
#include "oci/oci.h"

TEST(a_namespace_outlives_its_only_process)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int ns = -1;

	if (geteuid() != 0)
		exit(TEST_SKIP);
	CHECK_EQ(userns_make("0 1000 10\n20 5000 1\n", "0 2000 10\n", proc, &ns, NULL), 0);
	CHECK_EQ(ioctl(ns, NS_GET_NSTYPE), CLONE_NEWUSER);
	CHECK(fcntl(ns, F_GETFD) & FD_CLOEXEC);
}

/* The child makes namespaces until it is killed, each time a bit later, so that it is also killed
 * just when it has made a process. All that it has made has the other end of the line. */
TEST(who_is_killed_while_it_makes_one_leaves_no_process_behind)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (geteuid() != 0)
		exit(TEST_SKIP);
	for (int i = 0; i < 300; i++) {
		const struct timespec while_it_works = {.tv_nsec = 500000 + i * 3000};
		int line[2];

		CHECK_EQ(pipe2(line, O_CLOEXEC), 0);

		pid_t maker = fork();

		while (maker == 0) {
			int ns = -1;

			(void) userns_make("0 1000 1\n", "0 1000 1\n", proc, &ns, NULL);
			(void) close(ns);
		}
		(void) close(line[1]);
		(void) nanosleep(&while_it_works, NULL);
		CHECK_EQ(kill(maker, SIGKILL), 0);
		CHECK_EQ(waitpid(maker, NULL, 0), maker);

		struct pollfd hung_up = {.fd = line[0]};

		CHECK_EQ(poll(&hung_up, 1, 20000), 1);
		(void) close(line[0]);
	}
}

TEST(mappings_that_overlap_are_refused)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct err e = {0};
	int ns = -1;

	if (geteuid() != 0)
		exit(TEST_SKIP);
	CHECK(userns_make("0 1000 10\n5 5000 1\n", "0 2000 10\n", proc, &ns, &e) < 0);
	CHECK(strstr(e.text, "uid_map"));
	CHECK_EQ(ns, -1);
}

TEST(mappings_are_printed_as_the_kernel_reads_them)
{
	Grpc__LinuxIDMapping one = GRPC__LINUX_IDMAPPING__INIT, two = GRPC__LINUX_IDMAPPING__INIT;
	Grpc__LinuxIDMapping *maps[] = {&one, &two};
	auto_free char *text = NULL, *none = NULL;

	one.hostid = 4294967294U;
	one.size = 1;
	two.containerid = 7;
	two.hostid = 8;
	two.size = 9;
	CHECK_EQ(oci_id_map_print(maps, 2, &text, NULL), 0);
	CHECK_STR(text, "0 4294967294 1\n7 8 9\n");
	CHECK_EQ(oci_id_map_print(maps, 0, &none, NULL), 0);
	CHECK_STR(none, "");
}
