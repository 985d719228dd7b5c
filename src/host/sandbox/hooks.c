#include "host/sandbox/hooks.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/text.h"

/* How much of a failed hook's output is repeated in the error. */
#define HOOK_OUTPUT_MAX 256

/* In the child. chdir() comes second, because setns() changes the working folder. */
static int enter(void *arg, struct err *e)
{
	const struct hooks_run *run = arg;

	if (run->mount_ns_fd >= 0 && setns(run->mount_ns_fd, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "enter the host's mount namespace");
	if (chdir(run->bundle) < 0)
		return err_sys(e, errno, "go to '%s'", run->bundle);
	return 0;
}

/* A list of strings as exec wants it. */
static const char **null_terminated(char *const *strings, size_t n)
{
	const char **list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; list && i < n; i++)
		list[i] = strings[i];
	return list;
}

static int memory_file(const char *name, const char *text)
{
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;

	int r = fd_write_all(fd, text, strlen(text));

	if (r < 0 || lseek(fd, 0, SEEK_SET) < 0) {
		r = r < 0 ? r : -errno;
		fd_close(fd);
		return r;
	}
	return fd;
}

static int start(const struct hooks_run *run, const Grpc__Hook *hook, int output_fd,
		 struct child *ret, struct err *e)
{
	auto_close int state_fd = memory_file("state", run->state);
	auto_free const char **argv = null_terminated(hook->args, hook->n_args);
	auto_free const char **envp = null_terminated(hook->env, hook->n_env);
	const char *const just_path[] = {hook->path, NULL};

	if (state_fd < 0)
		return err_sys(e, -state_fd, "make the state document");
	if (!argv || !envp)
		return err_sys(e, ENOMEM, "run a hook");

	const struct child_fd fds[] = {{state_fd, 0}, {output_fd, 1}, {output_fd, 2}};
	const struct child_spec spec = {
		.path = hook->path,
		.argv = hook->n_args > 0 ? argv : just_path,
		.envp = envp,
		.fds = fds,
		.n_fds = 3,
		.new_session = true,
		.die_with_parent = true,
		.prepare = enter,
		.prepare_arg = (void *) run,
	};

	return child_start(&spec, ret, e);
}

/* Waits until the hook ends, the deadline passes or cancel_fd is readable. */
static int await(const struct hooks_run *run, struct child *child, msec_t deadline, int *ret_status,
		 struct err *e)
{
	struct pollfd p[] = {
		{.fd = child->pidfd, .events = POLLIN},
		{.fd = run->cancel_fd, .events = POLLIN},
	};
	int n;

	do
		n = poll(p, 2, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "wait for a hook");
	if (n == 0)
		return err_say(e, ETIMEDOUT, "it took too long");
	if (!p[0].revents)
		return err_say(e, ECANCELED, "cancelled");
	return child_wait(child, CLOCK_NEVER, ret_status, e);
}

/* The end of the hook's output, on one line. */
static void read_output(int fd, char text[HOOK_OUTPUT_MAX])
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t from = end > HOOK_OUTPUT_MAX - 1 ? end - (HOOK_OUTPUT_MAX - 1) : 0;
	char raw[HOOK_OUTPUT_MAX];
	ssize_t n = pread(fd, raw, sizeof raw - 1, from);

	(void) text_printable(raw, n > 0 ? (size_t) n : 0, text, HOOK_OUTPUT_MAX);
}

static int run_one(const struct hooks_run *run, const Grpc__Hook *hook, struct err *e)
{
	auto_close int output_fd = memfd_create("output", MFD_CLOEXEC);
	msec_t deadline =
		hook->has_timeout ? clock_deadline((uint64_t) hook->timeout * 1000) : CLOCK_NEVER;
	struct child child = CHILD_NONE;
	char output[HOOK_OUTPUT_MAX];
	int status = 0;

	if (output_fd < 0)
		return err_sys(e, errno, "run a hook");

	int r = start(run, hook, output_fd, &child, e);

	if (r < 0)
		return r;
	r = await(run, &child, deadline, &status, e);
	if (r < 0) {
		(void) kill(-child.pid, SIGKILL); /* with what the hook has started */
		child_kill(&child);
		return r;
	}
	if (status == 0)
		return 0;
	read_output(output_fd, output);
	return err_say(e, EIO, "it ended with code %d%s%s", child_exit_code(status),
		       output[0] ? ": " : "", output);
}

int hooks_run(const struct hooks_run *run, Grpc__Hook *const *hooks, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = run_one(run, hooks[i], e);

		if (r < 0)
			return err_wrap(e, r, "%s hook %zu '%s'", run->kind, i, hooks[i]->path);
	}
	return 0;
}

void hooks_run_all(const struct hooks_run *run, Grpc__Hook *const *hooks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = {0};

		if (run_one(run, hooks[i], &e) < 0) {
			(void) err_wrap(&e, 0, "%s hook %zu '%s'", run->kind, i, hooks[i]->path);
			log_err(LOG_WARN, &e, "ignoring");
		}
	}
}
