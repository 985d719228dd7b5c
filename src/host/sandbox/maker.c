#include "host/sandbox/maker.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/log.h"
#include "host/cgroup/cgroup.h"
#include "host/state/environment.h"
#include "host/state/names.h"
#include "host/template/template.h"

/* How long the process that makes the maker may take to end. */
#define DETACH_TIMEOUT_MS 10000
/* Others come first, and yet it boots within its deadline on a host that is busy all the time. */
#define NICE_LATE 10

struct leave {
	int cgroup_fds[VM_CGROUPS_MAX];
	size_t n_cgroup_fds;
	int mount_ns; /* -1: this one */
};

static void leave_fini(struct leave *l)
{
	for (size_t i = 0; i < l->n_cgroup_fds; i++)
		fd_close(l->cgroup_fds[i]);
}

/* In the child before exec. */
static int leave_sandbox(void *arg, struct err *e)
{
	const struct leave *l = arg;

	for (size_t i = 0; i < l->n_cgroup_fds; i++)
		if (write(l->cgroup_fds[i], "0", 1) != 1)
			return err_sys(e, errno, "leave the sandbox's cgroup");
	if (l->mount_ns >= 0 && setns(l->mount_ns, CLONE_NEWNS) < 0)
		return err_sys(e, errno, "leave the sandbox's mount namespace");
	(void) setpriority(PRIO_PROCESS, 0, NICE_LATE);
	return 0;
}

static int run(const struct child_spec *spec, struct err *e)
{
	struct child c = CHILD_NONE;
	int status = 0;
	int r = child_start(spec, &c, e);

	if (r == 0)
		r = child_wait(&c, clock_deadline(DETACH_TIMEOUT_MS), &status, e);
	child_kill(&c);
	if (r == 0 && status != 0)
		r = err_say(e, EIO, "it ended with %d", child_exit_code(status));
	return r;
}

/* @log: what it says goes there. */
static int spawn(const struct sandbox *sb, const char *config_path, int log, struct leave *l,
		 struct err *e)
{
	char program[PATH_MAX] = "";
	/* In this folder and namespace. */
	auto_free char *config = config_path ? realpath(config_path, NULL) : NULL;
	const char *argv[] = {SERVER_PROGRAM,
			      "-make-template",
			      sb->machine.missed,
			      config ? "-config" : NULL,
			      config,
			      NULL};
	auto_environment struct environment env = ENVIRONMENT_NONE;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct child_fd fds[] = {{null, 0}, {null, 1}, {log, 2}};
	struct child_spec spec = {
		.path = program,
		.argv = argv,
		.cwd = "/",
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_session = true,
		.prepare = leave_sandbox,
		.prepare_arg = l,
	};
	int r = environment_make((const char *const[]){NULL}, &env, e);

	if (r < 0)
		return r;
	spec.envp = (const char *const *) env.list;
	if (null < 0 || readlink("/proc/self/exe", program, sizeof program - 1) < 0)
		return err_sys(e, errno, "find this program");
	return run(&spec, e);
}

static int start(const struct sandbox *sb, const char *config_path, struct err *e)
{
	struct leave l = {.mount_ns = sb->options.host_mount_ns};
	auto_close int log = -1;
	int r = template_try(sb->machine.config->hypervisor.template_path, &log, e);

	if (r == 0 && sb->machine.cgroup)
		r = host_cgroup_open_former(sb->machine.cgroup, l.cgroup_fds, VM_CGROUPS_MAX,
					    &l.n_cgroup_fds, e);
	if (r == 0)
		r = spawn(sb, config_path, log, &l, e);
	leave_fini(&l);
	return r;
}

void maker_start(struct sandbox *sb, const char *config_path)
{
	struct err e = {0};

	if (!sb->machine.missed[0])
		return;
	log_debug("step: have the missing template made");

	int r = start(sb, config_path, &e);

	if (r < 0)
		log_err(r == -EALREADY ? LOG_DEBUG : LOG_WARN, &e, "ignoring: no template is made");
}
