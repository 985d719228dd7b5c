#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/array.h"
#include "host/network/facts.h"

struct opening {
	int protocol;
	int sock;
};

static int open_there(void *arg, struct err *e)
{
	struct opening *o = arg;

	o->sock = nl_open(o->protocol, e);
	return o->sock < 0 ? o->sock : 0;
}

int network_socket(int ns_fd, int protocol, struct err *e)
{
	struct opening o = {.protocol = protocol, .sock = -1};
	int r = namespace_visit(ns_fd, open_there, &o, e);

	return r < 0 ? r : o.sock;
}

int network_open(int ns_fd, struct network **ret, struct err *e)
{
	auto_ptr(network_close) struct network *n = calloc(1, sizeof *n);

	if (!n)
		return err_sys(e, ENOMEM, "open the network namespace");
	n->sock = -1;
	n->ns_fd = fcntl(ns_fd, F_DUPFD_CLOEXEC, 0);
	if (n->ns_fd < 0)
		return err_sys(e, errno, "open the network namespace");

	n->sock = network_socket(n->ns_fd, NETLINK_ROUTE, e);
	if (n->sock < 0)
		return n->sock;
	*ret = take_ptr(n);
	return 0;
}

int network_restrict(struct network *n, const struct egress_policy *policy, struct err *e)
{
	int sock = network_socket(n->ns_fd, NETLINK_NETFILTER, e);

	return sock < 0 ? sock : egress_open(sock, policy, &n->egress, e);
}

static int open_wire(void *arg, struct err *e)
{
	int *ret_fd = arg;

	*ret_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return *ret_fd < 0 ? err_sys(e, errno, "open a packet socket") : 0;
}

int network_watch_egress(struct network *n, const struct egress_policy *policy,
			 struct egress_watch **ret, struct err *e)
{
	int socks[3] = {-1, -1, -1}, r = 0;

	for (int i = 0; r >= 0 && i < 2; i++)
		r = socks[i] = network_socket(n->ns_fd, NETLINK_NETFILTER, e);
	if (r >= 0)
		r = namespace_visit(n->ns_fd, open_wire, &socks[2], e);
	if (r >= 0)
		return egress_watch_open(n->egress, policy, socks, ret, e);
	for (int i = 0; i < 3; i++)
		fd_close(socks[i]);
	return r;
}

void network_close(struct network *n)
{
	if (!n)
		return;
	egress_close(n->egress);
	fd_close(n->sock);
	fd_close(n->ns_fd);
	free(n);
}

/* The older names for groups end before it. */
#define GROUP_IPV6_RULE (1 << (RTNLGRP_IPV6_RULE - 1))

static int open_watch(void *arg, struct err *e)
{
	const struct sockaddr_nl all = {
		.nl_family = AF_NETLINK,
		/* RTMGRP_NEIGH wakes nobody in vain, because the namespace's own kernel gets no
		 * frames but a DHCP server's answers: neighbours hardly come or go by themselves.
		 */
		.nl_groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
			     RTMGRP_IPV4_RULE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE |
			     GROUP_IPV6_RULE,
	};
	auto_close int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int *ret_fd = arg;

	if (fd < 0 || bind(fd, (const struct sockaddr *) &all, sizeof all) < 0)
		return err_sys(e, errno, "watch the network namespace");
	*ret_fd = take_fd(&fd);
	return 0;
}

int network_watch(struct network *n, struct err *e)
{
	int fd = -1;
	int r = namespace_visit(n->ns_fd, open_watch, &fd, e);

	return r < 0 ? r : fd;
}

/* ENOBUFS: more has happened than there was room for. */
void network_watch_drain(int fd)
{
	char some[64];

	while (recv(fd, some, sizeof some, 0) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}

/* The largest of the heads below. */
#define FIXED_BYTES_MAX sizeof(struct ifinfomsg)

/* One of the lists. */
struct dump {
	uint16_t type;
	size_t fixed_bytes; /* of each message */
	size_t *count;      /* in @facts */
	struct network_facts *facts;
};

static int add(void *arg, const struct nl_message *m, struct err *e)
{
	const struct dump *d = arg;
	int r = network_parse(m, d->facts);

	if (r == -E2BIG)
		return err_say(e, E2BIG,
			       "more interfaces, addresses, routes or neighbours than a machine "
			       "can have");
	return r < 0 ? err_sys(e, -r, "read what the kernel tells") : 0;
}

static void again(void *arg)
{
	const struct dump *d = arg;

	*d->count = 0;
	if (d->type == RTM_GETROUTE)
		d->facts->n_hops = 0;
}

static int dump(int sock, struct dump *d, struct err *e)
{
	/* Any family, any interface. */
	static const uint8_t any[FIXED_BYTES_MAX];
	struct nl_request q;

	nl_begin(&q, d->type, 0, any, d->fixed_bytes);
	return nl_dump(sock, &q, d->fixed_bytes, add, again, d, e);
}

static int scan(int sock, struct network_facts *f, struct err *e)
{
	struct dump all[] = {
		{RTM_GETLINK, sizeof(struct ifinfomsg), &f->n_links, f},
		{RTM_GETADDR, sizeof(struct ifaddrmsg), &f->n_addresses, f},
		{RTM_GETROUTE, sizeof(struct rtmsg), &f->n_routes, f},
		{RTM_GETNEIGH, sizeof(struct ndmsg), &f->n_neighbours, f},
		{RTM_GETRULE, sizeof(struct fib_rule_hdr), &f->n_rules, f},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++)
		r = dump(sock, &all[i], e);
	return r;
}

/* Over a socket of its own, because one whose dump failed can only be closed. */
int network_scan(struct network *n, struct network_facts *ret, struct err *e)
{
	auto_close int sock = network_socket(n->ns_fd, NETLINK_ROUTE, e);
	struct network_facts f = {0};
	int r = sock < 0 ? sock : scan(sock, &f, e);

	if (r < 0) {
		network_facts_fini(&f);
		return err_wrap(e, r, "read the network namespace");
	}
	*ret = f;
	return 0;
}
