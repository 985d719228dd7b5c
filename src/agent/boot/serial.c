#include "agent/boot/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/array.h"
#include "base/log.h"

/* A missing port is logged after this time, about a host's own timeout; then the agent waits on. */
#define SERIAL_TIMEOUT_MS 30000

static bool is_connected(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP);
}

static void close_port(struct serial *s)
{
	loop_unwatch(s->watch);
	s->watch = NULL;
	s->fd = fd_close(s->fd);
}

static void on_change(void *arg, uint32_t events)
{
	struct serial *s = arg;

	(void) events;
	if (!is_connected(s->fd))
		return;

	int fd = take_fd(&s->fd);

	close_port(s);
	s->connected(s->arg, fd);
}

void serial_restart(struct serial *s)
{
	struct err e = {0};

	s->fd = open(s->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (s->fd < 0) {
		(void) err_sys(&e, errno, "open '%s'", s->path);
		log_err(LOG_ERROR, &e, "cannot serve");
		return;
	}
	/* Edge-triggered, because the port reports a hang-up until the host connects. */
	if (loop_watch(s->loop, s->fd, EPOLLIN | EPOLLOUT | EPOLLET, on_change, s, &s->watch, &e) <
	    0) {
		log_err(LOG_ERROR, &e, "cannot serve");
		close_port(s);
	}
}

static void on_found(struct device_wait *w, int r, const char *path, const struct err *e)
{
	struct serial *s = container_of(w, struct serial, wait);

	if (r == -ETIMEDOUT) {
		log_err(LOG_ERROR, e, "no channel to the host yet");
		device_wait(s->devices, w, CLOCK_NEVER);
	} else if (r < 0) {
		log_err(LOG_ERROR, e, "cannot serve");
	} else {
		memcpy(s->path, path, strlen(path) + 1);
		serial_restart(s);
	}
}

void serial_start(struct serial *s, struct loop *loop, struct devices *devices, const char *name,
		  void (*connected)(void *arg, int take_fd), void *arg)
{
	*s = (struct serial){
		.loop = loop,
		.devices = devices,
		.wait = {.kind = DEVICE_PORT, .key = name, .finish = on_found},
		.fd = -1,
		.connected = connected,
		.arg = arg,
	};
	device_wait(devices, &s->wait, clock_deadline(SERIAL_TIMEOUT_MS));
}

void serial_stop(struct serial *s)
{
	if (!s->loop)
		return;
	device_wait_cancel(&s->wait);
	close_port(s);
}
