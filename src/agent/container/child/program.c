#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/file.h"

/*
 * process.args[0] is looked for before the create is done, as the user and with the rights that the
 * workload has. The sentences are those of runc: engines look for "executable file not found",
 * "no such file or directory" and "permission denied" in them to choose an exit code.
 */

static int try_by_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Returns 0 if @path can be executed. Walked once: each link in it is a request to the host. */
static int try(const char *path)
{
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	/* With RLIMIT_NOFILE used up, open() fails although the program can be executed. */
	if (fd < 0 && errno == EMFILE)
		return try_by_path(path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return faccessat(fd, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* The first folder of an entry of PATH. */
struct top {
	const char *dir;
	size_t bytes;
	bool missing;
};

static const char *path_of(const Grpc__Process *p)
{
	for (size_t i = 0; i < p->n_env; i++)
		if (strncmp(p->env[i], "PATH=", 5) == 0)
			return p->env[i] + 5;
	return "";
}

/*
 * Whether a folder of PATH lies below a top folder that does not exist. Otherwise an image without
 * /usr costs a request to the host for each folder below /usr, because the host does not let the
 * guest cache that a name is missing.
 */
static bool top_is_missing(const char *dir, size_t bytes, struct top *last)
{
	size_t n = bytes && dir[0] == '/' ? 1 + strcspn(dir + 1, "/:") : 0;

	if (n == 0 || n >= bytes)
		return false;
	if (n != last->bytes || strncmp(dir, last->dir, n) != 0) {
		auto_free char *top = strndup(dir, n);

		*last = (struct top){dir, n, top && access(top, F_OK) < 0 && errno == ENOENT};
	}
	return last->missing;
}

/* Whether try() found no program; other errors leave unknown whether there is one. */
static bool is_absent(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -EACCES || r == -EISDIR || r == -ELOOP ||
	       r == -ENAMETOOLONG;
}

static int search(struct setup *s, const char *name, struct err *e)
{
	const char *dirs = path_of(s->process);
	struct top last = {0};
	size_t bytes;
	int failed = 0;

	for (; *dirs; dirs += bytes + (dirs[bytes] == ':')) {
		bytes = strcspn(dirs, ":");
		if (top_is_missing(dirs, bytes, &last))
			continue;

		auto_free char *path = bytes ? str_printf("%.*s/%s", (int) bytes, dirs, name)
					     : str_printf("./%s", name);

		if (!path)
			return err_sys(e, ENOMEM, "look for '%s'", name);
		int r = try(path);

		/* An empty or relative entry of PATH means the working folder. */
		if (r == 0 && path[0] != '/')
			return err_say(e, EACCES,
				       "exec: \"%s\": cannot run executable found relative to "
				       "current directory",
				       name);
		if (r == 0) {
			s->program = take_ptr(path);
			return 0;
		}
		if (!is_absent(r) && failed == 0)
			failed = r;
	}
	if (failed < 0)
		return err_sys(e, -failed, "exec: \"%s\": look for it in $PATH", name);
	return err_say(e, ENOENT, "exec: \"%s\": executable file not found in $PATH", name);
}

int find_program(struct setup *s, struct err *e)
{
	const char *name = s->process->n_args ? s->process->args[0] : "";
	int r;

	if (s->process->n_args == 0)
		return err_say(e, EINVAL, "process.args: is missing");
	if (!name[0])
		return err_say(e, ENOENT, "exec: \"\": executable file not found in $PATH");
	if (!strchr(name, '/'))
		return search(s, name, e);
	r = try(name);
	if (r == -ENOENT || r == -ENOTDIR)
		return err_say(e, -r, "exec: \"%s\": stat %s: %s", name, name,
			       r == -ENOENT ? "no such file or directory" : "not a directory");
	if (r == -EISDIR)
		return err_say(e, EACCES, "exec: \"%s\": is a directory: permission denied", name);
	if (r == -EACCES)
		return err_say(e, EACCES, "exec: \"%s\": permission denied", name);
	if (r < 0)
		return err_sys(e, -r, "exec: \"%s\"", name);
	s->program = strdup(name);
	return s->program ? 0 : err_sys(e, ENOMEM, "look for '%s'", name);
}

/* Go's error texts, because engines read this sentence. */
static const char *reason(int code)
{
	switch (code) {
	case ENOENT:
		return "no such file or directory";
	case EACCES:
		return "permission denied";
	case ENOEXEC:
		return "exec format error";
	default:
		return strerror(code);
	}
}

int tell_executing(struct setup *s, struct err *e)
{
	(void) s;
	return handshake_tell(CHILD_CONTROL, STEP_EXECUTING, 0, -1, NULL, e);
}

int execute(struct setup *s, struct err *e)
{
	char **argv = calloc(s->process->n_args + 1, sizeof *argv);

	if (!argv)
		return err_sys(e, ENOMEM, "execute '%s'", s->program);
	memcpy(argv, s->process->args, s->process->n_args * sizeof *argv);
	(void) execve(s->program, argv, s->process->env);
	return err_say(e, errno, "exec %s: %s", s->program, reason(errno));
}
