#include "host/storage/virtiofsd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/child.h"
#include "base/subprocess.h"
#include "base/text.h"
#include "host/storage/virtiofsd_args.h"
#include "host/storage/virtiofsd_confine.h"

struct virtiofsd {
	struct subprocess process;
	virtiofsd_exit_fn exit_fn;
	void *exit_arg;
	bool appends;
};

/* Makes a listening socket and a client connected to it. No other client can connect, because the
 * socket's name is in a private folder and is removed at once. */
static int make_sockets(const char *private_dir, int *ret_listen, int *ret_connected, struct err *e)
{
	auto_close int dir = open(private_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_close int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_close int connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (dir < 0)
		return err_sys(e, errno, "open '%s'", private_dir);
	if (listening < 0 || connected < 0)
		return err_sys(e, errno, "make a socket");
	/* Through the folder's descriptor, because a socket's path has at most 107 bytes. */
	(void) snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/virtiofsd.sock",
			dir);
	(void) unlinkat(dir, "virtiofsd.sock", 0);
	if (bind(listening, (struct sockaddr *) &addr, sizeof addr) < 0)
		return err_sys(e, errno, "make socket '%s/virtiofsd.sock'", private_dir);

	bool ok = listen(listening, 1) == 0 &&
		  connect(connected, (struct sockaddr *) &addr, sizeof addr) == 0;
	int saved = errno;

	(void) unlinkat(dir, "virtiofsd.sock", 0);
	if (!ok)
		return err_sys(e, saved, "connect to '%s/virtiofsd.sock'", private_dir);
	*ret_listen = take_fd(&listening);
	*ret_connected = take_fd(&connected);
	return 0;
}

static int run(struct virtiofsd *v, const struct virtiofsd_spec *spec,
	       const struct virtiofsd_args *args, int listening, struct err *e)
{
	static const char *const no_environment[] = {NULL};
	struct confine confine = CONFINE_NONE;
	struct child_fd fds[] = {{listening, VIRTIOFSD_FD}};
	struct child_spec child = {
		.path = args->argv[0],
		.argv = (const char *const *) args->argv,
		.envp = no_environment,
		.new_pid_namespace = geteuid() == 0,
		.cwd = "/",
		.fds = fds,
		.n_fds = 1,
		.prepare = confine_enter,
		.prepare_arg = &confine,
	};

	int r = virtiofsd_confine(&confine, spec, args->argv[0], e);

	if (r == 0)
		r = subprocess_start(&v->process, &child, e);
	confine_fini(&confine);
	return r;
}

int virtiofsd_start(struct virtiofsd *v, const struct virtiofsd_spec *spec, int *ret_fd,
		    struct err *e)
{
	auto_free char *program = virtiofsd_find(spec->program, e);
	auto_close int listening = -1;
	auto_close int connected = -1;
	enum virtiofsd_flavour flavour = VIRTIOFSD_RUST;
	struct virtiofsd_args args = {0};

	if (!program)
		return err_wrap(e, -ENOENT, "start virtiofsd");

	int r = virtiofsd_flavour(program, &flavour, e);

	if (r == 0)
		r = virtiofsd_args_build(&args, spec, program, flavour, e);
	if (r == 0)
		r = make_sockets(spec->private_dir, &listening, &connected, e);
	if (r == 0)
		r = run(v, spec, &args, listening, e);
	virtiofsd_args_fini(&args);
	if (r < 0)
		return err_wrap(e, r, "start virtiofsd");
	v->appends = flavour == VIRTIOFSD_C;
	subprocess_watch(&v->process);
	*ret_fd = take_fd(&connected);
	return 0;
}

bool virtiofsd_appends(const struct virtiofsd *v)
{
	return v->appends;
}

uint32_t virtiofsd_files_max(struct virtiofsd *v)
{
	struct rlimit lim;

	if (prlimit(virtiofsd_pid(v), RLIMIT_NOFILE, NULL, &lim) < 0)
		return 0;
	return lim.rlim_cur < VIRTIOFSD_NOFILE ? (uint32_t) lim.rlim_cur : VIRTIOFSD_NOFILE;
}

/* As confine_enter() sets it. */
static uint64_t expected_nofile(void)
{
	const struct rlimit wanted = {VIRTIOFSD_NOFILE, VIRTIOFSD_NOFILE};
	struct rlimit had;

	if (getrlimit(RLIMIT_NOFILE, &had) < 0)
		return 0;
	if (setrlimit(RLIMIT_NOFILE, &wanted) < 0)
		return had.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &had);
	return VIRTIOFSD_NOFILE;
}

int virtiofsd_expect(const char *program, bool *ret_appends, uint32_t *ret_files_max, struct err *e)
{
	auto_free char *found = virtiofsd_find(program, e);
	enum virtiofsd_flavour flavour;
	int r = found ? virtiofsd_flavour(found, &flavour, e) : -ENOENT;

	if (r < 0)
		return r;
	*ret_appends = flavour == VIRTIOFSD_C;
	*ret_files_max = (uint32_t) expected_nofile();
	return 0;
}

void virtiofsd_begin_stop(struct virtiofsd *v)
{
	(void) subprocess_begin_stop(&v->process);
}

int virtiofsd_stop(struct virtiofsd *v, msec_t deadline, struct err *e)
{
	int r = subprocess_stop(&v->process, deadline, e);

	return r < 0 ? err_wrap(e, r, "stop virtiofsd") : 0;
}

pid_t virtiofsd_pid(struct virtiofsd *v)
{
	return subprocess_pid(&v->process);
}

bool virtiofsd_failed(struct virtiofsd *v, msec_t deadline, struct err *why)
{
	int status;

	if (v->process.child.pidfd < 0)
		return false;
	(void) subprocess_wait(&v->process, deadline);
	return subprocess_ended(&v->process, &status) && status != 0 && virtiofsd_ended(v, why);
}

bool virtiofsd_ended(struct virtiofsd *v, struct err *why)
{
	char raw[2048], words[200];
	int status;

	if (!subprocess_ended(&v->process, &status))
		return false;
	subprocess_drain(&v->process);

	size_t n = tail_copy(&v->process.messages, raw, sizeof raw);

	text_last_lines(raw, n, 2, words, sizeof words);
	if (WIFSIGNALED(status))
		(void) err_say(why, EIO, "virtiofsd was killed by signal %d (%s)", WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	else
		(void) err_say(why, EIO, "virtiofsd ended with code %d%s%s", WEXITSTATUS(status),
			       words[0] ? ": " : "", words);
	return true;
}

static void on_ended(void *arg)
{
	struct virtiofsd *v = arg;
	virtiofsd_exit_fn fn = v->exit_fn;
	struct err why = {0};

	v->exit_fn = NULL; /* once */
	if (virtiofsd_ended(v, &why) && fn)
		fn(v->exit_arg, &why);
}

int virtiofsd_new(struct loop *loop, struct virtiofsd **ret, struct err *e)
{
	struct virtiofsd *v = calloc(1, sizeof *v);

	if (!v)
		return err_sys(e, ENOMEM, "prepare virtiofsd");

	int r = subprocess_init(&v->process, loop, e);

	if (r < 0) {
		free(v);
		return r;
	}
	subprocess_on(&v->process, NULL, on_ended, v);
	*ret = v;
	return 0;
}

void virtiofsd_free(struct virtiofsd *v)
{
	if (!v)
		return;
	subprocess_fini(&v->process);
	free(v);
}

void virtiofsd_on_exit(struct virtiofsd *v, virtiofsd_exit_fn fn, void *arg)
{
	v->exit_fn = fn;
	v->exit_arg = arg;
}
