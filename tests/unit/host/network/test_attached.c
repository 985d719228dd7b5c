#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "host/network/network.h"
#include "tests/test.h"

static int read_text(const char *text, struct network_attached *ret, struct err *e)
{
	return network_attached_read(text, strlen(text), ret, e);
}

static bool is_ip(const struct network_ip *ip, const char *text, unsigned bits)
{
	char is[INET6_ADDRSTRLEN];

	return inet_ntop(ip->family, ip->bytes, is, sizeof is) && strcmp(is, text) == 0 &&
	       ip->bits == bits;
}

TEST(a_file_has_interfaces_with_all_that_a_guest_is_told)
{
	static const uint8_t mac[] = {2, 0, 0, 0, 0, 5};
	auto_free char *text = NULL;
	struct network_attached a;

	CHECK_EQ(
		file_read(AT_FDCWD, "tests/fuzz/corpus/attached/one.json", 4096, &text, NULL, NULL),
		0);
	CHECK_EQ(read_text(text, &a, NULL), 0);
	CHECK_STR(a.netns, "/run/netns/plugin");
	CHECK_EQ(a.facts.n_links, 1);
	CHECK_STR(a.facts.links[0].name, "eth0");
	CHECK_EQ(a.facts.links[0].mtu, 1400);
	CHECK_EQ(a.facts.links[0].flags, IFF_UP | IFF_NOARP);
	CHECK(memcmp(a.facts.links[0].mac, mac, sizeof mac) == 0);
	CHECK_STR(a.taps[0].name, "tap7");
	CHECK_EQ(a.taps[0].n_queues, 2);
	CHECK_EQ(a.facts.n_addresses, 2);
	CHECK(is_ip(&a.facts.addresses[0].ip, "192.168.0.1", 24));
	CHECK(is_ip(&a.facts.addresses[1].ip, "fd00::2", 64));
	CHECK(network_wants_address(&a.facts.addresses[1]));
	CHECK_EQ(a.facts.n_routes, 2);
	CHECK(is_ip(&a.facts.routes[0].to, "0.0.0.0", 0));
	CHECK(is_ip(&a.facts.routes[0].via, "192.168.0.254", 32));
	CHECK(is_ip(&a.facts.routes[1].to, "172.18.0.0", 16));
	CHECK(is_ip(&a.facts.routes[1].source, "192.168.0.1", 32));
	CHECK_EQ(a.facts.routes[1].flags, RTNH_F_ONLINK);
	CHECK_EQ(a.facts.routes[1].metrics[RTAX_MTU], 1300);
	CHECK_EQ(a.facts.n_neighbours, 1);
	CHECK(network_wants_neighbour(&a.facts.neighbours[0]));
	network_attached_fini(&a);
	network_attached_fini(&a);
}

#define DEVICE(more)                                                                                \
	"{\"devices\":[{\"name\":\"e\",\"device\":{\"type\":\"host-tap\",\"tap_name\":\"t\"}," more \
	"}]}"
#define INFO(more) \
	DEVICE("\"network_info\":{\"interface\":{\"ip_addresses\":[\"10.0.0.2/8\"]}," more "}")

TEST(what_is_left_out_has_the_plugin_s_defaults)
{
	struct network_attached a;

	CHECK_EQ(read_text(INFO("\"x\":1"), &a, NULL), 0);
	CHECK(!a.netns);
	CHECK_EQ(a.facts.links[0].mtu, 1500);
	/* For one host, and of whoever makes it up. */
	CHECK_EQ(a.facts.links[0].mac[0] & 3, 2);
	CHECK_EQ(a.taps[0].n_queues, 0);
	network_attached_fini(&a);
	CHECK_EQ(read_text("{}", &a, NULL), 0);
	CHECK_EQ(a.facts.n_links, 0);
	CHECK(a.taps);
	network_attached_fini(&a);
}

TEST(what_makes_no_sense_or_is_not_there_is_refused_with_its_place)
{
	static const struct {
		const char *text;
		int code;
		const char *says;
	} cases[] = {
		{"{", EINVAL, "line 1"},
		{"[1]", 0, ""},
		{"{\"devices\":{}}", EINVAL, "devices: it is no list"},
		{"{\"devices\":[{\"device\":{\"type\":\"vhost-user\",\"path\":\"/x\"}}]}", ENOTSUP,
		 "devices[0]: device: type: 'vhost-user' is not supported"},
		{"{\"devices\":[{\"device\":{\"type\":\"vfio\"}}]}", ENOTSUP, "'vfio'"},
		{"{\"devices\":[{}]}", ENOTSUP, "type: ''"},
		{"{\"devices\":[{\"device\":{\"type\":\"host-tap\"}}]}", EINVAL, "tap_name: ''"},
		{"{\"devices\":[{\"device\":{\"type\":\"host-tap\",\"tap_name\":\"a/b\"}}]}",
		 EINVAL, "tap_name: 'a/b'"},
		{"{\"devices\":[{\"device\":{\"type\":\"host-tap\",\"tap_name\":\"t\",\"queue_num\":17}}]}",
		 EINVAL, "queue_num: it is no number from 0 to 16"},
		{"{\"devices\":[{\"device\":{\"type\":\"host-tap\",\"tap_name\":\"t\",\"queue_size\":8}}]}",
		 ENOTSUP, "queue_size: 8"},
		{DEVICE("\"guest_mac\":\"01:00:00:00:00:01\""), EINVAL, "guest_mac"},
		{DEVICE("\"guest_mac\":\"02:00:00:00:00:01:02\""), EINVAL, "guest_mac"},
		{DEVICE("\"network_info\":{\"interface\":{\"ip_addresses\":[\"10.0.0.2/33\"]}}"),
		 EINVAL, "ip_addresses[0]: '10.0.0.2/33' is no address"},
		{DEVICE("\"network_info\":{\"interface\":{\"mtu\":-1}}"), EINVAL, "mtu"},
		{INFO("\"routes\":[{}]"), EINVAL, "network_info: routes[0]: it has neither"},
		{INFO("\"routes\":[{\"dest\":7}]"), EINVAL, "routes[0]: dest: it is no text"},
		{INFO("\"neighbors\":[{\"ip_address\":\"10.0.0.3\"}]"), EINVAL,
		 "neighbors[0]: hardware_addr"},
		{INFO("\"neighbors\":[{\"hardware_addr\":\"02:00:00:00:00:01\"}]"), EINVAL,
		 "ip_address: it is missing"},
		{INFO("\"neighbors\":[{\"ip_address\":\"10.0.0.3\",\"state\":2,"
		      "\"hardware_addr\":\"02:00:00:00:00:01\"}]"),
		 ENOTSUP, "state: 2"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct network_attached a = {0};
		struct err e = {0};

		CHECK_EQ(read_text(cases[i].text, &a, &e), -cases[i].code);
		if (!strstr(e.text, cases[i].says))
			test_fail(__FILE__, __LINE__, "case %zu says '%s'", i, e.text);
		network_attached_fini(&a);
	}
}
