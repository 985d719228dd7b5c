#include "host/shim/start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/child.h"
#include "base/file.h"
#include "host/shim/address.h"
#include "host/shim/bootstrap.h"
#include "host/shim/group.h"
#include "host/state/environment.h"
#include "host/state/names.h"

/* containerd reads the shim's log from this fifo, which it has made in the bundle. */
#define LOG_FIFO "log"

/* The fifo, or /dev/null for a caller that has made none. Open for both directions, so that neither
 * a log that nobody reads nor a new reader after a restart of containerd is a failure. */
static int open_log(int null)
{
	int fd = open(LOG_FIFO, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? fcntl(null, F_DUPFD_CLOEXEC, 0) : fd;
}

/* Where containerd takes events, or NULL. */
static const char *events_address(const struct bootstrap *b)
{
	return b->params ? b->params->containerd_ttrpc_address : getenv(EVENTS_VARIABLE);
}

static bool wants_debug(const struct shim_options *o, const struct bootstrap *b)
{
	return o->debug || (b->params && b->params->log_level < 0);
}

static int spawn(const struct shim_options *o, const struct bootstrap *b, const char *sandbox,
		 int listen_fd, struct err *e)
{
	char bundle[PATH_MAX], program[PATH_MAX] = "";
	const char *argv[20] = {SERVER_PROGRAM,
				"-namespace",
				o->namespace,
				"-id",
				sandbox,
				"-state-dir",
				getcwd(bundle, sizeof bundle)};
	size_t n = 7;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int log = null < 0 ? -1 : open_log(null);
	auto_environment struct environment env = ENVIRONMENT_NONE;
	const char *address = events_address(b);
	auto_free char *events = address ? str_printf(EVENTS_VARIABLE "=%s", address) : NULL;
	struct child c = CHILD_NONE;

	/* By its path, because the process gets its name from there. */
	if (!argv[6] || null < 0 || log < 0 ||
	    readlink("/proc/self/exe", program, sizeof program - 1) < 0)
		return err_sys(e, errno, "start the sandbox server");
	if (o->address) {
		argv[n++] = "-address";
		argv[n++] = o->address;
	}
	if (o->config || b->config_path) {
		argv[n++] = "-config";
		argv[n++] = o->config ? o->config : b->config_path;
	}
	if (wants_debug(o, b))
		argv[n++] = "-debug";

	const struct child_fd fds[] = {
		{null, 0}, {null, 1}, {log, 2}, {listen_fd, SERVER_LISTEN_FD}};
	const struct child_spec spec = {
		.path = program,
		.argv = argv,
		.envp = (const char *const *) env.list,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_session = true,
	};
	int r = address && !events ? err_sys(e, ENOMEM, "make an environment")
				   : environment_make((const char *const[]){SERVER_LISTENS_ON_FD,
									    events, NULL},
						      &env, e);

	if (r == 0)
		r = child_start(&spec, &c, e);
	if (r < 0)
		return err_wrap(e, r, "start the sandbox server");
	fd_close(c.pidfd); /* the server outlives this process */
	return 0;
}

int shim_start(const struct shim_options *o, struct err *e)
{
	__attribute__((cleanup(bootstrap_fini))) struct bootstrap b = {0};
	auto_free char *sandbox = NULL;
	auto_close int listen_fd = -1;
	struct address address = {
		.containerd = o->address ? o->address : "",
		.namespace = o->namespace,
	};
	char text[ADDRESS_BYTES];
	int r = bootstrap_read(STDIN_FILENO, o->id, o->namespace, &b, e);

	if (r == 0)
		r = group_of(".", o, &sandbox, e);
	if (r < 0)
		return r;
	address.sandbox = sandbox;
	address.dir = b.params ? b.params->socket_dir : NULL;
	r = address_text(&address, text, e);
	if (r == 0)
		r = address_listen(&address, &listen_fd, e);
	if (r == 0 && listen_fd >= 0) {
		r = spawn(o, &b, sandbox, listen_fd, e);
		if (r < 0)
			address_remove(&address);
	}
	if (r == 0)
		r = file_replace(AT_FDCWD, ADDRESS_FILE, text, strlen(text), 0600, e);
	if (r < 0)
		return r;
	return bootstrap_answer(&b, STDOUT_FILENO, text, access("config.json", F_OK) < 0, e);
}
