/* console: a shell in the guest of a sandbox, outside of its containers. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/cli/terminal.h"
#include "host/cli/verb.h"
#include "host/http/http.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"
#include "oci/oci.h"

#define ANSWER_BYTES 2048

/* A connection to the management socket, which upstream's tools find in the same way. */
static int dial(const char *sandbox, struct err *e)
{
	auto_free char *name = share_name_of(sandbox);
	auto_free char *base = pod_dir_base();
	auto_free char *path = name && base ? str_printf("%s/%s/" POD_SOCKET, base, name) : NULL;
	struct sockaddr_un at;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !path)
		return err_sys(e, fd < 0 ? errno : ENOMEM, "reach sandbox '%s'", sandbox);
	if (fd_unix_address(path, &at) < 0)
		return err_say(e, ENAMETOOLONG, "'%s' is too long for a socket", path);
	if (connect(fd, (struct sockaddr *) &at, sizeof at) == 0)
		return take_fd(&fd);
	return errno == ENOENT || errno == ECONNREFUSED
		       ? err_say(e, ESRCH, "no sandbox '%s' runs", sandbox)
		       : err_sys(e, errno, "reach sandbox '%s'", sandbox);
}

/* Reads the head of the answer and not a byte more, because the console's first bytes follow; of a
 * refusal all. */
static int read_answer(int fd, char answer[ANSWER_BYTES], struct err *e)
{
	size_t n = 0;
	bool is_refusal = false;

	while (n < ANSWER_BYTES - 1) {
		ssize_t r = read(fd, answer + n, 1);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, errno, "read the sandbox server's answer");
		if (r == 0)
			break;
		answer[++n] = '\0';
		if (n == 13)
			is_refusal = strncmp(answer + 8, " 101 ", 5) != 0;
		if (!is_refusal && n >= 4 && strcmp(answer + n - 4, "\r\n\r\n") == 0)
			break;
	}
	return (int) n;
}

static int ask(int fd, struct err *e)
{
	char answer[ANSWER_BYTES] = "", size[32] = "";
	uint32_t rows = 0, columns = 0;
	const char *body;
	size_t bytes;
	int status;

	if (isatty(STDIN_FILENO))
		terminal_size(STDIN_FILENO, &rows, &columns);
	if (isatty(STDIN_FILENO))
		(void) snprintf(size, sizeof size, "?size=%ux%u", columns ? columns : 80,
				rows ? rows : 25);

	auto_free char *request = str_printf("GET /debug-console%s HTTP/1.1\r\nHost: sandbox\r\n"
					     "Connection: Upgrade\r\nUpgrade: kata-console\r\n\r\n",
					     size);
	int r = request ? (int) fd_write_all(fd, request, strlen(request)) : -ENOMEM;

	if (r < 0)
		return err_sys(e, -r, "ask for a console");
	r = read_answer(fd, answer, e);
	if (r < 0)
		return r;
	if (http_answer_parse(answer, (size_t) r, &status, &body, &bytes, e) < 0)
		return -EBADMSG;
	if (status == HTTP_SWITCHING)
		return 0;
	return err_say(e, status == HTTP_FORBIDDEN ? EPERM : EIO, "%.*s", (int) strcspn(body, "\n"),
		       body);
}

/* Passes on what there is. Returns the bytes, 0 at the end, or -errno. */
static ssize_t pass(int from, int to)
{
	char data[4096];
	ssize_t n = read(from, data, sizeof data);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;

	ssize_t r = n > 0 ? fd_write_all(to, data, (size_t) n) : 0;

	return r < 0 ? r : n;
}

static int relay(int fd, struct err *e)
{
	struct pollfd ends[2] = {{.fd = fd, .events = POLLIN},
				 {.fd = STDIN_FILENO, .events = POLLIN}};

	for (;;) {
		if (poll(ends, 2, -1) < 0) {
			/* Then it has told nothing of either end. */
			if (errno == EINTR)
				continue;
			return err_sys(e, errno, "wait for the console");
		}
		if (ends[1].revents && pass(STDIN_FILENO, fd) <= 0) {
			ends[1].fd = -1;
			(void) shutdown(fd, SHUT_WR);
		}
		if (!ends[0].revents)
			continue;

		ssize_t n = pass(fd, STDOUT_FILENO);

		if (n <= 0)
			return n == 0 || n == -ECONNRESET ? 0 : err_sys(e, (int) -n, "relay");
	}
}

static int console_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_terminal struct terminal terminal = TERMINAL_NONE;
	int r = oci_id_check(argv[0], e);
	auto_close int fd = r < 0 ? r : dial(argv[0], e);

	(void) cli, (void) values, (void) argc;
	if (fd < 0)
		return fd;
	/* What a console that has ended has said is still to be read. */
	(void) signal(SIGPIPE, SIG_IGN);
	r = ask(fd, e);
	if (r == 0 && isatty(STDIN_FILENO))
		r = terminal_raw(STDIN_FILENO, &terminal, e);
	return r < 0 ? r : relay(fd, e);
}

const struct verb verb_console = {
	.name = "console",
	.arguments = "SANDBOX",
	.help = "open a shell in the guest of a sandbox (debug_console_enabled)",
	.min_args = 1,
	.max_args = 1,
	.run = console_run,
};
