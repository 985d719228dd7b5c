#pragma once

#include "agent/boot/options.h"
#include "agent/device/device.h"
#include "base/err.h"

/* The steps of a boot. Private to agent/boot. */

/* Mounts what every guest has. Best effort: what fails is logged, for a later step will name what
 * it misses. */
void mount_base(void);

/* Puts a mount over the initramfs, from which no container could pivot away. The files stay. */
int mount_over_initramfs(struct err *e);

/* "lo" goes up: processes of a container expect to reach 127.0.0.1. */
int net_lo_up(struct err *e);

/* Syncs and switches the machine off. Returns only if the kernel refuses. */
void power_off(void);

/*
 * The channel: what the host speaks on.
 */
enum channel_kind {
	CHANNEL_SERIAL, /* a stream that is there once and for all */
	CHANNEL_LISTEN, /* a socket that listens */
};

struct channel {
	enum channel_kind kind;
	char name[OPTION_TEXT_MAX]; /* of the port, or path of the socket */
	unsigned cid, port;
};

/* Returns 0 or -EINVAL. */
int channel_parse(const char *addr, struct channel *ret, struct err *e);

/* Loads what the channel needs. A guest whose kernel has it built in has no such module, which is
 * no failure. */
int channel_load_modules(const struct channel *c, struct devices *d, struct err *e);

/* May who has connected over vsock from @peer be served? The host only, and of the host, when it has
 * promised to be @privileged, who may use a port below 1024: any user there can dial a guest, and
 * what runs in the guest can dial its own address. */
struct sockaddr_vm;
bool channel_admits(const struct sockaddr_vm *peer, bool privileged);

/* A listening socket for CHANNEL_LISTEN. */
int channel_listen(const struct channel *c, struct err *e);
