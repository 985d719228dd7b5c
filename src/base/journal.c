#include "base/journal.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"

/* More than a line of the log and an id have. */
#define RECORD_MAX_BYTES 8192

/* As syslog.h numbers them. */
static const int priorities[] = {
	[LOG_ERROR] = 3,
	[LOG_WARN] = 4,
	[LOG_INFO] = 6,
	[LOG_DEBUG] = 7,
};
TABLE_COVERS(priorities, LOG_LEVEL_MAX);

/* Like the log, there once for the process. */
static struct {
	int fd;
	struct sockaddr_un to;
} journal = {.fd = -1};

/* With its length before it, because a value in a line of its own would end at a newline. */
static int add_field(struct buf *to, const char *name, const char *value)
{
	size_t bytes = strlen(value);
	uint64_t size = htole64(bytes);
	int r = buf_append(to, name, strlen(name));

	if (r == 0)
		r = buf_append(to, "\n", 1);
	if (r == 0)
		r = buf_append(to, &size, sizeof size);
	if (r == 0)
		r = buf_append(to, value, bytes);
	return r < 0 ? r : buf_append(to, "\n", 1);
}

static int make_record(struct buf *to, enum log_level level, const char *sandbox, const char *text)
{
	char head[64];
	int n = snprintf(head, sizeof head, "PRIORITY=%d\nSYSLOG_IDENTIFIER=kata-runtime\n",
			 priorities[level]);
	int r = buf_append(to, head, (size_t) n);

	if (r == 0 && sandbox)
		r = add_field(to, "KATA_SANDBOX", sandbox);
	return r < 0 ? r : add_field(to, "MESSAGE", text);
}

/* Not connected, because a connection would end with the journald that it was made to. */
static bool send_record(const void *data, size_t bytes)
{
	ssize_t n;

	do
		n = sendto(journal.fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL,
			   (const struct sockaddr *) &journal.to, sizeof journal.to);
	while (n < 0 && errno == EINTR);
	return n >= 0;
}

static bool send_line(enum log_level level, const char *sandbox, const char *text)
{
	struct buf record;
	bool sent;

	buf_init(&record, RECORD_MAX_BYTES);
	sent = make_record(&record, level, sandbox, text) == 0 &&
	       send_record(buf_data(&record), buf_len(&record));
	buf_fini(&record);
	return sent;
}

int journal_open(const char *path, struct err *e)
{
	struct sockaddr_un to;

	if (journal.fd >= 0)
		return 0;
	if (fd_unix_address(path, &to) < 0)
		return err_sys(e, ENAMETOOLONG, "log to '%s'", path);

	auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	/* A test whether somebody is there; see send_record(). */
	if (fd < 0 || connect(fd, (const struct sockaddr *) &to, sizeof to) < 0)
		return err_sys(e, errno, "log to '%s'", path);

	const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

	if (connect(fd, &nobody, sizeof nobody) < 0)
		return err_sys(e, errno, "log to '%s'", path);
	journal.fd = take_fd(&fd);
	journal.to = to;
	log_divert(send_line);
	return 0;
}

void journal_close(void)
{
	log_divert(NULL);
	journal.fd = fd_close(journal.fd);
}
