#include "host/cli/shim_client.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/array.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/state/environment.h"
#include "host/state/names.h"
#include "host/state/pod_dir.h"
#include "host/storage/share.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"

#define SHUTDOWN_TIMEOUT_MS 30000

/* Names the socket through the folder's descriptor, because the folder's path may be longer than
 * the 108 bytes of a socket address. */
static struct sockaddr_un address_of(const struct state_dir *dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	(void) snprintf(a.sun_path, sizeof a.sun_path, "/proc/self/fd/%d/" STATE_SOCKET, dir->fd);
	return a;
}

static int listen_in(const struct state_dir *dir, int *ret_fd, struct err *e)
{
	struct sockaddr_un a = address_of(dir);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	/* bind() gives the file this mode; with a later chmod() others could connect in between. */
	if (fchmod(fd, 0600) < 0)
		return err_sys(e, errno, "make a socket");
	if (bind(fd, (struct sockaddr *) &a, sizeof a) < 0 || listen(fd, 16) < 0)
		return err_sys(e, errno, "listen on '%s/" STATE_SOCKET "'", dir->path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A verb sends environments and descriptors only to a server of its own user or of root. The kernel
 * remembers which user made the socket listen. */
static int check_server(int fd, const char *id, struct err *e)
{
	uid_t uid;
	int r = fd_peer_uid(fd, &uid);

	if (r < 0)
		return err_sys(e, -r, "ask whose sandbox server serves '%s'", id);
	if (uid != 0 && uid != geteuid())
		return err_say(
			e, EPERM,
			"the sandbox server of '%s' is user %u's, who is neither root nor us", id,
			uid);
	return 0;
}

int shim_client_connect(const struct state_dir *dir, struct shim_client *ret, struct err *e)
{
	struct sockaddr_un a = address_of(dir);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;

	if (fd < 0)
		return err_sys(e, errno, "make a socket");
	if (connect(fd, (struct sockaddr *) &a, sizeof a) < 0)
		return err_sys(e, errno, "connect to the sandbox server of '%s'", dir->id);

	int r = check_server(fd, dir->id, e);

	if (r == 0)
		r = loop_new(&s.loop, e);
	if (r == 0)
		r = ttrpc_client_new(s.loop, fd, &s.client, e);
	if (r < 0)
		return r;
	(void) take_fd(&fd);
	*ret = s;
	s = SHIM_CLIENT_NONE;
	return 0;
}

/* The server's program: beside this one, so that a build tree uses its own; else in PATH. */
static void find_program(char path[static PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof SERVER_PROGRAM - 1);

	if (n > 0) {
		path[n] = '\0';

		char *slash = strrchr(path, '/');

		(void) strcpy(slash + 1, SERVER_PROGRAM);
		if (access(path, X_OK) == 0)
			return;
	}
	(void) strcpy(path, SERVER_PROGRAM);
}

/* The folder by its descriptor, because another container may have the name by then. */
#define CLEAN_UP_FD  3
#define CLEAN_UP_DIR "/proc/self/fd/3"

/* The kernel closes a killed server's descriptors one after the other, the lock perhaps last. */
#define SERVER_END_MS 2000

static bool is_folder(const char *path, int fd)
{
	struct stat there, ours;

	return path && stat(path, &there) == 0 && fstat(fd, &ours) == 0 &&
	       file_is_same(&there, &ours);
}

/* The folder of the management socket is the last that a server removes. One of the same name may
 * be another server's, whose containers are below another --root. */
int shim_client_bury(const struct state_dir *dir, struct err *e)
{
	auto_free char *name = share_name_of(dir->id);
	auto_free char *base = pod_dir_base();
	auto_free char *state = name && base ? pod_dir_state(base, name) : NULL;
	struct err why = {0};

	if (!is_folder(state, dir->fd))
		return 0;

	int r = pod_dir_bury(base, name, clock_deadline(SERVER_END_MS), &why);

	if (r == -ENOENT || r == -EWOULDBLOCK)
		return 0;
	if (r < 0 && e)
		*e = why;
	return r;
}

int shim_client_clean_up(const struct cli *cli, const struct state_dir *dir, struct err *e)
{
	char program[PATH_MAX];
	const char *const argv[] = {
		SERVER_PROGRAM, "-namespace", SERVER_NAMESPACE, "-id",
		dir->id,        "-state-dir", CLEAN_UP_DIR,     cli->debug ? "-debug" : "-quiet",
		"delete",       NULL};
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const struct child_fd fds[] = {
		{null, 0}, {null, 1}, {STDERR_FILENO, 2}, {dir->fd, CLEAN_UP_FD}};
	auto_environment struct environment env = ENVIRONMENT_NONE;
	const struct child_spec spec = {
		.path = program,
		.argv = argv,
		.envp = (const char *const *) env.list,
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
	};
	struct child c = CHILD_NONE;
	int status = 0;

	if (faccessat(dir->fd, STATE_NOTES, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return shim_client_bury(dir, e);
	if (null < 0)
		return err_sys(e, errno, "open '/dev/null'");
	find_program(program);

	int r = environment_make((const char *const[]){NULL}, &env, e);

	if (r == 0)
		r = child_start(&spec, &c, e);
	if (r == 0)
		r = child_wait(&c, clock_deadline(SHUTDOWN_TIMEOUT_MS), &status, e);
	child_kill(&c);
	if (r == 0 && child_exit_code(status) != 0)
		r = err_say(e, EIO, SERVER_PROGRAM " delete ended with %d",
			    child_exit_code(status));
	return err_wrap(e, r, "clean up after the sandbox server of '%s'", dir->id);
}

static int spawn(const struct cli *cli, const struct state_dir *dir, const char *bundle,
		 int listen_fd, struct err *e)
{
	char program[PATH_MAX];
	const char *argv[16] = {SERVER_PROGRAM, "-namespace", SERVER_NAMESPACE, "-id",
				dir->id,        "-state-dir", dir->path};
	size_t n = 7;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int log = -1;
	auto_environment struct environment env = ENVIRONMENT_NONE;
	struct child c = CHILD_NONE;

	if (null < 0)
		return err_sys(e, errno, "open '/dev/null'");
	if (cli->log) {
		log = open(cli->log, O_WRONLY | O_APPEND | O_CLOEXEC);
		if (log < 0)
			return err_sys(e, errno, "open log '%s'", cli->log);
		argv[n++] = "-log-format";
		argv[n++] = cli->log_format ? cli->log_format : "text";
	}
	if (cli->debug)
		argv[n++] = "-debug";
	if (cli->config) {
		argv[n++] = "-config";
		argv[n++] = cli->config;
	}
	find_program(program);

	const struct child_fd fds[] = {
		{null, 0},
		{null, 1},
		{log < 0 ? null : log, 2},
		{listen_fd, SERVER_LISTEN_FD},
	};
	const struct child_spec spec = {
		.path = program,
		.argv = argv,
		.envp = (const char *const *) env.list,
		.cwd = bundle,
		.fds = fds,
		.n_fds = 4,
		.new_session = true,
	};
	int r = environment_make((const char *const[]){SERVER_LISTENS_ON_FD, NULL}, &env, e);

	if (r == 0)
		r = child_start(&spec, &c, e);
	if (r < 0)
		return err_wrap(e, r, "start the sandbox server");
	fd_close(c.pidfd); /* the server outlives this process; init or a subreaper reaps it */
	return 0;
}

int shim_client_start(const struct cli *cli, const struct state_dir *dir, const char *bundle,
		      struct shim_client *ret, struct err *e)
{
	auto_close int listen_fd = -1;
	int r = listen_in(dir, &listen_fd, e);

	if (r == 0)
		r = spawn(cli, dir, bundle, listen_fd, e);
	if (r == 0)
		r = shim_client_connect(dir, ret, e);
	return r;
}

int shim_client_reach(const struct cli *cli, const char *id, const char *verb,
		      struct shim_client *ret, struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	int r = state_dir_open(cli->root, id, &dir, e);

	if (r < 0)
		return r;
	r = shim_client_connect(&dir, ret, e);
	if (r == -ECONNREFUSED || r == -ENOENT) {
		err_clear(e);
		return err_say(e, ESRCH, "cannot %s container '%s': container not running", verb,
			       id);
	}
	return r;
}

void shim_client_close(struct shim_client *s)
{
	ttrpc_client_free(s->client);
	loop_free(s->loop);
	*s = SHIM_CLIENT_NONE;
}

int shim_client_ask(struct shim_client *s, const struct ttrpc_request *q, ProtobufCMessage **ret,
		    struct err *e)
{
	int r = ttrpc_call_wait(s->client, q, ret, e);

	if (r != -ECONNRESET || !ttrpc_client_closed(s->client))
		return r;
	err_clear(e);
	return err_say(e, ECONNRESET,
		       "the sandbox server (" SERVER_PROGRAM
		       ") died before it answered %s; its last "
		       "words are in the file of --log, the kernel's log tells of a lack of memory",
		       q->method);
}

int shim_client_task(struct shim_client *s, const char *method, const ProtobufCMessage *request,
		     msec_t deadline, ProtobufCMessage **ret, struct err *e)
{
	const struct ttrpc_request q = {
		.service = &containerd__task__v2__task__descriptor,
		.method = method,
		.message = request,
		.deadline = deadline,
	};

	return shim_client_ask(s, &q, ret, e);
}

int shim_client_admin(struct shim_client *s, const char *method, const ProtobufCMessage *request,
		      ProtobufCMessage **ret, struct err *e)
{
	const struct ttrpc_request q = {
		.service = &kata__v1__admin__descriptor,
		.method = method,
		.message = request,
		.deadline = clock_deadline(SERVER_TIMEOUT_MS),
	};

	return shim_client_ask(s, &q, ret, e);
}

int shim_client_wait(struct shim_client *s, const char *id, msec_t deadline, struct err *e)
{
	Containerd__Task__V2__WaitRequest q = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;

	q.id = (char *) id;
	return shim_client_task(s, "Wait", &q.base, deadline, NULL, e);
}

int shim_client_shutdown(struct shim_client *s, const char *id, bool now, struct err *e)
{
	Containerd__Task__V2__ShutdownRequest q = CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	msec_t deadline = clock_deadline(SHUTDOWN_TIMEOUT_MS);
	int r;

	q.id = (char *) id;
	q.now = now;
	r = shim_client_task(s, "Shutdown", &q.base, deadline, NULL, e);
	if (r < 0 && r != -ECONNRESET)
		return r;
	err_clear(e);

	/* The server's end closes the connection. */
	while (!ttrpc_client_closed(s->client)) {
		r = loop_step(s->loop, deadline, e);
		if (r < 0)
			return r;
		if (r == 0)
			return err_say(e, ETIMEDOUT, "the sandbox server does not end");
	}
	return 0;
}
