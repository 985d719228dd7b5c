#include "host/sandbox/hooks.h"

#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "base/log.h"
#include "oci/hook_run.h"

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

int hooks_run(const struct hooks_run *run, Grpc__Hook *const *hooks, size_t n, struct err *e)
{
	auto_hook_runner struct hook_runner runner = HOOK_RUNNER_NONE;
	struct err own = {0}, *cause = e ? e : &own;
	int r = hook_runner_init(&runner, run->state, cause);

	if (r < 0)
		return r;
	runner.cancel_fd = run->cancel_fd;
	runner.prepare = enter;
	runner.prepare_arg = (void *) run;
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = hook_run(&runner, run->kind, i, hooks[i], cause);
		if (r < 0 && run->ignores_failures) {
			log_err(LOG_WARN, cause, "ignoring");
			err_clear(cause);
			r = 0;
		}
	}
	return r;
}
