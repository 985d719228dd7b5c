#include "host/state/pod_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/claim.h"
#include "base/file.h"
#include "host/state/run_dir.h"

#define BACKLOG  16
#define RETRY_MS 10

char *pod_dir_base(void)
{
	return run_dir_path(RUN_DIR, "vc/sbs");
}

/* Who cleans up removes by this descriptor's folder, and never follows a link. */
static void empty(int dir)
{
	(void) unlinkat(dir, POD_SOCKET, 0);
	(void) unlinkat(dir, POD_STATE, 0);
}

static int listen_in(const struct pod_dir *p, int *ret_fd, struct err *e)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int n = snprintf(at.sun_path, sizeof at.sun_path, "%s/" POD_SOCKET, p->path);

	if (n < 0 || (size_t) n >= sizeof at.sun_path)
		return err_say(e, ENAMETOOLONG, "the path of a socket in '%s' is too long",
			       p->path);
	/* bind() gives the file this mode; with a later chmod() others could connect in between. */
	if (fd < 0 || fchmod(fd, 0600) < 0)
		return err_sys(e, errno, "make a socket");
	if (bind(fd, (struct sockaddr *) &at, sizeof at) < 0 || listen(fd, BACKLOG) < 0)
		return err_sys(e, errno, "listen on '%s'", at.sun_path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* As in the share: see choose_folder() there. */
static int choose(struct pod_dir *p, const char *base, const char *name, struct err *e)
{
	struct err first = {0};

	p->path = str_printf("%s/%s", base, name);
	if (!p->path)
		return err_sys(e, ENOMEM, "name a folder");

	int r = claim_folder(p->path, &p->lock_fd, &first);

	if (r == -EWOULDBLOCK) {
		free(p->path);
		p->path = str_printf("%s/%s.%d", base, name, getpid());
		return p->path ? claim_folder(p->path, &p->lock_fd, e)
			       : err_sys(e, ENOMEM, "name a folder");
	}
	if (r < 0 && e)
		*e = first;
	return r;
}

int pod_dir_make(const char *base, const char *name, const char *state_dir, struct pod_dir *ret,
		 struct err *e)
{
	struct pod_dir p = POD_DIR_NONE;
	int r = dir_make(base, 0700, e);

	if (r == 0)
		r = choose(&p, base, name, e);
	if (r == 0) {
		empty(p.lock_fd);
		/* Before the socket: whoever sees that finds the notes, too. */
		if (state_dir && symlinkat(state_dir, p.lock_fd, POD_STATE) < 0)
			r = err_sys(e, errno, "make a link in '%s'", p.path);
	}
	if (r == 0)
		r = listen_in(&p, &p.listen_fd, e);
	if (r < 0)
		pod_dir_remove(&p);
	else
		*ret = p;
	return r;
}

void pod_dir_remove(struct pod_dir *p)
{
	if (p->lock_fd >= 0) {
		empty(p->lock_fd);
		(void) rmdir(p->path);
	}
	fd_close(p->listen_fd);
	fd_close(p->lock_fd);
	free(p->path);
	*p = POD_DIR_NONE;
}

/* claim_left(), tried again until @deadline while the owner lives. */
static int claim_by(msec_t deadline, struct pod_dir *p, struct err *e)
{
	for (;;) {
		struct err why = {0};
		int r = claim_left(p->path, &p->lock_fd, &why);

		if (r != -EWOULDBLOCK || clock_poll_ms(deadline) == 0) {
			if (r < 0 && e)
				*e = why;
			return r;
		}
		(void) poll(NULL, 0, RETRY_MS);
	}
}

int pod_dir_bury(const char *base, const char *name, msec_t deadline, struct err *e)
{
	struct pod_dir p = POD_DIR_NONE;
	int r = 0;

	p.path = str_printf("%s/%s", base, name);
	if (!p.path)
		return err_sys(e, ENOMEM, "name a folder");
	r = claim_by(deadline, &p, e);
	pod_dir_remove(&p);
	return r;
}

char *pod_dir_state(const char *base, const char *name)
{
	auto_free char *path = str_printf("%s/%s/" POD_STATE, base, name);
	char target[PATH_MAX];
	ssize_t n = path ? readlink(path, target, sizeof target - 1) : -1;

	if (n < 0)
		return NULL;
	target[n] = '\0';
	return strdup(target);
}
