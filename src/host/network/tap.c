#include "host/network/tap.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/* As upstream calls them; the kernel chooses the number. */
#define NAME_FORMAT "tap%d_kata"
/* What the kernel's tun driver takes at most: 65535 less the Ethernet header. */
#define MTU_MAX (65535U - ETH_HLEN)
/* What a program of the kernel's can put a head before: BPF_SKB_MAX_LEN, which is four pages and
 * what the kernel notes behind them. */
#define HEADLESS_MTU_MAX 16000U

bool tap_is_ours(const struct network_link *link)
{
	int number, end = 0;

	return strcmp(link->kind, "tun") == 0 &&
	       sscanf(link->name, "tap%d_kata%n", &number, &end) == 1 && end && !link->name[end];
}

struct making {
	struct network *n;
	struct ifreq request;
	short flags; /* IFF_* beside those that all taps have */
	size_t n_queues;
	int index; /* once it was found */
	struct network_tap *tap;
};

/* @more: IFF_MULTI_QUEUE or 0. */
static int make_queue(struct making *m, short more, struct err *e)
{
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '/dev/net/tun'");
	m->request.ifr_flags = (short) (IFF_TAP | IFF_NO_PI | m->flags | more);
	if (ioctl(fd, TUNSETIFF, &m->request) < 0)
		return err_sys(e, errno, "attach to the tap");
	m->tap->fds[m->tap->n_queues++] = take_fd(&fd);
	return 0;
}

/* In the namespace: the tap is made in the one in which the file was opened. The first queue makes
 * it, and the others find it by the name that the kernel has chosen. */
static int make(void *arg, struct err *e)
{
	struct making *m = arg;
	int r = 0;

	(void) snprintf(m->request.ifr_name, sizeof m->request.ifr_name, "%s", NAME_FORMAT);
	for (size_t i = 0; r == 0 && i < m->n_queues; i++)
		r = make_queue(m, m->n_queues > 1 ? IFF_MULTI_QUEUE : 0, e);
	if (r == 0 && ioctl(m->n->sock, SIOCGIFINDEX, &m->request) < 0)
		r = err_sys(e, errno, "find tap '%s'", m->request.ifr_name);
	m->index = m->request.ifr_ifindex;
	return r;
}

/* The host's kernel gives the tap no IPv6 address, because it would speak to the guest by it. A
 * kernel without IPv6 does not know the word. */
static int keep_silent(struct network *n, int tap, struct err *e)
{
	const struct ifinfomsg head = {.ifi_index = tap};
	const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);

	size_t all = nl_nest(&q, IFLA_AF_SPEC);
	size_t inet6 = nl_nest(&q, AF_INET6);

	nl_put(&q, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof none);
	nl_nest_end(&q, inet6);
	nl_nest_end(&q, all);

	int r = nl_ask(n->sock, &q, e);

	if (r != -EAFNOSUPPORT && r != -EOPNOTSUPP && r != -EINVAL)
		return r;
	err_clear(e);
	return 0;
}

static int bring_up(struct network *n, const struct network_tap *tap, struct err *e)
{
	const struct ifinfomsg head = {
		.ifi_index = tap->index,
		.ifi_flags = IFF_UP,
		.ifi_change = IFF_UP,
	};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, 0, &head, sizeof head);
	if (tap->mtu > 0)
		nl_put_u32(&q, IFLA_MTU, tap->mtu);
	return err_wrap(e, nl_ask(n->sock, &q, e), "an MTU of %u", tap->mtu);
}

/* What the guest receives leaves the tap, what it sends leaves the interface. */
static int limit(struct network *n, const struct network_link *link, const struct network_tap *tap,
		 const struct network_rates *rates, struct err *e)
{
	int r = rates->rx ? limit_make(n, tap->index, rates->rx, e) : 0;

	if (r == 0 && rates->tx)
		r = limit_make(n, link->index, rates->tx, e);
	return err_wrap(e, r, "limit its rate");
}

/* After a failure nothing of it is at the interface, because another try would find it in its way.
 * What is at the tap goes with that. */
static int redirect(struct network *n, const struct network_link *link, int tap, struct err *e)
{
	if (link->carries_packets)
		return packets_connect(n, link, tap, e);

	int r = mirror_make(n, tap, link->index, e);

	if (r == 0)
		r = mirror_make(n, link->index, tap, e);
	if (r < 0)
		return r;
	r = mirror_keep_leases(n, link->index, tap, e);
	if (r < 0)
		mirror_remove(n, link->index);
	return r;
}

/* What redirects by tc is not seen by nf_tables, so that does it. */
static int restrict_frames(struct network *n, const struct egress_link *l, struct err *e)
{
	int r = mirror_claim(n, l->link, e);

	if (r < 0)
		return r;
	r = egress_connect(n->egress, l, e);
	if (r < 0)
		(void) mirror_release(n, l->link);
	return r;
}

/* What was made at the interface, but for a limit. */
static void release_link(struct network *n, int link, int tap)
{
	if (!n->egress) {
		mirror_remove(n, link);
		return;
	}
	egress_disconnect(n->egress, tap, link);
	(void) mirror_release(n, link);
}

static int set_up(struct network *n, const struct network_link *link, const struct network_tap *tap,
		  const char *name, const struct network_rates *rates, struct err *e)
{
	const struct egress_link l = {
		.tap = tap->index,
		.link = link->index,
		.tap_name = name,
		.link_name = link->name,
	};
	int r = keep_silent(n, tap->index, e);
	bool is_joined = false; /* else what is at the interface may be another tap's */

	/* Nothing may pass to the host's kernel before the rules are there. */
	if (r == 0 && n->egress) {
		r = restrict_frames(n, &l, e);
		is_joined = r == 0;
	}
	if (r == 0)
		r = bring_up(n, tap, e);
	if (r == 0 && !n->egress) {
		r = err_wrap(e, redirect(n, link, tap->index, e), "redirect its frames");
		is_joined = r == 0;
	}
	if (r == 0)
		r = limit(n, link, tap, rates, e);
	if (r < 0 && is_joined)
		release_link(n, link->index, tap->index);
	return err_wrap(e, r, "set up a tap");
}

static void remove_tap(struct network *n, int tap)
{
	const struct ifinfomsg head = {.ifi_index = tap};
	struct nl_request q;

	nl_begin(&q, RTM_DELLINK, 0, &head, sizeof head);
	(void) nl_ask(n->sock, &q, NULL);
}

static void close_queues(struct network_tap *tap, size_t n_left)
{
	while (tap->n_queues > n_left)
		fd_close(tap->fds[--tap->n_queues]);
}

void tap_release(struct network_tap *tap)
{
	close_queues(tap, 0);
}

void network_tap_share(struct network_tap *tap)
{
	close_queues(tap, 1);
}

int network_tap_open(struct network *n, const struct network_link *link,
		     const struct network_rates *rates, size_t n_queues, struct network_tap *ret,
		     struct err *e)
{
	bool is_headless = link->carries_packets && !link->has_blank_heads;
	uint32_t mtu_max = is_headless ? HEADLESS_MTU_MAX : MTU_MAX;
	struct network_tap tap = {.mtu = link->mtu > mtu_max ? mtu_max : link->mtu};
	/* Where the head is taken off, the guest does not say where in a frame a checksum is to be
	 * put, because a kernel that takes its word for it would write before the packet. */
	struct making m = {
		.n = n,
		.flags = is_headless ? 0 : IFF_VNET_HDR,
		.n_queues = n_queues,
		.tap = &tap,
	};

	assert(n_queues >= 1 && n_queues <= NETWORK_QUEUES_MAX);
	/* nf_tables sends frames on as they are, and cannot make them. */
	if (n->egress && link->carries_packets)
		return err_say(
			e, EOPNOTSUPP,
			"connect interface '%s': an egress policy cannot be kept where there "
			"is no Ethernet",
			link->name);

	int r = namespace_visit(n->ns_fd, make, &m, e);

	tap.index = m.index;
	if (r == 0)
		r = set_up(n, link, &tap, m.request.ifr_name, rates, e);
	if (r < 0) { /* the tap, and its queue, go with the descriptors */
		tap_release(&tap);
		return err_wrap(e, r, "connect interface '%s'", link->name);
	}
	*ret = tap;
	return 0;
}

/* One that has several queues is opened in another way than one that has one, whatever is asked. */
static int borrow(void *arg, struct err *e)
{
	struct making *m = arg;
	int r = -EINVAL;

	if (ioctl(m->n->sock, SIOCGIFINDEX, &m->request) < 0)
		return err_sys(e, errno, "find it");
	m->index = m->request.ifr_ifindex;
	if (m->n_queues == 1)
		r = make_queue(m, 0, e);
	if (r == -EINVAL) {
		err_clear(e);
		r = 0;
	}
	while (r == 0 && m->tap->n_queues < m->n_queues)
		r = make_queue(m, IFF_MULTI_QUEUE, e);
	return r;
}

int network_tap_borrow(struct network *n, const char *name, size_t n_queues,
		       struct network_tap *ret, struct err *e)
{
	struct network_tap tap = {.mtu = MTU_MAX};
	struct making m = {.n = n, .flags = IFF_VNET_HDR, .n_queues = n_queues, .tap = &tap};

	assert(n_queues >= 1 && n_queues <= NETWORK_QUEUES_MAX);
	(void) snprintf(m.request.ifr_name, sizeof m.request.ifr_name, "%s", name);

	int r = namespace_visit(n->ns_fd, borrow, &m, e);

	if (r == 0)
		r = bring_up(n, &(struct network_tap){.index = m.index}, e);
	if (r < 0) {
		tap_release(&tap);
		return err_wrap(e, r, "open tap '%s'", name);
	}
	*ret = tap;
	return 0;
}

void network_tap_close(struct network *n, int link, struct network_tap *tap)
{
	if (!tap->index) {
		tap_release(tap);
		return;
	}
	/* First, because without its rules it would speak to the host's kernel. */
	remove_tap(n, tap->index);
	release_link(n, link, tap->index);
	limit_remove(n, link);
	tap_release(tap);
	tap->index = 0;
}

int network_clean(struct network *n, struct err *e)
{
	struct network_facts f;
	bool was_restricted = false;
	int r = network_scan(n, &f, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < f.n_links; i++) {
		mirror_remove(n, f.links[i].index);
		was_restricted |= mirror_release(n, f.links[i].index);
		limit_remove(n, f.links[i].index);
		if (tap_is_ours(&f.links[i]))
			remove_tap(n, f.links[i].index);
	}
	network_facts_fini(&f);
	network_release_loopback(n);
	if (was_restricted) {
		auto_close int sock = network_socket(n->ns_fd, NETLINK_NETFILTER, e);

		r = sock < 0 ? sock : 0;
		egress_clean(sock);
	}
	return r;
}
