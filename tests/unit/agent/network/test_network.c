/* Against the kernel that this runs on, in a network namespace of the test's own. */
#include "agent/network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "base/netlink.h"

#include "tests/test.h"

#define MANY 64

static void mac_of(int i, char to[18])
{
	(void) snprintf(to, 18, "02:00:5e:00:53:%02x", i);
}

/* A pair of interfaces that ends in nothing, @i of many, with the address of mac_of(). */
static void make_link(int i)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, NULL);
	struct ifinfomsg info = {.ifi_family = AF_UNSPEC};
	uint8_t mac[] = {0x02, 0x00, 0x5e, 0x00, 0x53, (uint8_t) i};
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &info, sizeof info);
	nl_put(&q, IFLA_ADDRESS, mac, sizeof mac);

	size_t about = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "veth");
	nl_nest_end(&q, about);

	int r = nl_ask(fd, &q, NULL);

	if (r == -EOPNOTSUPP || r == -EPERM)
		exit(TEST_SKIP);
	CHECK_EQ(r, 0);
}

static void enter_room(void)
{
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		exit(TEST_SKIP);
}

static void want(Types__Interface *w, const char *name, const char *mac)
{
	types__interface__init(w);
	w->name = (char *) name;
	w->hwaddr = (char *) mac;
}

static int set(struct network *n, Types__Interface *w)
{
	Types__Interface *now = NULL;
	struct err e = {0};
	char shown[640];
	int r = network_set_interface(n, w, NULL, &now, &e);

	if (r < 0)
		printf("# %s\n", err_show(&e, shown, sizeof shown));
	if (now)
		types__interface__free_unpacked(now, NULL);
	return r;
}

TEST(many_interfaces_exchange_their_names)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__Interface w, **list = NULL;
	size_t count = 0;
	unsigned found = 0;
	char name[IFNAMSIZ], mac[18];

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	for (int i = 0; i < MANY; i++)
		make_link(i);
	/* Each takes a name that another one may have. */
	for (int i = 0; i < MANY; i++) {
		(void) snprintf(name, sizeof name, "veth%d", (i * 37 + 5) % MANY);
		mac_of(i, mac);
		want(&w, name, mac);
		CHECK_EQ(set(n, &w), 0);
	}
	CHECK_EQ(network_list_interfaces(n, &list, &count, NULL), 0);
	CHECK(count >= 2 * MANY + 1);
	for (size_t k = 0; k < count; k++)
		for (int i = 0; i < MANY; i++) {
			(void) snprintf(name, sizeof name, "veth%d", (i * 37 + 5) % MANY);
			mac_of(i, mac);
			found += strcmp(list[k]->name, name) == 0 &&
				 strcmp(list[k]->hwaddr, mac) == 0;
		}
	CHECK_EQ(found, MANY);
	network_free_interfaces(list, count);
}

/* Sets the interface of mac_of(1), as "pod0", to the addresses, which end with NULL. */
static void set_addresses(struct network *n, const char *const *texts)
{
	Types__IPAddress address[4], *list[4];
	Types__Interface w;

	want(&w, "pod0", "02:00:5e:00:53:01");
	w.ipaddresses = list;
	for (; texts[w.n_ipaddresses]; w.n_ipaddresses++) {
		size_t i = w.n_ipaddresses;
		bool is_ipv6 = strchr(texts[i], ':');

		types__ipaddress__init(&address[i]);
		address[i].family = is_ipv6 ? TYPES__IPFAMILY__v6 : TYPES__IPFAMILY__v4;
		address[i].address = (char *) texts[i];
		address[i].mask = (char *) (is_ipv6 ? "64" : "24");
		list[i] = &address[i];
	}
	CHECK_EQ(set(n, &w), 0);
}

/* Those that "pod0" has, without the kernel's, separated by spaces. */
static void check_addresses(struct network *n, const char *expected)
{
	Types__Interface **list = NULL;
	size_t count = 0;
	char found[256] = "";

	CHECK_EQ(network_list_interfaces(n, &list, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < list[i]->n_ipaddresses; k++) {
			const char *text = list[i]->ipaddresses[k]->address;

			if (strcmp(list[i]->name, "pod0") != 0 || strncmp(text, "fe80", 4) == 0)
				continue;
			strncat(found, " ", sizeof found - strlen(found) - 1);
			strncat(found, text, sizeof found - strlen(found) - 1);
		}
	network_free_interfaces(list, count);
	CHECK_STR(found, expected);
}

static void add_as_a_container(const char *address)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, NULL);
	const struct ifaddrmsg info = {
		.ifa_family = AF_INET,
		.ifa_prefixlen = 32,
		.ifa_index = if_nametoindex("pod0"),
	};
	struct in_addr a;
	struct nl_request q;

	CHECK_EQ(inet_pton(AF_INET, address, &a), 1);
	nl_begin(&q, RTM_NEWADDR, NLM_F_CREATE, &info, sizeof info);
	nl_put(&q, IFA_LOCAL, &a, sizeof a);
	CHECK_EQ(nl_ask(fd, &q, NULL), 0);
}

TEST(addresses_are_in_the_hosts_order_and_those_of_a_container_stay)
{
	auto_ptr(network_free) struct network *n = NULL;

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	make_link(1);
	set_addresses(n, (const char *const[]){"10.1.0.2", "fd01::3", "10.1.0.3", "fd01::2", NULL});
	check_addresses(n, " 10.1.0.2 10.1.0.3 fd01::3 fd01::2");
	add_as_a_container("10.2.0.1");
	set_addresses(n, (const char *const[]){"10.1.0.3", "fd01::3", NULL});
	check_addresses(n, " 10.2.0.1 10.1.0.3 fd01::3");
	set_addresses(n, (const char *const[]){NULL});
	check_addresses(n, " 10.2.0.1");
}

TEST(an_interface_that_is_to_be_down_is)
{
	auto_ptr(network_free) struct network *n = NULL;
	struct ifreq r = {.ifr_name = "pod0"};
	Types__Interface w;

	enter_room();

	auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(network_new(&n, NULL), 0);
	make_link(1);
	want(&w, "pod0", "02:00:5e:00:53:01");
	CHECK_EQ(set(n, &w), 0);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP));
	w.down = true;
	CHECK_EQ(set(n, &w), 0);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &r) == 0 && !(r.ifr_flags & IFF_UP));
	w.down = false;
	CHECK_EQ(set(n, &w), 0);
	CHECK(ioctl(fd, SIOCGIFFLAGS, &r) == 0 && (r.ifr_flags & IFF_UP));
}

TEST(the_loopback_has_more_addresses_and_keeps_its_own)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__IPAddress address = TYPES__IPADDRESS__INIT, *list[] = {&address};
	Types__Interface w, *now = NULL;

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	want(&w, "lo", "");
	CHECK_EQ(set(n, &w), -EINVAL);
	w.loopback = true;
	CHECK_EQ(set(n, &w), 0); /* it comes up, and has 127.0.0.1 */
	address.address = (char *) "10.5.5.5";
	address.mask = (char *) "32";
	w.ipaddresses = list;
	w.n_ipaddresses = 1;
	CHECK_EQ(network_set_interface(n, &w, NULL, &now, NULL), 0);
	CHECK(now->n_ipaddresses >= 2);
	CHECK_STR(now->ipaddresses[0]->address, "127.0.0.1");
	CHECK_STR(now->ipaddresses[1]->address, "10.5.5.5");
	types__interface__free_unpacked(now, NULL);
	w.name = (char *) "eth0";
	CHECK_EQ(set(n, &w), -EINVAL);
}

TEST(an_interface_is_found_by_its_name_when_nobody_has_the_address)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__Interface w;

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	make_link(1);
	want(&w, "pod0", "02:00:5e:00:53:01");
	CHECK_EQ(set(n, &w), 0);
	want(&w, "pod0", "02:00:5e:00:53:99");
	CHECK_EQ(network_has_interface(n, &w, NULL), 0);
	CHECK_EQ(set(n, &w), 0);
	want(&w, "pod1", "02:00:5e:00:53:01");
	CHECK_EQ(network_has_interface(n, &w, NULL), -ENODEV);
	CHECK_EQ(set(n, &w), -ENODEV);
	want(&w, "lo", "02:00:5e:00:53:01");
	CHECK_EQ(set(n, &w), -ENODEV);
	want(&w, "lo", "02:00:5e:00:53:99");
	CHECK_EQ(set(n, &w), -EINVAL);
}

TEST(more_than_the_limits_is_refused_before_anything_is_done)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__Route route = TYPES__ROUTE__INIT, **routes;
	Types__ARPNeighbor **none;
	Types__IPAddress address = TYPES__IPADDRESS__INIT, **addresses;
	Types__Interface w;

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	routes = calloc(NETWORK_ROUTES_MAX + 1, sizeof(*routes));
	none = calloc(NETWORK_NEIGHBOURS_MAX + 1, sizeof(*none));
	addresses = calloc(NETWORK_ADDRESSES_MAX + 1, sizeof(*addresses));
	CHECK(routes && none && addresses);
	for (int i = 0; i <= NETWORK_ROUTES_MAX; i++)
		routes[i] = &route;
	for (int i = 0; i <= NETWORK_ADDRESSES_MAX; i++)
		addresses[i] = &address;
	CHECK_EQ(network_set_routes(n, routes, NETWORK_ROUTES_MAX + 1, false, NULL), -EINVAL);
	CHECK_EQ(network_set_neighbours(n, none, NETWORK_NEIGHBOURS_MAX + 1, true, NULL), -EINVAL);
	want(&w, "pod0", "02:00:5e:00:53:01");
	w.ipaddresses = addresses;
	w.n_ipaddresses = NETWORK_ADDRESSES_MAX + 1;
	CHECK_EQ(set(n, &w), -EINVAL);
	free(routes);
	free(none);
	free(addresses);
}

static Types__Route route_of(const char *device, const char *dest)
{
	Types__Route r = TYPES__ROUTE__INIT;

	r.dest = (char *) dest;
	r.device = (char *) device;
	r.scope = RT_SCOPE_LINK;
	return r;
}

/* A network with "pod0" and "pod1", and a route for each that is not set yet. */
static void two_interfaces(struct network **ret, Types__Route *ret_first, Types__Route *ret_second)
{
	Types__Interface w;

	enter_room();
	CHECK_EQ(network_new(ret, NULL), 0);
	make_link(1);
	make_link(2);
	want(&w, "pod0", "02:00:5e:00:53:01");
	CHECK_EQ(set(*ret, &w), 0);
	want(&w, "pod1", "02:00:5e:00:53:02");
	CHECK_EQ(set(*ret, &w), 0);
	*ret_first = route_of("pod0", "10.1.0.0/16");
	*ret_second = route_of("pod1", "10.2.0.0/16");
}

TEST(routes_of_an_interface_that_is_gone_are_forgotten)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__Route a, b, *list[] = {&a}, *other[] = {&b}, **all = NULL;
	size_t count = 0;

	two_interfaces(&n, &a, &b);
	CHECK_EQ(network_set_routes(n, list, 1, false, NULL), 0);
	CHECK_EQ(network_set_routes(n, other, 1, false, NULL), 0);
	CHECK_EQ(network_list_routes(n, &all, &count, NULL), 0);
	CHECK(count >= 2);
	network_free_routes(all, count);

	auto_close int fd = nl_open(NETLINK_ROUTE, NULL);
	struct ifinfomsg info = {.ifi_index = (int) if_nametoindex("pod0")};
	struct nl_request q;

	nl_begin(&q, RTM_DELLINK, 0, &info, sizeof info);
	CHECK_EQ(nl_ask(fd, &q, NULL), 0);
	/* It is named no more, and its route went with it. */
	CHECK_EQ(network_set_routes(n, list, 1, false, NULL), -ENODEV);
	CHECK_EQ(network_set_routes(n, other, 1, false, NULL), 0);
}

static bool has_route(struct network *n, const char *dest)
{
	Types__Route **all = NULL;
	size_t count = 0;
	bool found = false;

	CHECK_EQ(network_list_routes(n, &all, &count, NULL), 0);
	for (size_t i = 0; i < count; i++)
		found |= strcmp(all[i]->dest, dest) == 0;
	network_free_routes(all, count);
	return found;
}

TEST(a_complete_list_without_an_interface_takes_its_routes_away)
{
	auto_ptr(network_free) struct network *n = NULL;
	Types__Route a, b, *list[] = {&a, &b};

	two_interfaces(&n, &a, &b);
	CHECK_EQ(network_set_routes(n, list, 2, true, NULL), 0);
	/* Hosts that do not say so may tell of one interface at a time. */
	CHECK_EQ(network_set_routes(n, list, 1, false, NULL), 0);
	CHECK(has_route(n, "10.2.0.0/16"));
	CHECK_EQ(network_set_routes(n, list, 1, true, NULL), 0);
	CHECK(has_route(n, "10.1.0.0/16"));
	CHECK(!has_route(n, "10.2.0.0/16"));
	CHECK_EQ(network_set_routes(n, NULL, 0, true, NULL), 0);
	CHECK(!has_route(n, "10.1.0.0/16"));
}

/* @numbers: of FRA_MAX + 1, which it uses. */
static Types__Rule rule_of(uint32_t *numbers, uint32_t priority, const char *source)
{
	Types__Rule r = TYPES__RULE__INIT;

	numbers[FRA_PRIORITY] = priority;
	numbers[FRA_TABLE] = 100;
	r.numbers = numbers;
	r.n_numbers = FRA_MAX + 1;
	r.source = (char *) source;
	r.action = FR_ACT_TO_TBL;
	return r;
}

static int count_rule(void *arg, const struct nl_message *m, struct err *e)
{
	int *n = arg;

	(void) m;
	(void) e;
	++*n;
	return 0;
}

static void count_again(void *arg)
{
	*(int *) arg = 0;
}

static int count_rules(void)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, NULL);
	const struct rtmsg any = {.rtm_family = AF_INET};
	struct nl_request q;
	int n = 0;

	nl_begin(&q, RTM_GETRULE, 0, &any, sizeof any);
	CHECK_EQ(nl_dump(fd, &q, sizeof any, count_rule, count_again, &n, NULL), 0);
	return n;
}

TEST(rules_become_those_of_the_list_and_a_bad_one_changes_nothing)
{
	auto_ptr(network_free) struct network *n = NULL;
	uint32_t numbers[3][FRA_MAX + 2] = {0};
	Types__Rule a = rule_of(numbers[0], 10, "10.1.0.0/16");
	Types__Rule b = rule_of(numbers[1], 11, "10.2.0.0/16");
	Types__Rule bad = rule_of(numbers[2], 12, "fd00::/16"), *list[] = {&a, &b, &bad};

	enter_room();
	CHECK_EQ(network_new(&n, NULL), 0);
	CHECK_EQ(count_rules(), 3);
	CHECK_EQ(network_set_rules(n, list, 3, NULL), -EINVAL);
	CHECK_EQ(count_rules(), 3);
	/* The kernel's own are among those that go. */
	CHECK_EQ(network_set_rules(n, list, 2, NULL), 0);
	CHECK_EQ(count_rules(), 2);
	CHECK_EQ(network_set_rules(n, list + 1, 1, NULL), 0);
	CHECK_EQ(count_rules(), 1);
	b.n_numbers++;
	CHECK_EQ(network_set_rules(n, list, 2, NULL), -EINVAL);
	b.n_numbers--;
	b.iif = (char *) "a/b";
	CHECK_EQ(network_set_rules(n, list, 2, NULL), -EINVAL);
	CHECK_EQ(count_rules(), 1);
}
