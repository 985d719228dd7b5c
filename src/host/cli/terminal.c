#include "host/cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"

static int make_raw(int fd, struct termios *before, struct err *e)
{
	if (tcgetattr(fd, before) < 0)
		return err_sys(e, errno, "read the settings of the terminal");

	struct termios raw = *before;

	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) < 0)
		return err_sys(e, errno, "make the terminal raw");
	return 0;
}

int terminal_raw(int fd, struct terminal *ret, struct err *e)
{
	struct termios before;
	int r = make_raw(fd, &before, e);

	if (r == 0)
		*ret = (struct terminal){.fd = fd, .before = before};
	return r;
}

void terminal_restore(struct terminal *t)
{
	if (t->fd >= 0)
		(void) tcsetattr(t->fd, TCSANOW, &t->before);
	*t = TERMINAL_NONE;
}

void terminal_size(int fd, uint32_t *ret_rows, uint32_t *ret_columns)
{
	struct winsize w = {0};

	(void) ioctl(fd, TIOCGWINSZ, &w);
	*ret_rows = w.ws_row;
	*ret_columns = w.ws_col;
}

int terminal_pair(int *ret_master, int *ret_slave, struct err *e)
{
	auto_close int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];
	struct termios before;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    (errno = ptsname_r(master, name, sizeof name)) != 0)
		return err_sys(e, errno, "make a terminal");

	auto_close int slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (slave < 0)
		return err_sys(e, errno, "open '%s'", name);

	int r = make_raw(slave, &before, e);

	if (r < 0)
		return r;
	*ret_master = take_fd(&master);
	*ret_slave = take_fd(&slave);
	return 0;
}

int terminal_send(const char *path, int master, struct err *e)
{
	struct sockaddr_un a;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[64];

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	if (fd_unix_address(path, &a) < 0)
		return err_say(e, ENAMETOOLONG, "console socket '%s' has too long a name", path);
	if (connect(fd, (struct sockaddr *) &a, sizeof a) < 0)
		return err_sys(e, errno, "connect to console socket '%s'", path);

	/* Only for root or this user, because the master controls the container's terminal. */
	uid_t uid;
	int r = fd_peer_uid(fd, &uid);

	if (r < 0)
		return err_sys(e, -r, "ask whose console socket '%s' is", path);
	if (uid != 0 && uid != geteuid())
		return err_say(e, EPERM,
			       "console socket '%s' is user %u's, who is neither root nor us", path,
			       uid);
	if ((errno = ptsname_r(master, name, sizeof name)) != 0)
		return err_sys(e, errno, "name the terminal");

	ssize_t n = fd_send(fd, name, strlen(name), &master, 1);

	return n < 0 ? err_sys(e, (int) -n, "send the terminal to '%s'", path) : 0;
}
