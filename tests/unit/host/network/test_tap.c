#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "host/network/tap.h"

#include "messages.h"

static const struct network_rates no_limits;

/* A namespace with one veth, "eth0", whose other end is in it, too. */
struct place {
	int ns_fd;
	struct network *n;
	struct network_facts f;
};

static int make_veth(void *arg, struct err *e)
{
	const struct ifinfomsg head = {.ifi_flags = IFF_UP, .ifi_change = IFF_UP};
	int sock = nl_open(NETLINK_ROUTE, e);
	struct nl_request q;

	(void) arg;
	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof head);
	nl_put_string(&q, IFLA_IFNAME, "eth0");
	nl_put_u32(&q, IFLA_MTU, 1400);

	size_t info = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "veth");
	nl_nest_end(&q, info);

	int r = nl_ask(sock, &q, e);

	fd_close(sock);
	return r;
}

static const struct network_link *link_named(const struct network_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_links; i++)
		if (strcmp(f->links[i].name, name) == 0)
			return &f->links[i];
	return NULL;
}

static void look(struct place *p)
{
	struct err e = {0};

	network_facts_fini(&p->f);
	if (network_scan(p->n, &p->f, &e) < 0)
		test_fail(__FILE__, __LINE__, "%s", e.text);
}

static void enter(struct place *p)
{
	*p = (struct place){.ns_fd = -1};
	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&p->ns_fd, NULL), 0);
	CHECK_EQ(network_open(p->ns_fd, &p->n, NULL), 0);
	CHECK_EQ(namespace_visit(p->ns_fd, make_veth, NULL, NULL), 0);
	look(p);
}

static void leave(struct place *p)
{
	network_facts_fini(&p->f);
	network_close(p->n);
	fd_close(p->ns_fd);
}

TEST(a_new_namespace_has_a_loopback_and_nothing_else)
{
	struct network_facts f = {0};
	struct network *n = NULL;
	int ns = -1;

	if (geteuid() != 0)
		_exit(TEST_SKIP);
	CHECK_EQ(network_namespace_new(&ns, NULL), 0);
	CHECK_EQ(network_open(ns, &n, NULL), 0);
	CHECK_EQ(network_scan(n, &f, NULL), 0);

	const struct network_link *lo = link_named(&f, "lo");

	CHECK(lo && lo->type == ARPHRD_LOOPBACK);
	for (size_t i = 0; i < f.n_links; i++) {
		const char *why;

		CHECK(!network_wants(&f, &f.links[i], &why));
	}
	network_facts_fini(&f);
	network_close(n);
	fd_close(ns);
}

TEST(a_thread_that_visits_leaves_its_caller_where_it_is)
{
	struct stat before, after, other;
	struct place p;

	enter(&p);
	CHECK_EQ(stat("/proc/thread-self/ns/net", &before), 0);
	CHECK_EQ(namespace_visit(p.ns_fd, make_veth, NULL, NULL), -EEXIST);
	CHECK_EQ(stat("/proc/thread-self/ns/net", &after), 0);
	CHECK_EQ(fstat(p.ns_fd, &other), 0);
	CHECK_EQ(before.st_ino, after.st_ino);
	CHECK(other.st_ino != after.st_ino);
	leave(&p);
}

TEST(what_arrives_at_the_interface_comes_out_of_the_tap_and_back)
{
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");
	const char *why;

	CHECK(eth && network_wants(&p.f, eth, &why));

	int index = eth->index;

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), 0);
	CHECK_EQ(tap.mtu, 1400);
	look(&p);

	const struct network_link *ours = link_named(&p.f, "tap0_kata");

	CHECK(ours && ours->index == tap.index && ours->mtu == 1400);
	CHECK(!network_wants(&p.f, ours, &why) && !why);
	network_tap_close(p.n, index, &tap);
	CHECK_EQ(tap.n_queues, 0);
	look(&p);
	CHECK(!link_named(&p.f, "tap0_kata"));
	leave(&p);
}

TEST(a_tap_ends_before_those_who_have_its_queues)
{
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");
	int index = eth->index;

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 2, &tap, NULL), 0);

	auto_close int first = dup(tap.fds[0]);
	auto_close int second = dup(tap.fds[1]);
	struct ifreq is;

	CHECK(first >= 0 && second >= 0);
	network_tap_share(&tap);
	network_tap_close(p.n, index, &tap);
	look(&p);
	CHECK(!link_named(&p.f, "tap0_kata"));
	CHECK(ioctl(first, TUNGETIFF, &is) < 0 && errno == EBADFD);
	CHECK(ioctl(second, TUNGETIFF, &is) < 0 && errno == EBADFD);
	leave(&p);
}

TEST(a_tap_has_as_many_queues_as_it_is_asked_for)
{
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");
	int index = eth->index;

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, NETWORK_QUEUES_MAX, &tap, NULL), 0);
	CHECK_EQ(tap.n_queues, NETWORK_QUEUES_MAX);
	for (size_t i = 0; i < tap.n_queues; i++) {
		struct ifreq is;

		CHECK_EQ(ioctl(tap.fds[i], TUNGETIFF, &is), 0);
		CHECK_STR(is.ifr_name, "tap0_kata");
		CHECK(is.ifr_flags & IFF_MULTI_QUEUE);
	}
	look(&p);
	CHECK(link_named(&p.f, "tap0_kata") && !link_named(&p.f, "tap1_kata"));
	network_tap_share(&tap);
	CHECK_EQ(tap.n_queues, 1);
	look(&p);
	CHECK(link_named(&p.f, "tap0_kata"));
	/* It ends with the last one. */
	tap_release(&tap);
	look(&p);
	CHECK(!link_named(&p.f, "tap0_kata"));
	network_tap_close(p.n, index, &tap);
	leave(&p);
}

/* Makes the tap "borrowed", which stays. */
static int make_tap(void *arg, struct err *e)
{
	struct ifreq request = {.ifr_name = "borrowed"};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	request.ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | *(const short *) arg);
	if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETPERSIST, 1) < 0)
		return err_sys(e, errno, "make a tap");
	fd_close(fd);
	return 0;
}

TEST(a_tap_of_somebody_else_is_opened_as_it_is_and_stays)
{
	static const struct {
		short flags;
		size_t n_queues;
		int code;
	} cases[] = {{0, 1, 0}, {0, 2, -EINVAL}, {IFF_MULTI_QUEUE, 1, 0}, {IFF_MULTI_QUEUE, 2, 0}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct network_tap tap = {0};
		short flags = cases[i].flags;
		struct place p;

		enter(&p);
		CHECK_EQ(network_tap_borrow(p.n, "borrowed", 1, &tap, NULL), -ENODEV);
		CHECK_EQ(network_tap_borrow(p.n, "eth0", 1, &tap, NULL), -EINVAL);
		CHECK_EQ(namespace_visit(p.ns_fd, make_tap, &flags, NULL), 0);
		CHECK_EQ(network_tap_borrow(p.n, "borrowed", cases[i].n_queues, &tap, NULL),
			 cases[i].code);
		CHECK_EQ(tap.n_queues, cases[i].code < 0 ? 0 : cases[i].n_queues);
		network_tap_close(p.n, 1, &tap);
		look(&p);

		const struct network_link *there = link_named(&p.f, "borrowed");

		CHECK(there && (cases[i].code < 0 || (there->flags & IFF_UP)));
		leave(&p);
	}
}

TEST(an_interface_is_redirected_once)
{
	struct network_tap tap = {0}, second = {0};
	struct place p;
	struct err e = {0};

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), 0);
	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &second, &e), -EEXIST);
	CHECK(strstr(e.text, "eth0"));
	CHECK_EQ(second.n_queues, 0);
	/* The first is not harmed: closing it gives the interface free. */
	network_tap_close(p.n, eth->index, &tap);
	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &second, NULL), 0);
	network_tap_close(p.n, eth->index, &second);
	leave(&p);
}

TEST(an_interface_that_went_is_no_device_any_more)
{
	struct network_link gone = {.index = 4711, .mtu = 1500, .name = "gone"};
	struct network_tap tap = {0};
	struct place p;

	enter(&p);
	CHECK_EQ(network_tap_open(p.n, &gone, &no_limits, 1, &tap, NULL), -ENODEV);
	look(&p);
	CHECK(!link_named(&p.f, "tap0_kata"));
	leave(&p);
}

TEST(frames_are_as_large_as_a_tap_can_have_them)
{
	static const struct {
		uint32_t link, tap;
	} cases[] = {{68, 68}, {1500, 1500}, {9000, 9000}, {65535, 65521}};
	struct place p;

	enter(&p);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct network_link eth = *link_named(&p.f, "eth0");
		struct network_tap tap = {0};

		eth.mtu = cases[i].link;
		CHECK_EQ(network_tap_open(p.n, &eth, &no_limits, 1, &tap, NULL), 0);
		CHECK_EQ(tap.mtu, cases[i].tap);
		network_tap_close(p.n, eth.index, &tap);
	}
	leave(&p);
}

TEST(what_a_dead_process_has_left_is_removed)
{
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), 0);
	/* The tap goes with the process; the interface's redirection to it stays. */
	tap_release(&tap);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), 0);
	network_tap_close(p.n, eth->index, &tap);
	leave(&p);
}

static int queue_of_another(void *arg, struct err *e)
{
	const struct tcmsg tc = {
		.tcm_ifindex = *(int *) arg,
		.tcm_parent = TC_H_INGRESS,
		.tcm_handle = TC_H_MAKE(0xffffU << 16, 0),
	};
	int sock = nl_open(NETLINK_ROUTE, e);
	struct nl_request q;

	nl_begin(&q, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, &tc, sizeof tc);
	nl_put_string(&q, TCA_KIND, "ingress");

	int r = nl_ask(sock, &q, e);

	fd_close(sock);
	return r;
}

TEST(what_others_have_made_is_left_alone)
{
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");
	int index = eth->index;

	CHECK_EQ(namespace_visit(p.ns_fd, queue_of_another, &index, NULL), 0);
	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), -EEXIST);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	CHECK_EQ(namespace_visit(p.ns_fd, queue_of_another, &index, NULL), -EEXIST);
	leave(&p);
}

static int add_queue(void *arg, const struct nl_message *m, struct err *e)
{
	const struct tcmsg *tc = m->fixed;

	(void) e;
	*(int *) arg += tc->tcm_parent == TC_H_ROOT && tc->tcm_handle >> 16 == 0xca7a;
	return 0;
}

static void again(void *arg)
{
	*(int *) arg = 0;
}

/* How many queues of ours limit what leaves an interface. */
static int count_limits(const struct place *p)
{
	const struct tcmsg any = {0};
	struct nl_request q;
	int n = 0;

	nl_begin(&q, RTM_GETQDISC, 0, &any, sizeof any);
	CHECK_EQ(nl_dump(p->n->sock, &q, sizeof any, add_queue, again, &n, NULL), 0);
	return n;
}

TEST(a_rate_is_kept_at_both_ends_and_removed)
{
	const struct network_rates both = {.rx = 8, .tx = UINT64_C(100) << 30};
	const struct network_rates rx = {.rx = 1000000};
	struct network_tap tap = {0};
	struct place p;

	enter(&p);

	const struct network_link *eth = link_named(&p.f, "eth0");

	CHECK_EQ(network_tap_open(p.n, eth, &no_limits, 1, &tap, NULL), 0);
	CHECK_EQ(count_limits(&p), 0);
	network_tap_close(p.n, eth->index, &tap);
	CHECK_EQ(network_tap_open(p.n, eth, &rx, 1, &tap, NULL), 0);
	CHECK_EQ(count_limits(&p), 1);
	network_tap_close(p.n, eth->index, &tap);
	CHECK_EQ(network_tap_open(p.n, eth, &both, 1, &tap, NULL), 0);
	CHECK_EQ(count_limits(&p), 2);
	/* As when the process is killed. */
	tap_release(&tap);
	CHECK_EQ(count_limits(&p), 1);
	CHECK_EQ(network_clean(p.n, NULL), 0);
	CHECK_EQ(count_limits(&p), 0);
	/* Whoever limits the interface already is not replaced, and nothing of ours is left. */
	CHECK_EQ(limit_make(p.n, eth->index, 1000, NULL), 0);
	CHECK_EQ(network_tap_open(p.n, eth, &both, 1, &tap, NULL), -EEXIST);
	CHECK_EQ(count_limits(&p), 1);
	limit_remove(p.n, eth->index);
	CHECK_EQ(network_tap_open(p.n, eth, &both, 1, &tap, NULL), 0);
	network_tap_close(p.n, eth->index, &tap);
	leave(&p);
}
