#pragma once

#include "agent/device/device.h"
#include "base/loop.h"

/*
 * A virtio-serial port as a connection to the host. Private to agent/boot.
 *
 * A port exists before the host has connected; until then and after a disconnect it reads as end of
 * file. It is a connection only while the host holds the other end. It can be open once.
 */
struct serial {
	struct loop *loop;
	struct devices *devices;
	struct device_wait wait;
	char path[DEVICE_PATH_MAX];
	int fd; /* until the host connects; else -1 */
	struct loop_watch *watch;
	/* The host has connected. @take_fd belongs to the callee. */
	void (*connected)(void *arg, int take_fd);
	void *arg;
};

/* Waits for the port called @name (borrowed) to exist and to be connected. */
void serial_start(struct serial *s, struct loop *loop, struct devices *devices, const char *name,
		  void (*connected)(void *arg, int take_fd), void *arg);

/* The connection passed to connected() is closed: wait for the next one. */
void serial_restart(struct serial *s);

/* Accepts a zeroed struct. */
void serial_stop(struct serial *s);
