/*
 * Connections to the loopback addresses of a pod's namespace: containerd serves `kubectl
 * port-forward` by dialling localhost there, where none of the pod's programs is.
 *
 *	containerd ── 127.0.0.1:8080 ──► lo ── ingress: somebody listens there? ── yes ──► as ever
 *	                                          └ no ──► our socket, which listens
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "host/network/catch.h"
#include "host/network/program.h"
#include "host/network/redirect.h"
#include "host/network/tap.h"

/* Tells our filter from those of others. */
#define PRIORITY 0xca7cU

/* Connections that wait until they are accepted. */
#define BACKLOG 128

/* Dual: a socket of IPv6 takes both families, unless the host has none of it. */
static int bind_any(int fd, int family)
{
	const struct sockaddr_in v4 = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 dual = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT};
	const int off = 0;

	if (family == AF_INET)
		return bind(fd, (const struct sockaddr *) &v4, sizeof v4);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0)
		return -1;
	return bind(fd, (const struct sockaddr *) &dual, sizeof dual);
}

static int listen_in(int family)
{
	auto_close int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind_any(fd, family) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static int listen_there(void *arg, struct err *e)
{
	int *ret_fd = arg, fd = listen_in(AF_INET6);

	if (fd == -EAFNOSUPPORT)
		fd = listen_in(AF_INET);
	if (fd < 0)
		return err_sys(e, -fd, "listen in the network namespace");
	*ret_fd = fd;
	return 0;
}

static bool is_same(const struct stat *a, const char *path)
{
	struct stat b;

	return stat(path, &b) == 0 && file_is_same(a, &b);
}

static int refuse_hosts_own(const struct network *n, struct err *e)
{
	struct stat st;

	if (fstat(n->ns_fd, &st) < 0)
		return err_sys(e, errno, "look at the network namespace");
	if (is_same(&st, "/proc/self/ns/net") || is_same(&st, "/proc/1/ns/net"))
		return err_say(e, EPERM, "the network namespace is the host's own");
	return 0;
}

/* The kernel, or the administrator, lets this process have no program at all. */
static bool is_refused(int r)
{
	return r == -EPERM || r == -EINVAL || r == -ENOSYS;
}

/* By a program if there can be one, because that leaves alone who listens there. */
static int give_to(struct network *n, int listener, struct err *e)
{
	struct err why = {0};
	auto_close int program = catch_load(listener, &why);

	if (program >= 0)
		return program_attach(n, LOOPBACK, PRIORITY, program, "kata_loopback", e);
	if (!is_refused(program)) {
		if (e)
			*e = why;
		return program;
	}
	log_err(LOG_INFO, &why, "ignoring, because a rule can catch the pod's loopback, too");

	int r = redirect_begin(n, listener, e);

	return r < 0 ? err_wrap(e, r, "without a program (%s)", why.text) : 0;
}

int network_catch_loopback(struct network *n, struct err *e)
{
	auto_close int listener = -1;
	int r = refuse_hosts_own(n, e);

	if (r == 0)
		r = namespace_visit(n->ns_fd, listen_there, &listener, e);
	if (r == 0)
		r = give_to(n, listener, e);
	return r < 0 ? r : take_fd(&listener);
}

void network_release_loopback(struct network *n)
{
	if (!program_detach(n, LOOPBACK, PRIORITY))
		redirect_end(n);
}

/* ---- What was meant ---- */

/* An address of either family. */
union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool is_ipv6(const union address *a)
{
	return a->any.sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr);
}

/* Both have the port at the same place. */
static uint16_t port_of(const union address *a)
{
	return ntohs(a->v4.sin_port);
}

static bool is_loopback(const union address *a)
{
	uint8_t first; /* of an address of IPv4 */

	if (is_ipv6(a))
		return IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
	if (a->any.sa_family == AF_INET6)
		first = a->v6.sin6_addr.s6_addr[12];
	else
		first = (uint8_t) (ntohl(a->v4.sin_addr.s_addr) >> IN_CLASSA_NSHIFT);
	return first == IN_LOOPBACKNET;
}

static int own_address(int fd, union address *ret)
{
	socklen_t bytes = sizeof *ret;

	*ret = (union address){0};
	return getsockname(fd, &ret->any, &bytes);
}

/* What redirect.c's rule has changed to @own. */
static union address original(int fd, const union address *own)
{
	union address to = {0};
	socklen_t bytes = sizeof to;
	int r = is_ipv6(own) ? getsockopt(fd, SOL_IPV6, IP6T_SO_ORIGINAL_DST, &to, &bytes)
			     : getsockopt(fd, SOL_IP, SO_ORIGINAL_DST, &to, &bytes);

	return r == 0 ? to : *own;
}

_Static_assert(NETWORK_TEXT_BYTES == INET6_ADDRSTRLEN, "as inet_ntop() writes it");

static void print(const union address *a, char ret[static NETWORK_TEXT_BYTES])
{
	const void *bytes = is_ipv6(a) ? (const void *) &a->v6.sin6_addr : &a->v4.sin_addr;

	(void) inet_ntop(a->any.sa_family, bytes, ret, NETWORK_TEXT_BYTES);
}

bool network_dialled(int listener, int fd, struct network_target *ret)
{
	union address own, listens;

	*ret = (struct network_target){0};
	if (own_address(fd, &own) < 0 || own_address(listener, &listens) < 0 || !is_loopback(&own))
		return false;
	/* Rules of others may change ports too, before the program sees them: that is meant. */
	if (port_of(&own) == port_of(&listens))
		own = original(fd, &own);
	ret->port = port_of(&own);
	ret->ipv6 = is_ipv6(&own);
	if (!is_loopback(&own))
		print(&own, ret->address);
	return ret->port > 0;
}
