#include "host/shim/shim.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/journal.h"
#include "base/log.h"
#include "base/version.h"
#include "host/shim/info.h"
#include "host/shim/make_template.h"
#include "host/shim/options.h"
#include "host/shim/server.h"
#include "host/shim/start.h"
#include "host/shim/verb_delete.h"
#include "host/state/names.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"

/* One arena is enough for a few threads that allocate little; large blocks go back to the
 * system. */
static void stay_small(void)
{
	(void) mallopt(M_ARENA_MAX, 1);
	(void) mallopt(M_MMAP_THRESHOLD, 64 << 10);
	(void) mallopt(M_TRIM_THRESHOLD, 128 << 10);
}

static void open_log(const struct shim_options *o)
{
	bool json = o->log_format && strcmp(o->log_format, "json") == 0;

	log_open(o->quiet ? -1 : STDERR_FILENO, json ? LOG_JSON : LOG_TEXT,
		 o->debug ? LOG_DEBUG : LOG_INFO);
	if (o->id[0])
		log_set_sandbox(o->id);
}

/* Takes over the socket that the server's starter has bound; children do not inherit it. */
static int inherited_socket(int *ret_fd, struct err *e)
{
	const char *text = getenv(SERVER_LISTEN_FD_VARIABLE);
	uint64_t fd;
	int listens = 0;
	socklen_t size = sizeof listens;

	if (!text)
		return err_say(e, EINVAL,
			       SERVER_LISTEN_FD_VARIABLE " is not set: no socket to listen on");
	if (num_parse_u64(text, &fd) < 0 || fd < 3 || fd > INT32_MAX ||
	    getsockopt((int) fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || !listens)
		return err_say(e, EINVAL, SERVER_LISTEN_FD_VARIABLE " '%s' is no listening socket",
			       text);
	(void) fd_set_cloexec((int) fd, true);
	(void) unsetenv(SERVER_LISTEN_FD_VARIABLE);
	*ret_fd = (int) fd;
	return 0;
}

/* Where the socket is; "" as its path: nowhere. */
static struct sockaddr_un address_of(int listen_fd)
{
	struct sockaddr_un at = {0};
	socklen_t bytes = sizeof at - 1;

	if (getsockname(listen_fd, (struct sockaddr *) &at, &bytes) < 0 || at.sun_family != AF_UNIX)
		at.sun_path[0] = '\0';
	return at;
}

static int serve(const struct shim_options *o, uint64_t began_us, struct err *e)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(server_free) struct server *server = NULL;
	auto_close int host_ns = -1;
	auto_close int listen_fd = -1;
	bool lone = strcmp(o->namespace, SERVER_NAMESPACE) == 0;
	int r;

	/* A peer that hangs up is an error of a call. No signal asks the server to end: see
	 * docs/sandbox-server.md. */
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGTERM, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	if (!o->id[0])
		return err_say(e, EINVAL, "flag -id is missing");
	r = inherited_socket(&listen_fd, e);
	if (r == 0)
		r = share_namespace_enter(&host_ns, e);
	if (r == 0)
		r = loop_new(&loop, e);
	if (r < 0)
		return r;

	struct sockaddr_un at = address_of(listen_fd);
	auto_free char *management = pod_dir_base();
	const struct server_options so = {
		.id = o->id,
		.config_path = o->config,
		.state_dir = o->state_dir,
		.host_mount_ns = host_ns,
		.began_us = began_us,
		.lone = lone,
		.namespace = o->namespace,
		.events_address = getenv(EVENTS_VARIABLE),
		.socket_path = lone ? NULL : at.sun_path,
		.management_base = management,
	};

	r = server_new(loop, &so, listen_fd, &server, e);
	if (r < 0)
		return r;
	(void) take_fd(&listen_fd);
	r = server_run(server, e);
	/* The sandbox may have opened it. */
	journal_close();
	return r;
}

static int act(const struct shim_options *o, uint64_t began_us, struct err *e)
{
	if (o->help) {
		shim_options_help();
		return 0;
	}
	if (o->version) {
		printf("containerd-shim-kata-v2 %s\ncommit: %s\n", version_number(),
		       version_commit());
		return 0;
	}
	if (o->info)
		return shim_info(STDIN_FILENO, STDOUT_FILENO, e);
	if (o->make_template)
		return shim_make_template(o, e);
	if (strcmp(o->verb, "delete") == 0)
		return shim_delete(o, e);
	if (strcmp(o->verb, "start") == 0)
		return shim_start(o, e);
	if (o->verb[0])
		return err_say(e, ENOTSUP, "verb '%s' is not supported yet", o->verb);
	return serve(o, began_us, e);
}

int shim_main(int argc, char **argv)
{
	uint64_t began_us = clock_now_us();
	struct shim_options o;
	struct err e = {0};
	char text[640];

	stay_small();

	int r = fd_open_standard();

	if (r < 0)
		r = err_sys(&e, -r, "open '/dev/null'");
	else
		r = shim_options_parse(argc, argv, &o, &e);
	if (r == 0) {
		open_log(&o);
		r = act(&o, began_us, &e);
	}
	if (r == 0)
		r = fd_flush_stdout(&e);
	if (r == 0)
		return 0;
	log_error("%s", err_show(&e, text, sizeof text));
	return 1;
}
