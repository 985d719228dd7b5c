#include "host/hypervisor/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
/* This header needs sys/socket.h before it. */
#include <linux/vm_sockets.h>

#include "base/auto.h"
#include "base/fd.h"
#include "host/hypervisor/hypervisor.h"

/* 0 to 2 are reserved: hypervisor, local, host. */
#define CID_MIN   3
#define CID_TRIES 64
/* Pause between two tries, because connect() is refused at once and a guest does not report that it
 * listens. */
#define RETRY_MS 10

static int take_cid(int vhost_fd, uint32_t *ret_cid, struct err *e)
{
	for (int i = 0; i < CID_TRIES; i++) {
		uint32_t random;

		if (getrandom(&random, sizeof random, 0) != sizeof random)
			return err_sys(e, errno, "choose a context id");

		uint64_t cid = CID_MIN + random % (UINT32_MAX - 1 - CID_MIN);

		if (ioctl(vhost_fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
			*ret_cid = (uint32_t) cid;
			return 0;
		}
		if (errno != EADDRINUSE)
			return err_sys(e, errno, "take context id %u", (unsigned) cid);
	}
	return err_say(e, EADDRINUSE, "%d context ids were all in use", CID_TRIES);
}

int vsock_reserve(uint32_t *ret_cid, struct err *e)
{
	auto_close int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return err_say(e, errno, "open '/dev/vhost-vsock': %s: " HV_REMEDY_VSOCK,
			       strerror(errno));

	int r = take_cid(fd, ret_cid, e);

	return r < 0 ? r : take_fd(&fd);
}

/* Ports below this need CAP_NET_BIND_SERVICE (the kernel's LAST_RESERVED_PORT + 1). */
#define PRIVILEGED_PORTS 1024

/* Binds to any free privileged port. Returns 0 or -errno. */
static int bind_privileged(int fd)
{
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	uint32_t start;

	if (getrandom(&start, sizeof start, 0) != sizeof start)
		return -errno;
	for (uint32_t i = 0; i < PRIVILEGED_PORTS - 1; i++) {
		addr.svm_port = 1 + (start + i) % (PRIVILEGED_PORTS - 1);
		if (bind(fd, (struct sockaddr *) &addr, sizeof addr) == 0)
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

bool vsock_is_privileged(void)
{
	auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind_privileged(fd) == 0;
}

/* Whether connect() fails like this while the guest boots: no driver yet, no listener yet. */
static bool may_come(int code)
{
	return code == ECONNRESET || code == ENODEV || code == ETIMEDOUT || code == EHOSTUNREACH;
}

/* One try. Returns 0, or -errno of the connect(). */
static int try_dial(uint32_t cid, uint32_t port, bool privileged, int pidfd, msec_t deadline,
		    int *ret_fd)
{
	auto_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_vm addr = {.svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port};
	int code = 0;
	socklen_t len = sizeof code;

	if (fd < 0)
		return -errno;
	if (privileged) {
		int r = bind_privileged(fd);

		if (r < 0)
			return r;
	}
	if (connect(fd, (struct sockaddr *) &addr, sizeof addr) < 0 && errno != EINPROGRESS)
		return -errno;

	struct pollfd p[] = {{.fd = fd, .events = POLLOUT}, {.fd = pidfd, .events = POLLIN}};

	if (poll(p, 2, clock_poll_ms(deadline)) < 0 && errno != EINTR)
		return -errno;
	if (!p[0].revents)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &len) < 0)
		return -errno;
	if (code)
		return -code;
	if (fd_set_nonblock(fd, false) < 0)
		return -errno;
	*ret_fd = take_fd(&fd);
	return 0;
}

int vsock_dial(uint32_t cid, uint32_t port, bool privileged, int pidfd, msec_t deadline,
	       int *ret_fd, struct err *e)
{
	for (;;) {
		int r = try_dial(cid, port, privileged, pidfd, deadline, ret_fd);
		struct pollfd p = {.fd = pidfd, .events = POLLIN};

		if (r == 0)
			return 0;
		if (!may_come(-r))
			return err_sys(e, -r, "connect to vsock %u:%u", cid, port);
		if (clock_poll_ms(deadline) == 0)
			return err_say(e, ETIMEDOUT, "nobody listens on vsock %u:%u in time", cid,
				       port);
		if (poll(&p, 1, RETRY_MS) > 0)
			return err_say(e, ECONNRESET, "the VMM ended");
	}
}
