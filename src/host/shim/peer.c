#include "host/shim/peer.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/proc_stat.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* A longer chain of parents is taken for an attack, and the peer is refused. */
#define PARENTS_MAX 256

/* Identifies the namespace of the link /proc/@pid/ns/@name. False when the kernel does not tell. */
static bool namespace_of(pid_t pid, const char *name, struct stat *ret)
{
	char path[64];

	(void) snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	return stat(path, ret) == 0;
}

/* Whether the namespaces @name of @a and @b are known and differ. */
static bool differs(pid_t a, pid_t b, const char *name)
{
	struct stat x, y;

	return namespace_of(a, name, &x) && namespace_of(b, name, &y) &&
	       (x.st_ino != y.st_ino || x.st_dev != y.st_dev);
}

static bool lives_elsewhere(pid_t child, pid_t parent)
{
	static const char *const names[] = {"user", "pid", "net"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (differs(child, parent, names[i]))
			return true;
	return false;
}

/* Whether @pid is in the user or pid namespace of @helper, and the server is not. Network
 * namespaces do not count, because containers may share one with the host's own programs. */
static bool lives_with(pid_t pid, pid_t helper)
{
	static const struct {
		const char *peer, *helper;
	} names[] = {{"user", "user"}, {"pid", "pid"}, {"pid", "pid_for_children"}};
	struct stat its, theirs, ours;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (namespace_of(pid, names[i].peer, &its) &&
		    namespace_of(helper, names[i].helper, &theirs) &&
		    namespace_of(getpid(), names[i].peer, &ours) && file_is_same(&its, &theirs) &&
		    !file_is_same(&its, &ours))
			return true;
	return false;
}

/* The pid of the parent; 0: none, or unknown. */
static pid_t parent_of(pid_t pid)
{
	uint64_t parent = 0;

	if (pid <= 0 || proc_stat_read(pid, PROC_STAT_PARENT, &parent, 1) < 0)
		return 0;
	return (pid_t) parent;
}

static bool runs(pid_t pid, const char *name)
{
	char path[32], program[PATH_MAX];

	(void) snprintf(path, sizeof path, "/proc/%d/exe", pid);

	ssize_t n = readlink(path, program, sizeof program - 1);

	if (n < 0)
		return false;
	program[n] = '\0';

	/* A program that was replaced on disk while it runs has " (deleted)" behind its name. */
	const char *slash = strrchr(program, '/');
	size_t bytes = strlen(name);

	return slash && strncmp(slash + 1, name, bytes) == 0 &&
	       (slash[1 + bytes] == '\0' || slash[1 + bytes] == ' ');
}

static bool is_helper(const struct peer_rules *rules, pid_t pid)
{
	for (size_t i = 0; i < rules->n_helpers; i++)
		if (rules->helpers[i] > 0 && rules->helpers[i] == pid)
			return true;
	return false;
}

static bool belongs_to_a_machine(const struct peer_rules *rules, pid_t pid)
{
	for (size_t i = 0; i < rules->n_helpers; i++)
		if (rules->helpers[i] > 0 && lives_with(pid, rules->helpers[i]))
			return true;
	for (int i = 0; i < PARENTS_MAX; i++) {
		pid_t parent = parent_of(pid);

		if (is_helper(rules, pid))
			return true;
		if (parent <= 0)
			return false;
		if (runs(parent, rules->server_name) && lives_elsewhere(pid, parent))
			return true;
		pid = parent;
	}
	return true;
}

/* A pidfd of the process that connected, because its pid may be reused. Before Linux 6.5 the kernel
 * gives only the pid. */
static int peer_pidfd(int fd, pid_t pid)
{
	int pidfd = -1;
	socklen_t size = sizeof pidfd;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
		return pidfd;
	if (errno != ENOPROTOOPT)
		return -1;
	return (int) syscall(SYS_pidfd_open, pid, 0);
}

static bool has_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&p, 1, 0) != 0;
}

int peer_judge(int fd, const struct peer_rules *rules, struct peer *ret, struct err *e)
{
	struct ucred who;
	socklen_t size = sizeof who;

	*ret = (struct peer){.uid = (uid_t) -1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0)
		return err_sys(e, EACCES, "ask who has connected");
	*ret = (struct peer){.uid = who.uid, .pid = who.pid};
	if (who.uid != rules->owner)
		return err_say(e, EACCES, "only user %u may", rules->owner);
	if (who.pid == 0)
		return 0;

	auto_close int pidfd = peer_pidfd(fd, who.pid);
	bool refused = belongs_to_a_machine(rules, who.pid);

	/* If the peer still runs, its pid was not reused, so all that was read is about it. */
	if (has_ended(pidfd)) {
		ret->gone = true;
		return err_say(e, ESRCH, "it has ended");
	}
	return refused ? err_say(e, EACCES, "it belongs to a machine") : 0;
}
