#include <errno.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/boot/steps.h"
#include "base/array.h"
#include "base/file.h"

/* The host holds one connection; a second one is a console or a person. */
#define CHANNEL_BACKLOG 16

static const char *without(const char *text, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(text, prefix, n) == 0 ? text + n : NULL;
}

/* "CID:PORT", where -1 is any CID. */
static int parse_vsock(const char *text, struct channel *ret)
{
	char cid[16];
	const char *colon = strchr(text, ':');
	uint64_t port;
	int64_t n;

	if (!colon || (size_t) (colon - text) >= sizeof cid)
		return -EINVAL;
	memcpy(cid, text, (size_t) (colon - text));
	cid[colon - text] = '\0';
	if (num_parse_i64(cid, &n) < 0 || n < -1 || n > UINT32_MAX)
		return -EINVAL;
	if (num_parse_u64(colon + 1, &port) < 0 || port > UINT32_MAX)
		return -EINVAL;
	ret->cid = n < 0 ? VMADDR_CID_ANY : (unsigned) n;
	ret->port = (unsigned) port;
	return 0;
}

int channel_parse(const char *addr, struct channel *ret, struct err *e)
{
	struct channel c = {.kind = CHANNEL_LISTEN};
	const char *rest;
	int r = -EINVAL;

	if ((rest = without(addr, "vsock://"))) {
		r = parse_vsock(rest, &c);
	} else if ((rest = without(addr, "serial://"))) {
		c.kind = CHANNEL_SERIAL;
		r = *rest && strlen(rest) < sizeof c.name ? 0 : -EINVAL;
	} else if ((rest = without(addr, "unix://"))) {
		r = *rest && strlen(rest) < sizeof(((struct sockaddr_un *) NULL)->sun_path)
			    ? 0
			    : -EINVAL;
	}
	if (r < 0)
		return err_say(e, EINVAL, "'%s' is no address to serve at", addr);
	if (c.kind == CHANNEL_SERIAL || rest != addr + strlen("vsock://"))
		memcpy(c.name, rest, strlen(rest) + 1);
	*ret = c;
	return 0;
}

int channel_load_modules(const struct channel *c, struct devices *d, struct err *e)
{
	int r;

	if (c->kind == CHANNEL_LISTEN && c->name[0])
		return 0; /* a unix socket */
	r = module_load_virtio(d, e);
	if (r < 0)
		return r;
	return module_load_if_any(
		d, c->kind == CHANNEL_SERIAL ? "virtio_console" : "vmw_vsock_virtio_transport", e);
}

/* Only root of the host can bind a port below this (the kernel's LAST_RESERVED_PORT + 1). */
#define PRIVILEGED_PORTS 1024

bool channel_admits(const struct sockaddr_vm *peer, bool privileged)
{
	return peer->svm_family == AF_VSOCK && peer->svm_cid == VMADDR_CID_HOST &&
	       (!privileged || peer->svm_port < PRIVILEGED_PORTS);
}

static int listen_at(int domain, const void *addr, socklen_t addr_bytes, const char *name,
		     struct err *e)
{
	auto_close int fd = socket(domain, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, addr, addr_bytes) < 0 || listen(fd, CHANNEL_BACKLOG) < 0)
		return err_sys(e, errno, "listen at %s", name);
	return take_fd(&fd);
}

int channel_listen(const struct channel *c, struct err *e)
{
	if (c->name[0]) {
		struct sockaddr_un addr = {.sun_family = AF_UNIX};

		memcpy(addr.sun_path, c->name, strlen(c->name) + 1);
		(void) unlink(c->name); /* left by an earlier agent */
		return listen_at(AF_UNIX, &addr, sizeof addr, c->name, e);
	}

	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = c->cid,
		.svm_port = c->port,
	};
	char name[64];

	(void) snprintf(name, sizeof name, "vsock port %u", c->port);
	return listen_at(AF_VSOCK, &addr, sizeof addr, name, e);
}
