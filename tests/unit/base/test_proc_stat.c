#include "tests/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/proc_stat.h"

TEST(a_process_has_one_start_time)
{
	CHECK(proc_start_time(getpid()) > 0);
	CHECK_EQ(proc_start_time(getpid()), proc_start_time(getpid()));
	CHECK_EQ(proc_start_time(0), 0);
	CHECK_EQ(proc_start_time(-1), 0);
}

TEST(the_name_of_a_process_is_no_field)
{
	uint64_t parent = 0;
	pid_t pid = fork();

	if (pid == 0) {
		(void) prctl(PR_SET_NAME, ") S 1 (");
		_exit(proc_stat_read(getpid(), PROC_STAT_PARENT, &parent, 1) < 0 ||
		      parent != (uint64_t) getppid());
	}

	int status = -1;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
}

TEST(neighbouring_fields_are_read_at_once)
{
	uint64_t v[2] = {0};

	CHECK_EQ(proc_stat_read(PROC_SELF, PROC_STAT_ARG_START, v, 2), 0);
	CHECK(v[0] > 0 && v[1] > v[0]);
}

TEST(what_is_not_there_is_an_error)
{
	uint64_t v[64];

	CHECK_EQ(proc_stat_read(-1, PROC_STAT_PARENT, v, 1), -ESRCH);
	CHECK_EQ(proc_stat_read(PROC_SELF, PROC_STAT_ARG_START, v, 64), -EBADMSG);
}

TEST(memory_of_a_process_is_told_and_nobody_has_none)
{
	enum { MIB = 1 << 20 };
	auto_free char *own = malloc(MIB);

	/* Of what is shared with other processes only a part counts, maybe next to nothing. */
	CHECK(own);
	memset(own, 1, MIB);
	CHECK(proc_pss_kib(getpid()) >= MIB / 1024);
	CHECK_EQ(proc_pss_kib(-1), 0);
}
