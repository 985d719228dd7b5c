#include "host/monitor/monitor.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/options.h"
#include "base/privilege.h"
#include "base/version.h"
#include "host/monitor/pages.h"
#include "host/state/pod_dir.h"

#define PROGRAM "kata-monitor"
#define BACKLOG 128

struct values {
	const char *listen_address, *log_level, *log_format, *runtime_endpoint;
	bool version, help;
};

#define VALUE(kind, member) OPTION_FIELD(kind, struct values, member)

static const struct option options[] = {
	{"listen-address", 0, VALUE(STRING, listen_address), "HOST:PORT",
	 "where to listen (127.0.0.1:8090)", false},
	{"log-level", 0, VALUE(STRING, log_level), "WORD", "error, warning, info or debug", false},
	{"log-format", 0, VALUE(STRING, log_format), "WORD", "text or json", false},
	{"runtime-endpoint", 0, VALUE(STRING, runtime_endpoint), "SOCKET",
	 "accepted, without effect: pods are found by their sockets", false},
	{"version", 'v', VALUE(FLAG, version), NULL, "print the version", false},
	{"help", 'h', VALUE(FLAG, help), NULL, "print this", false},
};

static int log_begin(const struct values *v, struct err *e)
{
	static const struct {
		const char *word;
		enum log_level level;
	} levels[] = {{"error", LOG_ERROR}, {"warning", LOG_WARN}, {"warn", LOG_WARN},
		      {"info", LOG_INFO},   {"debug", LOG_DEBUG},  {"trace", LOG_DEBUG}};
	const char *word = v->log_level ? v->log_level : "info";
	bool json = v->log_format && strcmp(v->log_format, "json") == 0;

	if (v->log_format && !json && strcmp(v->log_format, "text") != 0)
		return err_say(e, EINVAL, "option -log-format is text or json, not '%s'",
			       v->log_format);
	for (size_t i = 0; i < ARRAY_LEN(levels); i++)
		if (strcmp(levels[i].word, word) == 0) {
			log_open(STDERR_FILENO, json ? LOG_JSON : LOG_TEXT, levels[i].level);
			return 0;
		}
	return err_say(e, EINVAL, "option -log-level is error, warning, info or debug, not '%s'",
		       word);
}

/* "127.0.0.1:8090", "[::1]:8090", ":8090"; names are not looked up. */
static int resolve(const char *address, struct addrinfo **ret, struct err *e)
{
	static const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
		.ai_socktype = SOCK_STREAM,
	};
	char host[128];
	const char *colon = strrchr(address, ':');
	size_t n = colon ? (size_t) (colon - address) : sizeof host;

	if (n >= sizeof host || !colon[1])
		return err_say(e, EINVAL, "'%s' is no HOST:PORT", address);
	memcpy(host, address, n);
	host[n] = '\0';
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		memmove(host, host + 1, n - 1);
	}

	int r = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, ret);

	return r == 0 ? 0
		      : err_say(e, EINVAL, "'%s' is no HOST:PORT: %s", address, gai_strerror(r));
}

static int listen_at(const char *address, int *ret_fd, struct err *e)
{
	static const int one = 1;
	struct addrinfo *at = NULL;
	auto_close int fd = -1;
	int r = resolve(address, &at, e);

	if (r < 0)
		return r;
	fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		r = err_sys(e, errno, "listen on '%s'", address);
	freeaddrinfo(at);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static void end(void *arg, const struct signalfd_siginfo *info)
{
	(void) info;
	loop_stop(arg);
}

/* It needs a user whom the servers serve, and nothing else. */
static int give_up_rights(struct err *e)
{
	int r = privilege_bound(0, e);

	if (r == 0)
		r = privilege_limit(0, e);
	return r < 0 ? r : privilege_seal(e);
}

static int serve(const struct values *v, struct err *e)
{
	const char *address = v->listen_address ? v->listen_address : "127.0.0.1:8090";
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(pages_free) struct pages *pages = NULL;
	auto_free char *pods = pod_dir_base();
	auto_close int fd = -1;
	int r = pods ? listen_at(address, &fd, e) : err_sys(e, ENOMEM, "look for sandboxes");

	if (r == 0)
		r = give_up_rights(e);
	if (r == 0)
		r = loop_new(&loop, e);
	if (r == 0)
		r = loop_signal(loop, SIGTERM, end, loop, e);
	if (r == 0)
		r = loop_signal(loop, SIGINT, end, loop, e);
	if (r == 0)
		r = pages_new(loop, fd, pods, &pages, e);
	if (r < 0)
		return r;
	(void) take_fd(&fd);
	if (geteuid() != 0)
		log_warn("not running as root, whose sockets those of most sandboxes are");
	log_info("listening on %s", address);
	return loop_run(loop, e);
}

static int act(int argc, char **argv, struct err *e)
{
	struct values v = {0};
	int r = options_parse(options, ARRAY_LEN(options), argc - 1, argv + 1, &v, e);

	if (r >= 0 && r < argc - 1)
		r = err_say(e, EINVAL, "'%s' is one word too many", argv[r + 1]);
	if (r < 0)
		return r;
	if (v.version) {
		printf(PROGRAM " %s\ncommit: %s\n", version_number(), version_commit());
		return 0;
	}
	if (v.help) {
		printf("usage: " PROGRAM " [options]\n\n");
		options_help(options, ARRAY_LEN(options));
		return 0;
	}
	r = log_begin(&v, e);
	return r < 0 ? r : serve(&v, e);
}

int monitor_main(int argc, char **argv)
{
	struct err e = {0};
	char text[640];
	int r = fd_open_standard();

	(void) signal(SIGPIPE, SIG_IGN);
	if (r < 0)
		r = err_sys(&e, -r, "open '/dev/null'");
	else
		r = act(argc, argv, &e);
	if (r == 0)
		r = fd_flush_stdout(&e);
	if (r == 0)
		return 0;
	log_error("%s", err_show(&e, text, sizeof text));
	return 1;
}
