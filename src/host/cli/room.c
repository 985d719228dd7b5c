#include "host/cli/room.h"

#include <errno.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/array.h"
#include "base/fd.h"
#include "base/privilege.h"
#include "host/cli/room_proc.h"
#include "host/storage/view.h"
#include "kata.pb-c.h"

/* The descriptors come over a separate socket, because a ttRPC answer cannot carry any. */
static int ask_for_room(struct shim_client *server, const char *id, struct view *ret, struct err *e)
{
	Kata__V1__RoomRequest q = KATA__V1__ROOM_REQUEST__INIT;
	int p[2], fds[FD_PASS_MAX];
	size_t n_fds = 0;
	char byte;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = p[0];
	auto_close int theirs = p[1];
	const struct ttrpc_request request = {
		.service = &kata__v1__admin__descriptor,
		.method = "Room",
		.message = &q.base,
		.deadline = clock_deadline(SERVER_TIMEOUT_MS),
		.fds = &theirs,
		.n_fds = 1,
	};

	q.id = (char *) id;

	int r = ttrpc_call_wait(server->client, &request, NULL, e);

	if (r < 0)
		return r;
	theirs = fd_close(theirs);

	ssize_t n = fd_recv(ours, &byte, 1, fds, &n_fds);

	for (size_t i = 0; n == 1 && n_fds == VIEW_NAMESPACES && i < n_fds; i++)
		ret->fds[i] = fds[i];
	for (size_t i = 0; ret->fds[0] < 0 && i < n_fds; i++)
		(void) fd_close(fds[i]);
	return ret->fds[0] < 0 ? err_sys(e, n < 0 ? (int) -n : EPROTO, "receive namespaces") : 0;
}

static int join(const struct view *view, struct err *e)
{
	for (size_t i = 0; i < VIEW_NAMESPACES; i++)
		if (setns(view->fds[i], view_namespace_types[i]) < 0)
			return err_sys(e, errno, "join a namespace of the container");
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	return 0;
}

int room_enter(struct shim_client *server, const char *id, struct err *e)
{
	struct view view = VIEW_NONE;
	int r = ask_for_room(server, id, &view, e);

	if (r == 0)
		r = join(&view, e);
	if (r == 0)
		r = room_mount_proc(e);
	view_close(&view);
	return r;
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
