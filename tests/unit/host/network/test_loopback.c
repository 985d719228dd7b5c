#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/network/redirect.h"
#include "host/network/tap.h"

#include "messages.h"

/* A namespace whose loopback device is up, and the socket that gets what nobody listens for. */
struct place {
	int ns_fd, listener;
	struct network *n;
};

static int loopback_up(void *arg, struct err *e)
{
	const struct ifinfomsg head = {.ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	int sock = nl_open(NETLINK_ROUTE, e);
	struct nl_request q;

	(void) arg;
	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);

	int r = nl_ask(sock, &q, e);

	fd_close(sock);
	return r;
}

static void enter(struct place *p)
{
	struct err e = {0};

	*p = (struct place){.ns_fd = -1};
	if (geteuid() != 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, loopback_up, NULL, NULL), 0);
	p->listener = network_catch_loopback(p->n, &e);
	/* In a container that may not load programs. */
	if (p->listener == -EPERM)
		_exit(TEST_SKIP);
	if (p->listener < 0)
		test_fail(__FILE__, __LINE__, "%s", e.text);
}

static void leave(struct place *p)
{
	network_release_loopback(p->n);
	network_close(p->n);
	fd_close(p->listener);
	fd_close(p->ns_fd);
}

/* An address of the namespace, and what became of it. */
struct dial {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	};
	socklen_t bytes;
	int fd; /* connected, or listening */
};

static struct dial place_at(const char *address, uint16_t port)
{
	struct dial d = {.fd = -1};

	if (inet_pton(AF_INET6, address, &d.v6.sin6_addr) == 1) {
		d.v6.sin6_family = AF_INET6;
		d.v6.sin6_port = htons(port);
		d.bytes = sizeof d.v6;
	} else {
		d.v4.sin_family = AF_INET;
		d.v4.sin_port = htons(port);
		CHECK_EQ(inet_pton(AF_INET, address, &d.v4.sin_addr), 1);
		d.bytes = sizeof d.v4;
	}
	return d;
}

static int dial_there(void *arg, struct err *e)
{
	struct dial *d = arg;

	(void) e;
	d->fd = socket(d->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(d->fd, &d->any, d->bytes) == 0)
		return 0;

	int r = -errno;

	d->fd = fd_close(d->fd);
	return r;
}

static int listen_there(void *arg, struct err *e)
{
	struct dial *d = arg;
	const int on = 1;

	(void) e;
	d->fd = socket(d->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void) setsockopt(d->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	CHECK_EQ(bind(d->fd, &d->any, d->bytes), 0);
	CHECK_EQ(listen(d->fd, 8), 0);
	return 0;
}

/* A connection that is there by now; -1: none. */
static int take(int listener)
{
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void check_port(int fd, const char *address, uint16_t port)
{
	struct sockaddr_in6 to;
	socklen_t bytes = sizeof to;
	char text[INET6_ADDRSTRLEN];

	CHECK_EQ(getsockname(fd, (struct sockaddr *) &to, &bytes), 0);
	CHECK_EQ(to.sin6_family, AF_INET6);
	CHECK_EQ(ntohs(to.sin6_port), port);
	CHECK(inet_ntop(AF_INET6, &to.sin6_addr, text, sizeof text));
	CHECK_STR(text, address);
}

/* Both ends speak. */
static void check_carries(int a, int b)
{
	char got[8] = {0};

	CHECK_EQ(send(a, "there", 5, MSG_NOSIGNAL), 5);
	CHECK_EQ(recv(b, got, 5, MSG_WAITALL), 5);
	CHECK_STR(got, "there");
	CHECK_EQ(send(b, "back!", 5, MSG_NOSIGNAL), 5);
	CHECK_EQ(recv(a, got, 5, MSG_WAITALL), 5);
	CHECK_STR(got, "back!");
}

static void check_caught(struct place *p, const char *address, uint16_t port, const char *shown)
{
	struct dial d = place_at(address, port);

	CHECK_EQ(namespace_visit(p->ns_fd, dial_there, &d, NULL), 0);

	int fd = take(p->listener);

	struct network_target to;

	CHECK(fd >= 0);
	check_port(fd, shown, port);
	CHECK(network_dialled(p->listener, fd, &to));
	CHECK_EQ(to.port, port);
	CHECK_EQ(to.ipv6, strcmp(shown, "::1") == 0);
	CHECK_STR(to.address, "");
	check_carries(d.fd, fd);
	fd_close(d.fd);
	fd_close(fd);
}

TEST(every_port_of_every_loopback_address_is_caught_and_told)
{
	struct place p;

	enter(&p);
	check_caught(&p, "127.0.0.1", 8080, "::ffff:127.0.0.1");
	check_caught(&p, "127.0.0.1", 1, "::ffff:127.0.0.1");
	check_caught(&p, "127.1.2.3", 65535, "::ffff:127.1.2.3");
	check_caught(&p, "::1", 8080, "::1");
	leave(&p);
}

TEST(who_really_listens_keeps_its_port_and_address)
{
	struct place p;

	enter(&p);

	struct dial real = place_at("127.0.0.1", 80), v6 = place_at("::1", 81);
	struct dial to = place_at("127.0.0.1", 80), to_v6 = place_at("::1", 81);

	CHECK_EQ(namespace_visit(p.ns_fd, listen_there, &real, NULL), 0);
	CHECK_EQ(namespace_visit(p.ns_fd, listen_there, &v6, NULL), 0);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &to, NULL), 0);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &to_v6, NULL), 0);
	CHECK_EQ(take(p.listener), -1);

	int fd = take(real.fd), fd_v6 = take(v6.fd);

	check_carries(to.fd, fd);
	check_carries(to_v6.fd, fd_v6);
	/* Another address of the same port is nobody's. */
	check_caught(&p, "127.0.0.2", 80, "::ffff:127.0.0.2");
	check_caught(&p, "127.0.0.1", 81, "::ffff:127.0.0.1");
	/* It goes, and comes again. */
	fd_close(real.fd);
	check_caught(&p, "127.0.0.1", 80, "::ffff:127.0.0.1");
	fd_close(fd);
	fd_close(fd_v6);
	fd_close(to.fd);
	fd_close(to_v6.fd);
	fd_close(v6.fd);
	leave(&p);
}

TEST(more_connections_than_wait_in_the_queue_get_through)
{
	struct place p;
	struct dial d[300];
	int fd;

	enter(&p);
	for (size_t i = 0; i < 300; i++) {
		d[i] = place_at("127.0.0.1", (uint16_t) (1000 + i));
		CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &d[i], NULL), 0);
		fd = take(p.listener);
		CHECK(fd >= 0);
		fd_close(fd); /* first, so that this end has to remember it for a while */
		fd_close(d[i].fd);
	}
	leave(&p);
}

TEST(once_released_or_closed_nobody_listens)
{
	struct place p;
	struct dial d = place_at("127.0.0.1", 8080);

	enter(&p);
	network_release_loopback(p.n);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &d, NULL), -ECONNREFUSED);
	fd_close(p.listener);

	p.listener = network_catch_loopback(p.n, NULL);
	CHECK(p.listener >= 0);
	check_caught(&p, "127.0.0.1", 8080, "::ffff:127.0.0.1");
	/* As when the server is killed: the program stays and does nothing. */
	p.listener = fd_close(p.listener);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &d, NULL), -ECONNREFUSED);
	CHECK_EQ(network_catch_loopback(p.n, NULL), -EEXIST);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	p.listener = network_catch_loopback(p.n, NULL);
	CHECK(p.listener >= 0);
	check_caught(&p, "::1", 8080, "::1");
	leave(&p);
}

TEST(the_hosts_own_namespace_is_left_alone)
{
	struct err e = {0};
	struct network *n = NULL;
	int ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (geteuid() != 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_open(ns, &n, NULL), 0);
	CHECK_EQ(network_catch_loopback(n, &e), -EPERM);
	CHECK_STR(e.text, "the network namespace is the host's own");
	network_close(n);
	fd_close(ns);
}

TEST(a_device_with_a_queue_of_somebody_elses_is_left_alone)
{
	struct place p;

	enter(&p);
	network_release_loopback(p.n);
	CHECK_EQ(ingress_make(p.n, 1, NULL), 0);
	CHECK_EQ(network_catch_loopback(p.n, NULL), -EEXIST);
	network_release_loopback(p.n);
	CHECK_EQ(ingress_make(p.n, 1, NULL), -EEXIST);
	leave(&p);
}

/* ---- Without root of the host ---- */

static void has_address(struct network *n, const char *address)
{
	const bool is_ipv6 = strchr(address, ':');
	const struct ifaddrmsg head = {
		.ifa_family = is_ipv6 ? AF_INET6 : AF_INET,
		.ifa_prefixlen = 24,
		.ifa_index = LOOPBACK,
	};
	uint8_t bytes[sizeof(struct in6_addr)];
	struct nl_request q;

	CHECK_EQ(inet_pton(head.ifa_family, address, bytes), 1);
	nl_begin(&q, RTM_NEWADDR, NLM_F_CREATE, &head, sizeof head);
	nl_put(&q, IFA_LOCAL, bytes, is_ipv6 ? sizeof bytes : sizeof(struct in_addr));
	CHECK_EQ(nl_ask(n->sock, &q, NULL), 0);
}

/* As a user has it: root of namespaces of its own. The kernel takes no program from there. */
static void enter_as_user(struct place *p)
{
	if (unshare(CLONE_NEWUSER) < 0)
		_exit(TEST_SKIP);
	*p = (struct place){.ns_fd = -1};
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, loopback_up, NULL, NULL), 0);
	has_address(p->n, "10.0.2.100");
	has_address(p->n, "fd00::100");
	p->listener = network_catch_loopback(p->n, NULL);
	if (p->listener == -ENOENT || p->listener == -EOPNOTSUPP)
		_exit(TEST_SKIP); /* a kernel without nf_tables */
	CHECK(p->listener >= 0);
}

/* @told: the address that is told, "" for localhost. */
static void check_redirected(struct place *p, const char *address, uint16_t port, const char *told)
{
	struct dial d = place_at(address, port);
	struct network_target to;

	CHECK_EQ(namespace_visit(p->ns_fd, dial_there, &d, NULL), 0);

	int fd = take(p->listener);

	CHECK(fd >= 0);
	CHECK(network_dialled(p->listener, fd, &to));
	CHECK_EQ(to.port, port);
	CHECK_EQ(to.ipv6, strchr(address, ':') != NULL);
	CHECK_STR(to.address, told);
	check_carries(d.fd, fd);
	fd_close(d.fd);
	fd_close(fd);
}

TEST(a_user_catches_every_address_of_the_namespace_by_a_rule)
{
	struct place p;

	enter_as_user(&p);
	check_redirected(&p, "127.0.0.1", 8080, "");
	check_redirected(&p, "127.1.2.3", 1, "");
	check_redirected(&p, "10.0.2.100", 65535, "10.0.2.100");
	check_redirected(&p, "fd00::100", 1, "fd00::100");
	check_redirected(&p, "::1", 8080, "");
	leave(&p);
}

/* An interface that leads to 192.0.2.0/24 and answers nothing. */
static void has_way_out(struct network *n)
{
	const struct ifinfomsg made = {.ifi_index = 77, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	const struct ifaddrmsg at = {.ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = 77};
	const uint8_t own[] = {192, 0, 2, 2};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &made, sizeof made);

	size_t about = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "veth");
	nl_nest_end(&q, about);
	if (nl_ask(n->sock, &q, NULL) < 0)
		_exit(TEST_SKIP); /* a kernel without veth */
	nl_begin(&q, RTM_NEWADDR, NLM_F_CREATE, &at, sizeof at);
	nl_put(&q, IFA_LOCAL, own, sizeof own);
	CHECK_EQ(nl_ask(n->sock, &q, NULL), 0);
}

static int dial_without_waiting(void *arg, struct err *e)
{
	struct dial *d = arg;

	(void) e;
	d->fd = socket(d->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return connect(d->fd, &d->any, d->bytes) == 0 ? 0 : -errno;
}

TEST(what_goes_elsewhere_is_not_a_users_to_catch)
{
	struct dial away = place_at("192.0.2.1", 80), here = place_at("192.0.2.2", 80);
	struct place p;

	enter_as_user(&p);
	has_way_out(p.n);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_without_waiting, &away, NULL), -EINPROGRESS);
	CHECK_EQ(take(p.listener), -1);
	(void) namespace_visit(p.ns_fd, dial_without_waiting, &here, NULL);

	int fd = take(p.listener);

	CHECK(fd >= 0);
	fd_close(fd);
	fd_close(away.fd);
	fd_close(here.fd);
	leave(&p);
}

TEST(a_users_rule_goes_when_it_is_released_and_by_a_clean_up)
{
	struct dial d = place_at("127.0.0.1", 8080);
	struct place p;

	enter_as_user(&p);
	network_release_loopback(p.n);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &d, NULL), -ECONNREFUSED);
	fd_close(p.listener);
	p.listener = network_catch_loopback(p.n, NULL);
	CHECK(p.listener >= 0);
	check_redirected(&p, "127.0.0.1", 8080, "");
	/* As when the server is killed. */
	p.listener = fd_close(p.listener);
	CHECK_EQ(namespace_visit(p.ns_fd, dial_there, &d, NULL), -ECONNREFUSED);
	CHECK_EQ(network_catch_loopback(p.n, NULL), -EEXIST);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	p.listener = network_catch_loopback(p.n, NULL);
	check_redirected(&p, "::1", 8080, "");
	leave(&p);
}
