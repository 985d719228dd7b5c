#include "agent/container/child/setup.h"

#include <errno.h>

int setup_run(struct setup *s, const setup_fn *steps, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = steps[i](s, e);

		if (r < 0)
			return r;
	}
	return 0;
}

int setup_ask(enum step step, pid_t pid, int fd, struct err *e)
{
	struct note note;
	int no_fd = -1;
	int r = handshake_tell(CHILD_CONTROL, step, pid, fd, NULL, e);

	if (r < 0)
		return r;
	r = handshake_hear(CHILD_CONTROL, &note, &no_fd, e);
	fd_close(no_fd);
	if (r == 0)
		return err_say(e, EPIPE, "the agent has gone");
	if (r > 0 && note.step != STEP_GO)
		return err_say(e, EPROTO, "heard '%s' instead of '%s'", step_name(note.step),
			       step_name(STEP_GO));
	return r < 0 ? r : 0;
}
