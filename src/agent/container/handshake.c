#include "agent/container/handshake.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/fd.h"

static const char *const step_names[] = {
	[STEP_USERNS_MADE] = "user namespace made",
	[STEP_PID_MADE] = "process made",
	[STEP_MOUNTED] = "mounted",
	[STEP_TERMINAL] = "terminal",
	[STEP_FILTER] = "seccomp filter",
	[STEP_READY] = "ready",
	[STEP_EXECUTING] = "executing",
	[STEP_FAILED] = "failed",
	[STEP_GO] = "go",
};
TABLE_COVERS(step_names, STEP_MAX);

const char *step_name(enum step step)
{
	return step_names[step];
}

int handshake_tell(int sock, enum step step, pid_t pid, int fd, const struct err *err,
		   struct err *e)
{
	struct note note = {.step = step, .pid = pid};

	if (err)
		note.err = *err;

	ssize_t n = fd_send(sock, &note, sizeof note, &fd, fd >= 0);

	if (n < 0)
		return err_sys(e, (int) -n, "say '%s'", step_name(step));
	return 0;
}

int handshake_hear(int sock, struct note *ret, int *ret_fd, struct err *e)
{
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	struct note note;
	ssize_t n = fd_recv(sock, &note, sizeof note, fds, &n_fds);

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n < 0)
		return err_sys(e, (int) -n, "hear the next step");
	if (n != 0 && n_fds <= 1 && n == sizeof note && note.step < STEP_MAX &&
	    note.err.code >= 0) {
		note.err.text[ERR_TEXT_MAX - 1] = '\0';
		*ret = note;
		*ret_fd = n_fds ? fds[0] : -1;
		return 1;
	}
	while (n_fds > 0)
		fd_close(fds[--n_fds]);
	return n == 0 ? 0 : err_say(e, EPROTO, "heard a step that does not exist");
}
