#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

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

static int keep(void *arg, struct err *e)
{
	auto_close int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int *ret_fd = arg;

	if (fd < 0)
		return err_sys(e, errno, "open the network namespace");
	*ret_fd = take_fd(&fd);
	return 0;
}

int network_namespace_new(int *ret_fd, struct err *e)
{
	return namespace_visit(-1, keep, ret_fd, e);
}
