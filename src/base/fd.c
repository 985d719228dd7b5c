#include "base/fd.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes > 0) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		bytes -= (size_t) n;
	}
	return 0;
}

int fd_read_all(int fd, void *data, size_t bytes)
{
	char *p = data;

	while (bytes > 0) {
		ssize_t n = read(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		p += n;
		bytes -= (size_t) n;
	}
	return 0;
}

int fd_memory(const char *name, const void *data, size_t bytes)
{
	auto_close int fd = memfd_create(name, MFD_CLOEXEC);
	int r = fd < 0 ? -errno : fd_write_all(fd, data, bytes);

	return r < 0 ? r : take_fd(&fd);
}

int fd_open_standard(void)
{
	for (int fd = 0; fd <= 2; fd++)
		/* open() returns @fd, because it is the lowest free number. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -errno;
	return 0;
}

int fd_flush_stdout(struct err *e)
{
	bool failed = ferror(stdout);

	errno = EIO; /* for an earlier failure, whose errno is lost */
	if (fflush(stdout) != 0 || failed)
		return err_sys(e, errno, "write to standard output");
	return 0;
}

int fd_reopen(int fd, int flags)
{
	char path[32];

	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);

	int again = open(path, flags | O_CLOEXEC);

	return again < 0 ? -errno : again;
}

int fd_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

union fd_message {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * FD_PASS_MAX)];
};

void fd_reset_at_close(int fd)
{
	const struct linger at_once = {.l_onoff = 1};

	(void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int fd_unix_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof ret->sun_path)
		return -ENAMETOOLONG;
	(void) strcpy(ret->sun_path, path);
	return 0;
}

ssize_t fd_send(int sock, const void *data, size_t bytes, const int *fds, size_t n_fds)
{
	union fd_message control = {0};
	struct iovec iov = {.iov_base = (void *) data, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	assert(n_fds <= FD_PASS_MAX && bytes > 0);
	if (n_fds > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);

		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}

	ssize_t n;

	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t fd_recv(int sock, void *data, size_t bytes, int *fds, size_t *ret_n_fds)
{
	union fd_message control = {0};
	struct iovec iov = {.iov_base = data, .iov_len = bytes};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;

	*ret_n_fds = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;

		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		/* The kernel cannot have put more into the room it was given. */
		assert(*ret_n_fds + count <= FD_PASS_MAX);
		memcpy(fds + *ret_n_fds, CMSG_DATA(c), count * sizeof(int));
		*ret_n_fds += count;
	}
	return n;
}

static int peer_of(int fd, struct ucred *ret)
{
	socklen_t size = sizeof *ret;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret, &size) < 0 ? -errno : 0;
}

int fd_peer_uid(int fd, uid_t *ret)
{
	struct ucred who;
	int r = peer_of(fd, &who);

	if (r == 0)
		*ret = who.uid;
	return r;
}

int fd_peer_pid(int fd, pid_t *ret)
{
	struct ucred who;
	int r = peer_of(fd, &who);

	if (r == 0)
		*ret = who.pid;
	return r;
}
