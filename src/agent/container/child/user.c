#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/file.h"

/* The environment, the user and the working folder of the process. */

#define PASSWD_MAX_BYTES (1U << 20)

static uid_t uid_of(const struct setup *s)
{
	return s->process->user ? s->process->user->uid : 0;
}

static gid_t gid_of(const struct setup *s)
{
	return s->process->user ? s->process->user->gid : 0;
}

/* Gives stdio to the user, because a pipe of root cannot be opened again ("echo > /dev/stderr").
 * The group stays, as with runc: a terminal has its devpts's group, which mesg and write need. */
static int own_stdio(const struct setup *s, struct err *e)
{
	struct stat st;

	for (int fd = 0; fd < 3; fd++) {
		if (fstat(fd, &st) < 0 || st.st_uid == uid_of(s) ||
		    (S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)))
			continue;
		/* The owner stays where the user is not mapped or the file system is read-only. */
		if (fchown(fd, uid_of(s), (gid_t) -1) < 0 && errno != EINVAL && errno != EPERM &&
		    errno != EROFS)
			return err_sys(e, errno, "own descriptor %d", fd);
	}
	return 0;
}

int set_user(struct setup *s, struct err *e)
{
	const Grpc__User *user = s->process->user;
	int r = own_stdio(s, e);

	if (r < 0)
		return r;
	if (setgroups(user ? user->n_additionalgids : 0, user ? user->additionalgids : NULL) < 0)
		return err_sys(e, errno, "set process.user.additionalGids");
	if (setresgid(gid_of(s), gid_of(s), gid_of(s)) < 0)
		return err_sys(e, errno, "become process.user.gid %u", gid_of(s));
	/* The capabilities go later, with set_caps(). */
	if (prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(e, errno, "keep capabilities");
	if (setresuid(uid_of(s), uid_of(s), uid_of(s)) < 0)
		return err_sys(e, errno, "become process.user.uid %u", uid_of(s));
	if (prctl(PR_SET_KEEPCAPS, 0) < 0)
		return err_sys(e, errno, "keep capabilities");
	return 0;
}

/* The working folder must be below "/": links in /proc/self/fd may lead to the agent's files. */
static int check_cwd(const struct setup *s, struct err *e)
{
	char path[4096];

	if (syscall(SYS_getcwd, path, sizeof path) < 0)
		return errno == ENOENT
			       ? err_say(e, EPERM, "process.cwd '%s' is outside of the container",
					 s->process->cwd)
			       : err_sys(e, errno, "process.cwd '%s'", s->process->cwd);
	if (path[0] != '/')
		return err_say(e, EPERM, "process.cwd '%s' is outside of the container",
			       s->process->cwd);
	return 0;
}

int enter_cwd(struct setup *s, struct err *e)
{
	const char *cwd = s->process->cwd && s->process->cwd[0] ? s->process->cwd : "/";

	if (cwd[0] != '/')
		return err_say(e, EINVAL, "process.cwd: '%.128s' is not an absolute path", cwd);
	if (chdir(cwd) < 0) {
		if (errno == EACCES || errno == EPERM)
			return 0;
		return err_sys(e, errno, "process.cwd: go to '%s'", cwd);
	}
	s->in_cwd = true;
	return check_cwd(s, e);
}

/* Tries again as the user, who in a user namespace may be able to enter what root cannot. */
int enter_cwd_as_user(struct setup *s, struct err *e)
{
	if (s->in_cwd)
		return 0;
	if (chdir(s->process->cwd) < 0)
		return err_sys(e, errno, "process.cwd: go to '%s'", s->process->cwd);
	return check_cwd(s, e);
}

/* Reads the image's file, which may be of any type and have any content. */
static char *read_passwd(void)
{
	auto_close int fd = open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX_BYTES)
		return NULL;

	char *text = malloc((size_t) st.st_size + 1);
	ssize_t n = text ? read(fd, text, (size_t) st.st_size) : -1;

	if (text)
		text[n > 0 ? n : 0] = '\0';
	return text;
}

/* "name:password:uid:gid:gecos:home:shell" */
static char *find_home(char *passwd, uid_t uid)
{
	char *rest = NULL;

	for (char *line = strtok_r(passwd, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		char *fields[7];
		int n = 0;
		uint64_t number;

		while (n < 7 && line)
			fields[n++] = strsep(&line, ":");
		if (n >= 6 && num_parse_u64(fields[2], &number) == 0 && number == uid)
			return fields[5];
	}
	return NULL;
}

static bool has_home(const Grpc__Process *p)
{
	for (size_t i = 0; i < p->n_env; i++)
		if (strncmp(p->env[i], "HOME=", 5) == 0 && p->env[i][5])
			return true;
	return false;
}

/* As in runc, the last value of a variable wins, at the place of the first. */
static int remove_doubles(Grpc__Process *p, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_env; i++) {
		const char *equals = strchr(p->env[i], '=');
		size_t j = 0, bytes;

		if (!equals || equals == p->env[i])
			return err_say(e, EINVAL, "process.env[%zu]: '%.64s' is not NAME=VALUE", i,
				       p->env[i]);
		bytes = (size_t) (equals - p->env[i]) + 1;
		while (j < n && strncmp(p->env[j], p->env[i], bytes) != 0)
			j++;
		p->env[j] = p->env[i];
		n += j == n;
	}
	p->n_env = n;
	return 0;
}

int set_environment(struct setup *s, struct err *e)
{
	Grpc__Process *p = s->process;
	char **env = realloc(p->env, (p->n_env + 2) * sizeof *env);
	int r;

	if (!env)
		return err_sys(e, ENOMEM, "set process.env");
	p->env = env;
	if (!has_home(p)) {
		auto_free char *passwd = read_passwd();
		const char *home = passwd ? find_home(passwd, uid_of(s)) : NULL;

		p->env[p->n_env] = str_printf("HOME=%s", home && home[0] ? home : "/");
		if (!p->env[p->n_env++])
			return err_sys(e, ENOMEM, "set process.env");
	}
	r = remove_doubles(p, e);
	p->env[p->n_env] = NULL;
	return r;
}
