#include "host/hypervisor/qemu/command.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/auto.h"

void qemu_command_fini(struct qemu_command *c)
{
	for (size_t i = 0; i < c->argc; i++)
		free(c->argv[i]);
	for (size_t i = 0; i < c->n_fds; i++)
		fd_close(c->fds[i].fd);
	*c = (struct qemu_command){0};
}

static void add_text(struct qemu_command *c, char *take_text)
{
	if (take_text && c->argc < QEMU_ARGS_MAX) {
		c->argv[c->argc++] = take_text;
		return;
	}
	if (!c->error)
		c->error = take_text ? E2BIG : ENOMEM;
	free(take_text);
}

void qemu_add(struct qemu_command *c, const char *text)
{
	add_text(c, strdup(text));
}

void qemu_addf(struct qemu_command *c, const char *option, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	qemu_add(c, option);
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	add_text(c, text);
}

char *qemu_escaped(struct qemu_command *c, const char *text)
{
	char *out = malloc(2 * strlen(text) + 1), *p = out;

	if (!out) {
		c->error = ENOMEM;
		return NULL;
	}
	for (; *text; text++) {
		if (*text == ',')
			*p++ = ',';
		*p++ = *text;
	}
	*p = '\0';
	return out;
}

int qemu_give_fd(struct qemu_command *c, int take_fd)
{
	if (c->n_fds == QEMU_FDS_MAX) {
		fd_close(take_fd);
		c->error = EMFILE;
		return -EMFILE;
	}

	int as = QEMU_FD_FIRST + (int) c->n_fds;

	c->reopened[c->n_fds] = false;
	c->fds[c->n_fds++] = (struct child_fd){.fd = take_fd, .as = as};
	return as;
}

static int full(const char *what, struct err *e)
{
	return err_say(e, EMFILE, "QEMU gets %d descriptors already and not that of %s",
		       QEMU_FDS_MAX, what);
}

int qemu_give_copy(struct qemu_command *c, int fd, const char *what, struct err *e)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return err_sys(e, errno, "take over the descriptor of %s", what);

	int as = qemu_give_fd(c, copy);

	return as < 0 ? full(what, e) : as;
}

int qemu_give_fdset(struct qemu_command *c, int take_fd)
{
	int as = qemu_give_fd(c, take_fd);

	if (as < 0)
		return as;
	qemu_addf(c, "-add-fd", "fd=%d,set=%d", as, ++c->fdsets);
	return c->fdsets;
}

/* A copy of the file in memory: a descriptor, or -errno. */
static int in_memory(int fd, const char *what, struct err *e)
{
	auto_close int copy = memfd_create("guest-image", MFD_CLOEXEC);
	struct stat st;

	if (copy < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "copy %s", what);
	for (off_t at = 0; at < st.st_size;) {
		ssize_t n = sendfile(copy, fd, &at, (size_t) (st.st_size - at));

		if (n <= 0)
			return err_sys(e, n < 0 ? errno : EIO, "copy %s", what);
	}
	return take_fd(&copy);
}

struct qemu_file_id qemu_file_id(const struct stat *st)
{
	return (struct qemu_file_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.bytes = (uint64_t) st->st_size,
		.changed_ns = st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec,
	};
}

int qemu_give_reopened(struct qemu_command *c, int swallow_fd, const char *what, struct err *e)
{
	auto_close int fd = swallow_fd;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "inspect %s", what);
	assert(c->n_files < QEMU_FILES_MAX);
	c->files[c->n_files++] = qemu_file_id(&st);

	bool is_open_to_all = st.st_mode & S_IROTH;

	if (!is_open_to_all) {
		int copy = in_memory(fd, what, e);

		if (copy < 0)
			return copy;
		fd_close(fd);
		fd = copy;
	}

	int as = qemu_give_fd(c, take_fd(&fd));

	if (as >= QEMU_FD_FIRST)
		c->reopened[as - QEMU_FD_FIRST] = is_open_to_all;
	return as < 0 ? full(what, e) : as;
}

int qemu_copy_reopened(struct qemu_command *c, struct err *e)
{
	for (size_t i = 0; i < c->n_fds; i++) {
		if (!c->reopened[i])
			continue;

		int copy = in_memory(c->fds[i].fd, "a file that QEMU reads", e);

		if (copy < 0)
			return copy;
		fd_close(c->fds[i].fd);
		c->fds[i].fd = copy;
		c->reopened[i] = false;
	}
	return 0;
}
