#include "oci/hook_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/fd.h"

/* How much of a failed hook's output is repeated in the error: its end, because that is where a
 * program says why it gives up. */
#define OUTPUT_BYTES 256

int hook_runner_init(struct hook_runner *ret, const char *state, struct err *e)
{
	auto_close int state_fd = fd_memory("state", state, strlen(state));
	auto_close int output_fd = fd_memory("output", "", 0);

	if (state_fd < 0 || output_fd < 0)
		return err_sys(e, state_fd < 0 ? -state_fd : -output_fd, "prepare for hooks");
	ret->state_fd = take_fd(&state_fd);
	ret->output_fd = take_fd(&output_fd);
	return 0;
}

void hook_runner_fini(struct hook_runner *runner)
{
	fd_close(runner->state_fd);
	fd_close(runner->output_fd);
}

/* A list of strings as exec wants it. */
static const char **null_terminated(char *const *strings, size_t n)
{
	const char **list = calloc(n + 1, sizeof *list);

	for (size_t i = 0; list && i < n; i++)
		list[i] = strings[i];
	return list;
}

static int start(const struct hook_runner *runner, const Grpc__Hook *hook, struct child *ret,
		 struct err *e)
{
	bool has_env = hook->n_env > 0;
	auto_free const char **argv = null_terminated(hook->args, hook->n_args);
	auto_free const char **envp = null_terminated(has_env ? hook->env : runner->env,
						      has_env ? hook->n_env : runner->n_env);
	const char *const just_path[] = {hook->path, NULL};
	const struct child_fd fds[] = {
		{runner->state_fd, 0}, {runner->output_fd, 1}, {runner->output_fd, 2}};
	const struct child_spec spec = {
		.path = hook->path,
		.argv = hook->n_args > 0 ? argv : just_path,
		.envp = envp,
		.fds = fds,
		.n_fds = 3,
		.new_session = true,
		.die_with_parent = true,
		.prepare = runner->prepare,
		.prepare_arg = runner->prepare_arg,
	};

	if (!argv || !envp)
		return err_sys(e, ENOMEM, "run '%s'", hook->path);
	if (lseek(runner->state_fd, 0, SEEK_SET) < 0)
		return err_sys(e, errno, "run '%s'", hook->path);
	return child_start_by(&spec, execve, ret, e);
}

/* Waits until the hook ends, its time is over or cancel_fd is readable. */
static int await(const struct hook_runner *runner, const Grpc__Hook *hook, struct child *child,
		 int *ret_status, struct err *e)
{
	msec_t deadline =
		hook->has_timeout ? clock_deadline((uint64_t) hook->timeout * 1000) : CLOCK_NEVER;
	struct pollfd p[] = {
		{.fd = child->pidfd, .events = POLLIN},
		{.fd = runner->cancel_fd, .events = POLLIN},
	};
	int n;

	do
		n = poll(p, 2, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "wait for '%s'", hook->path);
	if (n == 0)
		return err_say(e, ETIMEDOUT, "'%s' took longer than %lld s", hook->path,
			       (long long) hook->timeout);
	if (!p[0].revents)
		return err_say(e, ECANCELED, "'%s' was cancelled", hook->path);
	(void) waitpid(child->pid, ret_status, 0); /* it has ended */
	return 0;
}

/* The end of what was printed since @from. */
static void read_output(const struct hook_runner *runner, off_t from, char text[OUTPUT_BYTES])
{
	off_t end = lseek(runner->output_fd, 0, SEEK_END);

	if (end - from > OUTPUT_BYTES - 1)
		from = end - (OUTPUT_BYTES - 1);

	ssize_t n = pread(runner->output_fd, text, OUTPUT_BYTES - 1, from);

	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	text[n > 0 ? n : 0] = '\0';
}

static int run_hook(const struct hook_runner *runner, const Grpc__Hook *hook, struct err *e)
{
	off_t before = lseek(runner->output_fd, 0, SEEK_END);
	struct child child = CHILD_NONE;
	char output[OUTPUT_BYTES];
	int status = 0;
	int r = start(runner, hook, &child, e);

	if (r < 0)
		return r;
	r = await(runner, hook, &child, &status, e);
	if (r == 0)
		child.pid = 0;
	else
		(void) kill(-child.pid, SIGKILL); /* with what the hook has started */
	child_kill(&child);
	if (r < 0 || status == 0)
		return r;
	read_output(runner, before, output);
	return err_say(e, EIO, "'%s' %s %d%s%s", hook->path,
		       WIFSIGNALED(status) ? "was killed by signal" : "ended with code",
		       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
		       output[0] ? ": " : "", output);
}

int hook_run(const struct hook_runner *runner, const char *kind, size_t index,
	     const Grpc__Hook *hook, struct err *e)
{
	return err_wrap(e, run_hook(runner, hook, e), "hooks.%s[%zu]", kind, index);
}
