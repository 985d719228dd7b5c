#pragma once

#include "agent/device/device.h"
#include "base/loop.h"

/*
 * A virtio-serial port as a line to the host. Private to agent/boot.
 *
 * A port is there before anybody has connected its other end, and says "end of file" until then and
 * again later: a line is up only while the host holds the other end. It can be open once.
 */
struct serial {
	struct loop *loop;
	struct devices *devices;
	struct device_wait wait;
	char path[DEVICE_PATH_MAX];
	int fd; /* while nobody has connected; else -1 */
	struct loop_watch *watch;
	/* The host has connected. @take_fd belongs to the callee. */
	void (*connected)(void *arg, int take_fd);
	void *arg;
};

/* Waits for the port called @name (borrowed) to exist and to be connected. */
void serial_start(struct serial *s, struct loop *loop, struct devices *devices, const char *name,
		  void (*connected)(void *arg, int take_fd), void *arg);

/* The line that connected() has given is down and closed: wait for the next one. */
void serial_restart(struct serial *s);

/* Accepts a zeroed one. */
void serial_stop(struct serial *s);
