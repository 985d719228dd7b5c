#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "oci/oci.h"

/* Hooks get the state of the container on stdin, and have failed when they do not end with 0 within
 * their time. What they print is part of the error. */

#define SAID_MAX_BYTES 256

/* The state, to be read from the beginning by each hook. */
static int write_state(const struct setup *s, enum oci_status status, pid_t pid, int *ret_fd,
		       struct err *e)
{
	const struct oci_state state = {
		.id = s->id,
		.status = status,
		.pid = pid,
		.bundle = s->bundle,
		.spec = s->spec,
	};
	auto_free char *text = NULL;
	auto_close int fd = memfd_create("state", MFD_CLOEXEC);
	int r = oci_state_print(&state, &text, e);

	if (r < 0)
		return r;
	r = fd < 0 ? -errno : fd_write_all(fd, text, strlen(text));
	if (r < 0)
		return err_sys(e, -r, "write the state for hooks");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Runs in the forked child. */
static _Noreturn void become_hook(const Grpc__Hook *hook, char **env, int state_fd, int said_fd)
{
	char *only[] = {hook->path, NULL};
	char **argv = calloc(hook->n_args + 1, sizeof *argv);
	char **own_env = calloc(hook->n_env + 1, sizeof *own_env);

	/* PDEATHSIG, because the agent kills the hook's parent when it removes the container. */
	if (!argv || !own_env || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    lseek(state_fd, 0, SEEK_SET) < 0 || dup2(state_fd, 0) < 0 || dup2(said_fd, 1) < 0 ||
	    dup2(said_fd, 2) < 0)
		_exit(127);
	if (hook->n_args)
		memcpy(argv, hook->args, hook->n_args * sizeof *argv);
	if (hook->n_env)
		memcpy(own_env, hook->env, hook->n_env * sizeof *own_env);
	(void) execve(hook->path, hook->n_args ? argv : only, hook->n_env ? own_env : env);
	dprintf(2, "%s", strerror(errno));
	_exit(127);
}

/* Keeps the beginning of the hook's output, discards the rest. Returns false at end of file. */
static bool listen(int fd, char *said, size_t *used)
{
	char more[4096];
	ssize_t n = read(fd, more, sizeof more);

	if (n <= 0)
		return n < 0 && errno == EINTR;

	size_t keep = SAID_MAX_BYTES - 1 - *used;

	if ((size_t) n < keep)
		keep = (size_t) n;
	memcpy(said + *used, more, keep);
	*used += keep;
	return true;
}

/* Waits until the hook ends; a process that it leaves behind may hold the pipe open for longer.
 * Returns 0 or -ETIMEDOUT. */
static int attend(int pidfd, int said_fd, msec_t deadline, char *said)
{
	struct pollfd p[] = {{.fd = pidfd, .events = POLLIN}, {.fd = said_fd, .events = POLLIN}};
	size_t used = 0;
	int n = 1;

	while (n > 0 || (n < 0 && errno == EINTR)) {
		n = poll(p, 2, clock_poll_ms(deadline));
		if (n > 0 && p[1].revents && !listen(said_fd, said, &used))
			p[1].fd = -1;
		else if (n > 0 && p[0].revents && !p[1].revents)
			break;
	}
	while (used > 0 && (said[used - 1] == '\n' || said[used - 1] == '\r'))
		used--;
	said[used] = '\0';
	return n == 0 ? -ETIMEDOUT : 0;
}

static int wait_for_hook(const Grpc__Hook *hook, pid_t pid, int said_fd, struct err *e)
{
	msec_t deadline = hook->has_timeout && hook->timeout > 0
				  ? clock_deadline((uint64_t) hook->timeout * 1000)
				  : CLOCK_NEVER;
	char said[SAID_MAX_BYTES];
	auto_close int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
	int status, r = pidfd < 0 ? -errno : attend(pidfd, said_fd, deadline, said);

	if (r < 0)
		(void) kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r == -ETIMEDOUT)
		return err_say(e, ETIMEDOUT, "'%s' took longer than %lld s", hook->path,
			       (long long) hook->timeout);
	if (r < 0)
		return err_sys(e, -r, "wait for '%s'", hook->path);
	if (WIFSIGNALED(status))
		return err_say(e, ECHILD, "'%s' was killed by signal %d%s%s", hook->path,
			       WTERMSIG(status), said[0] ? ": " : "", said);
	if (WEXITSTATUS(status) != 0)
		return err_say(e, ECHILD, "'%s' ended with code %d%s%s", hook->path,
			       WEXITSTATUS(status), said[0] ? ": " : "", said);
	return 0;
}

static int run_hook(const Grpc__Hook *hook, char **env, int state_fd, struct err *e)
{
	int p[2];

	if (!hook->path || hook->path[0] != '/')
		return err_say(e, EINVAL, "path '%.128s' is not absolute",
			       hook->path ? hook->path : "");
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_sys(e, errno, "run '%s'", hook->path);

	auto_close int said = p[0];
	auto_close int say = p[1];
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "run '%s'", hook->path);
	if (pid == 0)
		become_hook(hook, env, state_fd, say);
	say = fd_close(say);
	return wait_for_hook(hook, pid, said, e);
}

static int run_hooks(Grpc__Hook *const *hooks, size_t n, const char *kind, char **env, int state_fd,
		     struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = run_hook(hooks[i], env, state_fd, e);

		if (r < 0)
			return err_wrap(e, r, "hooks.%s[%zu]", kind, i);
	}
	return 0;
}

int run_create_container_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;
	auto_close int state = -1;
	int r = 0;

	if (!h)
		return 0;
	/* The agent runs prestart and createRuntime hooks, in its own namespaces. */
	if (h->n_prestart || h->n_createruntime)
		r = setup_ask(STEP_MOUNTED, 0, -1, e);
	if (r < 0 || !h->n_createcontainer)
		return r;
	r = write_state(s, OCI_CREATING, getpid(), &state, e);
	if (r < 0)
		return r;
	return run_hooks(h->createcontainer, h->n_createcontainer, "createContainer",
			 s->process->env, state, e);
}

/* Comes before load_filter(), because the seccomp filter may forbid it. */
int prepare_start_hooks(struct setup *s, struct err *e)
{
	if (!s->spec->hooks || !s->spec->hooks->n_startcontainer)
		return 0;
	return write_state(s, OCI_CREATED, getpid(), &s->hook_state, e);
}

int run_start_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;

	if (s->hook_state < 0)
		return 0;
	return run_hooks(h->startcontainer, h->n_startcontainer, "startContainer", s->process->env,
			 s->hook_state, e);
}

int run_agent_hooks(struct setup *s, struct err *e)
{
	const Grpc__Hooks *h = s->spec->hooks;
	enum oci_status status = s->kind == CHILD_CREATE_HOOKS      ? OCI_CREATING
				 : s->kind == CHILD_POSTSTART_HOOKS ? OCI_RUNNING
								    : OCI_STOPPED;
	char *no_env[] = {NULL};
	auto_close int state = -1;
	int r = h ? write_state(s, status, (pid_t) s->number, &state, e) : 0;

	if (r < 0 || !h)
		return r;
	if (s->kind == CHILD_POSTSTART_HOOKS)
		return run_hooks(h->poststart, h->n_poststart, "poststart", no_env, state, e);
	if (s->kind == CHILD_POSTSTOP_HOOKS)
		return run_hooks(h->poststop, h->n_poststop, "poststop", no_env, state, e);
	r = run_hooks(h->prestart, h->n_prestart, "prestart", no_env, state, e);
	return r < 0 ? r
		     : run_hooks(h->createruntime, h->n_createruntime, "createRuntime", no_env,
				 state, e);
}
