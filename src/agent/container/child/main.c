#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "agent/container/container.h"
#include "base/file.h"

static int read_job(struct setup *s, struct err *e)
{
	bool is_exec = s->kind == CHILD_EXEC || s->kind == CHILD_EXEC_USERNS;
	struct stat st;

	if (fstat(CHILD_JOB, &st) < 0)
		return err_sys(e, errno, "read the job");

	/* Read and not mapped: a mapping that lasts for one look costs a guest that is translated
	 * more than the look. From the start, because children of one job share the place. */
	size_t bytes = (size_t) st.st_size;
	auto_free uint8_t *packed = malloc(bytes + 1);

	if (!packed || pread(CHILD_JOB, packed, bytes, 0) != (ssize_t) bytes)
		return err_sys(e, packed ? EIO : ENOMEM, "read the job");
	if (is_exec)
		s->process = grpc__process__unpack(NULL, bytes, packed);
	else
		s->spec = grpc__spec__unpack(NULL, bytes, packed);
	(void) close(CHILD_JOB);
	if (s->spec)
		s->process = s->spec->process;
	if (!s->process || (!is_exec && (!s->spec->linux || !s->spec->root)))
		return err_say(e, EINVAL, "the job is not a specification");
	return 0;
}

/* Called before anything is opened, because a new descriptor could get the number. */
static int optional_fd(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ? -1 : fd;
}

static int run(struct setup *s, struct err *e)
{
	int r;

	(void) fcntl(CHILD_CONTROL, F_SETFD, FD_CLOEXEC);
	(void) fcntl(CHILD_JOB, F_SETFD, FD_CLOEXEC);
	(void) fcntl(CHILD_INIT_PIDFD, F_SETFD, FD_CLOEXEC);
	if (s->kind == CHILD_HOLD)
		return hold_namespaces(s, e);
	s->filter_fd = optional_fd(CHILD_FILTER);
	s->ipc_ns = optional_fd(CHILD_IPC_NS);
	s->uts_ns = optional_fd(CHILD_UTS_NS);
	s->user_ns = optional_fd(CHILD_USER_NS);
	s->pid_ns = optional_fd(CHILD_PID_NS);
	r = read_job(s, e);

	if (r < 0)
		return r;
	s->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->proc_fd < 0)
		return err_sys(e, errno, "open '/proc'");
	switch (s->kind) {
	case CHILD_INIT:
		return setup_init(s, e);
	case CHILD_EXEC:
	case CHILD_EXEC_USERNS:
		return setup_exec(s, e);
	default:
		return run_agent_hooks(s, e);
	}
}

int container_child_run(enum child_kind kind, const char *id, const char *bundle, uint32_t number)
{
	struct root root = {.fd = -1};
	struct setup s = {
		.kind = kind,
		.id = id,
		.bundle = bundle,
		.number = number,
		.proc_fd = -1,
		.root = &root,
		.start_hooks = HOOK_RUNNER_NONE,
	};
	struct err err = {0};

	if (run(&s, &err) == 0)
		return 0;
	(void) handshake_tell(CHILD_CONTROL, STEP_FAILED, 0, -1, &err, NULL);
	return 1;
}
