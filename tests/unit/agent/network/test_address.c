#include "agent/network/address.h"

#include <arpa/inet.h>
#include <errno.h>

#include "base/array.h"

#include "tests/test.h"

TEST(addresses_are_read_and_written)
{
	static const char *const good[] = {"10.0.0.1", "255.255.255.255",      "fd00::1",
					   "::",       "fe80::5054:ff:fe00:1", "::ffff:10.0.0.1"};
	char text[IP_TEXT_MAX];
	struct ip ip;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_EQ(ip_parse(good[i], &ip, NULL), 0);
		CHECK_STR(ip_print(&ip, text), good[i]);
		CHECK_EQ(ip.prefix, ip_bits(ip.family));
	}
	CHECK_EQ(ip_parse_network("10.0.0.0/8", &ip, NULL), 0);
	CHECK_STR(ip_print_network(&ip, text), "10.0.0.0/8");
	CHECK_EQ(ip_parse_network("::/0", &ip, NULL), 0);
	CHECK_STR(ip_print_network(&ip, text), "::/0");
	CHECK_EQ(ip_parse_network("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", &ip, NULL), 0);
	CHECK_STR(ip_print_network(&ip, text), "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
	CHECK_EQ(ip_parse_network("10.1.2.3", &ip, NULL), 0);
	CHECK_EQ(ip.prefix, 32);
}

TEST(what_is_no_address_is_refused)
{
	static const char *const bad[] = {
		"",
		" ",
		"10",
		"10.0.0",
		"10.0.0.256",
		"10.0.0.1 ",
		"010.0.0.1x",
		"fd00::1::",
		"fe80::1%eth0",
		"10.0.0.0/",
		"10.0.0.0/33",
		"fd00::/129",
		"10.0.0.0/-1",
		"10.0.0.0/8/8",
		"/8",
		"10.0.0.0/ 8",
		"10.0.0.0/18446744073709551624",
		"0000000000000000000000000000000000000000000000000000000000000000000000000000/1",
	};
	struct ip ip = {.family = 77};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = {0};

		CHECK_EQ(ip_parse_network(bad[i], &ip, &e), -EINVAL);
		CHECK(e.text[0]);
		CHECK_EQ(ip.family, 77);
	}
}

TEST(what_netlink_gives_must_have_the_length_of_its_family)
{
	static const uint8_t bytes[16] = {10, 0, 0, 1};
	struct ip ip;

	CHECK_EQ(ip_set(&ip, AF_INET, bytes, 4), 0);
	CHECK_EQ(ip_set(&ip, AF_INET6, bytes, 16), 0);
	CHECK_EQ(ip_set(&ip, AF_INET, bytes, 16), -EBADMSG);
	CHECK_EQ(ip_set(&ip, AF_INET6, bytes, 4), -EBADMSG);
	CHECK_EQ(ip_set(&ip, AF_UNIX, bytes, 4), -EBADMSG);
	CHECK_EQ(ip_set(&ip, AF_INET, NULL, 0), -EBADMSG);
}

TEST(the_broadcast_address_has_all_bits_behind_the_prefix)
{
	struct ip ip;

	CHECK_EQ(ip_parse_network("10.1.2.3/8", &ip, NULL), 0);
	CHECK_EQ(ip_broadcast(&ip), htonl(0x0affffff));
	CHECK_EQ(ip_parse_network("10.1.2.3/32", &ip, NULL), 0);
	CHECK_EQ(ip_broadcast(&ip), htonl(0x0a010203));
	CHECK_EQ(ip_parse_network("10.1.2.3/0", &ip, NULL), 0);
	CHECK_EQ(ip_broadcast(&ip), 0xffffffff);
}

TEST(link_local_addresses_are_known)
{
	struct ip ip;

	CHECK_EQ(ip_parse("fe80::1", &ip, NULL), 0);
	CHECK(ip_is_link_local(&ip));
	CHECK_EQ(ip_parse("febf::1", &ip, NULL), 0);
	CHECK(ip_is_link_local(&ip));
	CHECK_EQ(ip_parse("fec0::1", &ip, NULL), 0);
	CHECK(!ip_is_link_local(&ip));
	CHECK_EQ(ip_parse("169.254.0.1", &ip, NULL), 0);
	CHECK(!ip_is_link_local(&ip));
}

TEST(hardware_addresses_are_those_of_one_interface)
{
	static const char *const bad[] = {
		"",
		"52",
		"52:54:00:12:34",
		"52:54:00:12:34:5",
		"52:54:00:12:34:56:78",
		"52:54:00:12:34:5g",
		"52-54-00-12-34-56",
		"5254:00:12:34:56",
		":::::",
		"00:00:00:00:00:00",
		"01:00:5e:00:00:01",
		"ff:ff:ff:ff:ff:ff",
		"52:54:00:12:34:56 ",
	};
	char text[MAC_TEXT_MAX];
	uint8_t mac[ETH_ALEN];

	CHECK_EQ(mac_parse("52:54:00:Ab:cD:0f", mac, NULL), 0);
	CHECK_STR(mac_print(mac, text), "52:54:00:ab:cd:0f");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(mac_parse(bad[i], mac, NULL), -EINVAL);
}

TEST(names_of_interfaces_are_those_that_the_kernel_takes)
{
	static const char *const bad[] = {"",    ".",     "..",  "a/b",  "a b",
					  "a:1", "eth%d", "a\n", "\x01", "sixteen-letters."};

	CHECK_EQ(interface_name_check("fifteen-letters", NULL), 0);
	CHECK_EQ(interface_name_check("eth0.100", NULL), 0);
	CHECK_EQ(interface_name_check("...", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_EQ(interface_name_check(bad[i], NULL), -EINVAL);
}
