#include "host/room/room.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "host/room/proc.h"

static int join(const struct view *view, struct err *e)
{
	for (size_t i = 0; i < VIEW_USER; i++)
		if (setns(view->fds[i], view_namespace_types[i]) < 0)
			return err_sys(e, errno, "join a namespace of the container");
	/* The namespace of cgroups begins where the server has moved this process. */
	if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
		return err_sys(e, errno, "make a mount namespace");
	return 0;
}

/* Comes last, because the other namespaces are not this user namespace's. Root of the container is
 * who the process is on the host under runc, too. */
static int become_users(int user_fd, struct err *e)
{
	if (setns(user_fd, CLONE_NEWUSER) < 0)
		return err_sys(e, errno, "join the user namespace of the container");
	/* Not by the C library, which would wait for the threads of the process that this one is a
	 * clone of. */
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become group 0 of linux.gidMappings");
	if (syscall(SYS_setresuid, 0, 0, 0) < 0)
		return err_sys(e, errno, "become user 0 of linux.uidMappings");
	return 0;
}

int room_enter(const struct view *view, struct err *e)
{
	int r = join(view, e);

	if (r == 0)
		r = room_mount_proc(e);
	return r < 0 || view->fds[VIEW_USER] < 0 ? r : become_users(view->fds[VIEW_USER], e);
}

/* The system calls left to a stand-in: to wait, read signals, use its open connection, and exit. It
 * cannot open files, make sockets or processes, send to other addresses, or execute a program. */
#define LEFT(call)                           \
	{                                    \
		(call), CONFINE_ALLOW, 0, 0, \
		{                            \
		}                            \
	}
static const struct confine_rule left[] = {
	LEFT("epoll_wait"),
	LEFT("epoll_pwait"),
	LEFT("epoll_pwait2"),
	LEFT("epoll_ctl"),
	LEFT("poll"),
	LEFT("ppoll"),
	LEFT("read"),
	LEFT("write"),
	LEFT("sendmsg"),
	/* send() on the open connection: sendto() without an address. */
	{"sendto", CONFINE_ALLOW, 0, 1, {{4, CONFINE_WHOLE, 0}}},
	LEFT("recvmsg"),
	LEFT("close"),
	LEFT("shutdown"),
	LEFT("clock_gettime"),
	LEFT("getpid"),
	LEFT("futex"),
	LEFT("brk"),
	LEFT("munmap"),
	LEFT("madvise"),
	LEFT("mremap"),
	LEFT("rt_sigprocmask"),
	LEFT("rt_sigreturn"),
	LEFT("restart_syscall"),
	LEFT("exit"),
	LEFT("exit_group"),
	/* Memory that is not executable. */
	{"mmap", CONFINE_ALLOW, 0, 1, {{2, PROT_EXEC, 0}}},
	{"mprotect", CONFINE_ALLOW, 0, 1, {{2, PROT_EXEC, 0}}},
	/* The size of the terminal. */
	{"ioctl", CONFINE_ALLOW, 0, 1, {{1, CONFINE_INT, TIOCGWINSZ}}},
};

int room_filter(struct confine_filter *ret, struct err *e)
{
	static const struct confine_filter_spec spec = {
		.whose = "the process that stands in for the container",
		.otherwise = CONFINE_REFUSE,
		.code = EPERM,
		.tables = {{left, ARRAY_LEN(left)}},
	};

	return confine_filter_build(ret, &spec, e);
}

int room_lock(const struct confine_filter *filter, struct err *e)
{
	int r = privilege_limit(0, e);

	if (r == 0)
		r = privilege_seal(e);
	/* Not dumpable, so that a process in the same pid namespace needs CAP_SYS_PTRACE to trace
	 * the stand-in or to open the host's program through /proc/1/exe. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_sys(e, errno, "forbid to be traced");
	return r < 0 ? r : confine_filter_enter(filter, e);
}

/* ---- The process ---- */

pid_t room_clone(int *ret_pidfd)
{
	/* clone3(), because a process can only become the first of a pid namespace when it is
	 * made. */
	struct clone_args args = {
		.flags = CLONE_NEWPID | (ret_pidfd ? CLONE_PIDFD : 0),
		.pidfd = (uint64_t) (uintptr_t) ret_pidfd,
		.exit_signal = SIGCHLD,
	};

	return (pid_t) syscall(SYS_clone3, &args, sizeof args);
}

int room_let_go(const int *keep, size_t n, struct err *e)
{
	int null = open("/dev/null", O_RDWR);
	int highest = 2;

	if (null < 0)
		return err_sys(e, errno, "open '/dev/null'");
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(null, fd) < 0)
			return err_sys(e, errno, "let go of the streams");
	for (size_t i = 0; i < n; i++)
		if (keep[i] > highest)
			highest = keep[i];
	for (int fd = 3; fd <= highest; fd++) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept |= keep[i] == fd;
		if (!kept)
			(void) close(fd);
	}
	closefrom(highest + 1);
	if (chdir("/") < 0)
		return err_sys(e, errno, "go to '/'");
	return 0;
}

#define KERNEL_RTMIN 32 /* signal(7) */

/*
 * The signals that the stand-in keeps for itself; it passes all others on to the container, as runc
 * does. SIGKILL and SIGSTOP cannot be caught.
 */
static const int ours[] = {
	SIGILL,  SIGBUS,  SIGFPE,  SIGSEGV, /* the stand-in's own faults */
	SIGKILL, SIGSTOP, SIGCHLD, SIGURG,  SIGWINCH,
};

/* The terminal's driver sends these to the process that holds the terminal: the stand-in. */
static const int ours_with_tty[] = {SIGTSTP, SIGTTIN, SIGTTOU};

static bool is_among(const int *list, size_t n, int signo)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == signo)
			return true;
	return false;
}

bool room_passes_signal(int signo, bool has_terminal)
{
	if (signo >= KERNEL_RTMIN && signo < SIGRTMIN)
		return false; /* the C library keeps these for itself */
	if (has_terminal && is_among(ours_with_tty, ARRAY_LEN(ours_with_tty), signo))
		return false;
	return !is_among(ours, ARRAY_LEN(ours), signo);
}
