#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/sandbox/sandbox.h"

static char folder[] = "/tmp/test-notes-XXXXXX";

static void up(void)
{
	CHECK(mkdtemp(folder) != NULL);
}

static void down(void)
{
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

static void write_text(const char *name, const char *text)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static bool there(const char *name)
{
	auto_free char *path = str_printf("%s/%s", folder, name);

	return access(path, F_OK) == 0;
}

static unsigned long long start_time(pid_t pid)
{
	auto_free char *path = str_printf("/proc/%d/stat", pid);
	auto_free char *text = NULL;
	unsigned long long ticks = 0;

	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &text, NULL, NULL), 0);
	CHECK_EQ(
		sscanf(strrchr(text, ')') + 2,
		       "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		       &ticks),
		1);
	return ticks;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		pause();
		_exit(0);
	}
	return pid;
}

TEST(without_notes_there_is_nothing_to_do)
{
	up();
	CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	down();
}

TEST(what_a_dead_server_has_left_is_removed)
{
	pid_t vmm = sleeper();
	int status;

	up();

	auto_free char *share = str_printf("%s/share", folder);
	auto_free char *notes = str_printf(
		"{\"id\":\"c\",\"vmm\":{\"pid\":%d,\"start_time\":%llu},\"share\":\"%s\"}", vmm,
		start_time(vmm), share);

	CHECK_EQ(mkdir(share, 0755), 0);
	write_text("sandbox.json", notes);
	CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	CHECK_EQ(waitpid(vmm, &status, 0), vmm);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	CHECK(!there("share"));
	CHECK(!there("sandbox.json"));
	down();
}

TEST(a_process_that_only_has_the_same_number_is_left_alone)
{
	pid_t other = sleeper();

	up();

	auto_free char *notes = str_printf("{\"server\":{\"pid\":%d,\"start_time\":%llu}}", other,
					   start_time(other) + 1);

	write_text("sandbox.json", notes);
	CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	CHECK_EQ(waitpid(other, NULL, WNOHANG), 0);
	CHECK_EQ(kill(other, SIGKILL), 0);
	CHECK_EQ(waitpid(other, NULL, 0), other);
	down();
}

/* After a power cut another process may have the number, and by chance the start time too. */
TEST(a_process_of_another_boot_is_left_alone)
{
	pid_t other = sleeper();

	up();

	auto_free char *notes = str_printf(
		"{\"boot\":\"00000000-0000-0000-0000-000000000000\",\"vmm\":{\"pid\":%d,\"start_time\":%llu}}",
		other, start_time(other));

	write_text("sandbox.json", notes);
	CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	CHECK_EQ(waitpid(other, NULL, WNOHANG), 0);
	CHECK(!there("sandbox.json"));
	CHECK_EQ(kill(other, SIGKILL), 0);
	CHECK_EQ(waitpid(other, NULL, 0), other);
	down();
}

TEST(broken_notes_do_no_harm)
{
	static const char *const broken[] = {
		"", "{", "[]", "{\"share\":7,\"vmm\":[],\"server\":{\"pid\":-1}}",
		"{\"server\":{\"pid\":0,\"start_time\":0},\"bundle\":\"/no/such\",\"id\":\"c\"}"};

	up();
	for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
		write_text("sandbox.json", broken[i]);
		CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	}
	down();
}

TEST(the_hooks_that_the_server_owes_are_run)
{
	up();

	auto_free char *spec = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"hooks\":{\"poststop\":[{\"path\":\"/bin/sh\","
		"\"args\":[\"sh\",\"-c\",\"cat > state\"]}]}}");
	auto_free char *notes = str_printf("{\"id\":\"c\",\"bundle\":\"%s\"}", folder);
	auto_free char *path = str_printf("%s/state", folder);
	auto_free char *state = NULL;

	write_text("spec.json", spec);
	write_text("config.json",
		   "{\"ociVersion\":\"1.2.0\",\"hooks\":{\"poststop\":[{\"path\":\"/bin/sh\","
		   "\"args\":[\"sh\",\"-c\",\"echo changed > state\"]}]}}");
	write_text("sandbox.json", notes);
	CHECK_EQ(sandbox_clean_up(folder, NULL), 0);
	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &state, NULL, NULL), 0);
	CHECK(strstr(state, "\"stopped\"") != NULL);
	down();
}
