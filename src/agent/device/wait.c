#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/device/devices.h"

int devices_new(struct loop *loop, const struct device_places *places, struct devices **ret,
		struct err *e)
{
	struct devices *d = calloc(1, sizeof *d);

	if (!d)
		return err_sys(e, ENOMEM, "look after devices");
	d->loop = loop;
	d->places = *places;
	d->uevents = -1;
	list_init(&d->waits);
	*ret = d;
	return 0;
}

static void close_uevents(struct devices *d)
{
	loop_unwatch(d->watch);
	d->watch = NULL;
	d->uevents = fd_close(d->uevents);
}

void devices_free(struct devices *d)
{
	if (!d)
		return;
	close_uevents(d);
	module_list_fini(&d->modules);
	free(d);
}

static void finish(struct device_wait *w, int r, const char *path, const struct err *e)
{
	device_wait_cancel(w);
	w->finish(w, r, path, e);
}

/* Returns whether the wait is over. */
static bool look(struct devices *d, struct device_wait *w)
{
	char path[DEVICE_PATH_MAX];
	struct err e = {0};
	int r = w->find ? w->find(w, path, &e) : device_find(d, w->kind, w->key, path, &e);

	if (r == -ENODEV)
		return false;
	finish(w, r, r < 0 ? NULL : path, &e);
	return true;
}

static void look_for_all(struct devices *d)
{
	/* Each one that is finished may start others, so begin again. */
	for (bool again = true; again;) {
		again = false;
		list_for_each (pos, &d->waits) {
			if (look(d, container_of(pos, struct device_wait, link))) {
				again = true;
				break;
			}
		}
	}
	if (list_empty(&d->waits))
		close_uevents(d);
}

static void on_uevent(void *arg, uint32_t events)
{
	struct devices *d = arg;
	char what[4096];

	(void) events;
	/* Uevents are not parsed, because some may have been lost: each means look again. */
	while (recv(d->uevents, what, sizeof what, MSG_DONTWAIT) > 0)
		;
	look_for_all(d);
}

static int open_uevents(struct devices *d, struct err *e)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK, .nl_groups = 1};

	if (d->uevents >= 0)
		return 0;

	auto_close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *) &kernel, sizeof kernel) < 0)
		return err_sys(e, errno, "listen for devices");

	int r = loop_watch(d->loop, fd, EPOLLIN, on_uevent, d, &d->watch, e);

	if (r == 0)
		d->uevents = take_fd(&fd);
	return r;
}

static void on_deadline(void *arg)
{
	struct device_wait *w = arg;
	struct err e = {0};

	w->timer = NULL;
	finish(w, err_say(&e, ETIMEDOUT, "'%s' has not appeared in time", w->key), NULL, &e);
}

void device_wait(struct devices *d, struct device_wait *w, msec_t deadline)
{
	struct err e = {0};

	list_init(&w->link);
	w->timer = NULL;

	if (look(d, w))
		return;

	int r = open_uevents(d, &e);

	/* A device may have appeared before the socket was open. */
	if (r == 0 && look(d, w)) {
		if (list_empty(&d->waits))
			close_uevents(d);
		return;
	}
	if (r == 0)
		r = loop_timer(d->loop, deadline, on_deadline, w, &w->timer, &e);
	if (r < 0) {
		finish(w, r, NULL, &e);
		return;
	}
	list_add(&d->waits, &w->link);
}

void device_wait_cancel(struct device_wait *w)
{
	loop_timer_cancel(w->timer);
	w->timer = NULL;
	list_remove(&w->link);
}
