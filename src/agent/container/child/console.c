#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/container/child/mount_ops.h"
#include "agent/container/child/resolve.h"
#include "agent/container/child/setup.h"

/*
 * The terminal: a pty of the container's own devpts, so that its name means something inside. The
 * master goes to the agent; the slave becomes stdin, stdout, stderr, the controlling terminal, and
 * (for the init process) /dev/console.
 */

/* Opens /dev/ptmx only if it is the real device, because opening any other file could block. */
static int open_master(const struct setup *s, struct err *e)
{
	char path[FD_PATH_BYTES];
	struct stat st;
	auto_close int ptmx = s->root->fd >= 0 ? resolve(s->root, "/dev/ptmx", 0, e)
					       : open("/dev/ptmx", O_PATH | O_CLOEXEC);

	if (ptmx < 0)
		return err_sys(e, ENOENT, "open '/dev/ptmx' in the container");
	if (fstat(ptmx, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
		return err_say(e, ENODEV,
			       "'/dev/ptmx' in the container is not what makes terminals");

	(void) snprintf(path, sizeof path, "self/fd/%d", ptmx);

	int fd = openat(s->proc_fd, path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "open '/dev/ptmx' in the container") : fd;
}

static int set_size(int master, const Grpc__Box *size, struct err *e)
{
	struct winsize ws = {.ws_row = (unsigned short) (size ? size->height : 0),
			     .ws_col = (unsigned short) (size ? size->width : 0)};

	if (size && ioctl(master, TIOCSWINSZ, &ws) < 0)
		return err_sys(e, errno, "set process.consoleSize");
	return 0;
}

/* Returns the slave, now the controlling terminal, stdin, stdout and stderr. */
static int make_terminal(struct setup *s, struct err *e)
{
	auto_close int master = open_master(s, e);
	int unlock = 0;

	if (master < 0)
		return master;
	if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
		return err_sys(e, errno, "unlock the terminal");

	auto_close int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (slave < 0)
		return err_sys(e, errno, "open the terminal");

	int r = set_size(master, s->process->consolesize, e);

	if (r == 0)
		r = handshake_tell(CHILD_CONTROL, STEP_TERMINAL, 0, master, NULL, e);
	if (r < 0)
		return r;
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		return err_sys(e, errno, "take the terminal");
	for (int fd = 0; fd < 3; fd++)
		if (dup2(slave, fd) < 0)
			return err_sys(e, errno, "take the terminal");
	return take_fd(&slave);
}

int open_console(struct setup *s, struct err *e)
{
	if (!s->process->terminal)
		return 0;

	auto_close int slave = make_terminal(s, e);

	if (slave < 0)
		return err_wrap(e, slave, "process.terminal");

	auto_close int console = resolve_file(s->root, "/dev/console", e);
	auto_close int mount = console < 0 ? console : mount_copy(slave, "", false);
	int r = mount < 0 ? mount : mount_attach(mount, console);

	if (console >= 0 && r < 0)
		(void) err_sys(e, -r, "mount '/dev/console'");
	return err_wrap(e, r, "process.terminal");
}

int open_exec_console(struct setup *s, struct err *e)
{
	if (!s->process->terminal)
		return 0;

	auto_close int slave = make_terminal(s, e);

	return err_wrap(e, slave < 0 ? slave : 0, "process.terminal");
}
