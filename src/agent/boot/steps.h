#pragma once

#include "agent/boot/options.h"
#include "agent/device/device.h"
#include "base/err.h"

/* The steps of a boot. Private to agent/boot. */

/* Mounts what every guest has. A failure is only logged, because a later step that needs the mount
 * names it in its own error. */
void mount_base(void);

/* Mounts the initramfs over itself, because no container could pivot away from it. */
int mount_over_initramfs(struct err *e);

/* "lo" goes up: processes of a container expect to reach 127.0.0.1. */
int net_lo_up(struct err *e);

/* Syncs and switches the machine off. Returns only if the kernel refuses. */
void power_off(void);

/*
 * The channel: where the host connects to the agent.
 */
enum channel_kind {
	CHANNEL_SERIAL, /* a virtio-serial port, one stream */
	CHANNEL_LISTEN, /* a listening vsock or unix socket */
};

struct channel {
	enum channel_kind kind;
	char name[OPTION_TEXT_MAX]; /* of the port, or path of the socket */
	unsigned cid, port;
};

/* Returns 0 or -EINVAL. */
int channel_parse(const char *addr, struct channel *ret, struct err *e);

/* Loads the modules that the channel needs. A missing module is no failure, because the kernel may
 * have it built in. */
int channel_load_modules(const struct channel *c, struct devices *d, struct err *e);

/* Whether to serve the vsock peer @peer: only the host, because a process in the guest can dial the
 * guest's own address; and if the host has promised to be @privileged, only from a port below 1024,
 * because any user of the host can dial a guest. */
struct sockaddr_vm;
bool channel_admits(const struct sockaddr_vm *peer, bool privileged);

/* A listening socket for CHANNEL_LISTEN. */
int channel_listen(const struct channel *c, struct err *e);
