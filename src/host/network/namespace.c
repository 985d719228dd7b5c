#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "host/network/facts.h"

struct visit {
	int ns_fd;
	int (*fn)(void *arg, struct err *e);
	void *arg;
	int r;
	struct err err;
};

static void *visit(void *arg)
{
	struct visit *v = arg;

	if (v->ns_fd < 0 && unshare(CLONE_NEWNET) < 0)
		v->r = err_sys(&v->err, errno, "make a network namespace");
	else if (v->ns_fd >= 0 && setns(v->ns_fd, CLONE_NEWNET) < 0)
		v->r = err_sys(&v->err, errno, "enter the network namespace");
	else
		v->r = v->fn(v->arg, &v->err);
	return NULL;
}

int namespace_visit(int ns_fd, int (*fn)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct visit v = {.ns_fd = ns_fd, .fn = fn, .arg = arg};
	pthread_t thread;
	int r = pthread_create(&thread, NULL, visit, &v);

	if (r)
		return err_sys(e, r, "make a thread");
	(void) pthread_join(thread, NULL);
	if (v.r < 0 && e)
		*e = v.err;
	return v.r;
}

static int bring_up_loopback(struct err *e)
{
	auto_close int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq lo = {.ifr_name = "lo"};

	if (sock < 0 || ioctl(sock, SIOCGIFFLAGS, &lo) < 0)
		return err_sys(e, errno, "look at the loopback interface");
	lo.ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, &lo) < 0)
		return err_sys(e, errno, "bring the loopback interface up");
	return 0;
}

static int keep(void *arg, struct err *e)
{
	auto_close int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int *ret_fd = arg;

	if (fd < 0)
		return err_sys(e, errno, "open the network namespace");

	int r = bring_up_loopback(e);

	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

int network_namespace_new(int *ret_fd, struct err *e)
{
	return namespace_visit(-1, keep, ret_fd, e);
}
