#include "host/egress/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "tests/test.h"

static struct egress_policy *read_one(const char *line)
{
	struct egress_policy *p = NULL;
	struct err e = {0};

	if (egress_policy_read(&line, 1, &p, &e) < 0)
		test_fail(__FILE__, __LINE__, "'%s': %s", line, e.text);
	return p;
}

static void check(const char *line, const char *prefix, unsigned bits, unsigned protocol,
		  unsigned first, unsigned last)
{
	struct egress_policy *p = read_one(line);
	char text[INET6_ADDRSTRLEN];

	CHECK_EQ(p->n, 1);

	const struct egress_rule *r = &p->rules[0];

	CHECK(inet_ntop(r->family, r->prefix, text, sizeof text));
	CHECK_STR(text, prefix);
	CHECK_EQ(r->bits, bits);
	CHECK_EQ(r->protocol, protocol);
	CHECK_EQ(r->first_port, first);
	CHECK_EQ(r->last_port, last);
	egress_policy_free(p);
}

TEST(a_line_is_a_place_a_protocol_and_ports)
{
	check("10.1.2.3", "10.1.2.3", 32, 0, 0, 65535);
	check("10.1.2.3/8", "10.0.0.0", 8, 0, 0, 65535);
	check("0.0.0.0/0 udp", "0.0.0.0", 0, IPPROTO_UDP, 0, 65535);
	check("10.1.2.3/31 tcp 443", "10.1.2.2", 31, IPPROTO_TCP, 443, 443);
	check("  2001:db8::1/32\tsctp  1-65535 ", "2001:db8::", 32, IPPROTO_SCTP, 1, 65535);
	check("::1 icmp", "::1", 128, IPPROTO_ICMP, 0, 65535);
}

TEST(no_line_is_no_policy_and_none_is_one_that_allows_nothing)
{
	struct egress_policy *p = NULL;

	CHECK_EQ(egress_policy_read(NULL, 0, &p, NULL), 0);
	CHECK(!p);
	p = read_one("none");
	CHECK(p && p->n == 0);
	egress_policy_free(p);
}

TEST(a_line_that_is_not_understood_is_refused_with_its_words)
{
	static const char *const lines[] = {
		"",
		" ",
		"10.1.2",
		"10.1.2.3/33",
		"10.1.2.3/",
		"10.1.2.3/-1",
		"::/129",
		"::1%eth0",
		"10.1.2.3 http",
		"name/8",
		"a..b",
		".a",
		"a.",
		"*",
		"*.",
		"a.*.b",
		"a*.b",
		"name.443",
		"na\xc3\xafve.example",
		"10.1.2.3 tcp 0",
		"10.1.2.3 tcp 65536",
		"10.1.2.3 tcp 5-4",
		"10.1.2.3 tcp 5-",
		"10.1.2.3 tcp -5",
		"10.1.2.3 icmp 8",
		"10.1.2.3 tcp 80 443",
		"10.1.2.3 tcp 80 443 8080",
	};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct egress_policy *p = NULL;
		struct err e = {0};

		CHECK_EQ(egress_policy_read(&lines[i], 1, &p, &e), -EINVAL);
		CHECK(!p && strstr(e.text, lines[i]));
	}
}

TEST(a_name_is_for_itself_and_one_with_an_asterisk_for_all_below_it)
{
	struct egress_policy *one = read_one("Good.Example tcp 443"),
			     *below = read_one("*.example");

	CHECK(egress_policy_has_names(one));
	CHECK_STR(one->rules[0].name, "good.example");
	CHECK(egress_rule_is_for(&one->rules[0], "good.example"));
	CHECK(!egress_rule_is_for(&one->rules[0], "a.good.example"));
	CHECK(!egress_rule_is_for(&one->rules[0], "example"));
	CHECK(egress_rule_is_for(&below->rules[0], "good.example"));
	CHECK(egress_rule_is_for(&below->rules[0], "a.good.example"));
	CHECK(!egress_rule_is_for(&below->rules[0], "example"));
	CHECK(!egress_rule_is_for(&below->rules[0], "badexample"));
	CHECK(!egress_rule_is_for(&below->rules[0], "good.example.org"));
	egress_policy_free(one);
	egress_policy_free(below);
}

TEST(name_servers_are_addresses_and_have_a_maximum)
{
	struct egress_policy *p = read_one("good.example");

	CHECK_EQ(egress_policy_resolver(p, "good.example", NULL), -EINVAL);
	for (int i = 0; i < EGRESS_RESOLVERS_MAX; i++)
		CHECK_EQ(egress_policy_resolver(p, i % 2 ? "10.0.0.1" : "fd00::1", NULL), 0);
	CHECK_EQ(egress_policy_resolver(p, "10.0.0.1", NULL), -E2BIG);
	egress_policy_free(p);
}

TEST(none_is_not_one_of_several_lines)
{
	const char *lines[] = {"10.1.2.3", "none"};
	struct egress_policy *p = NULL;

	CHECK_EQ(egress_policy_read(lines, 2, &p, NULL), -EINVAL);
	CHECK(!p);
}

TEST(lines_and_their_number_have_a_limit)
{
	static const char *lines[EGRESS_RULES_MAX + 1];
	struct egress_policy *p = NULL;
	char line[600];

	memset(line, '1', sizeof line);
	line[sizeof line - 1] = '\0';
	lines[0] = line;
	CHECK_EQ(egress_policy_read(lines, 1, &p, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		lines[i] = "10.1.2.3";
	CHECK_EQ(egress_policy_read(lines, ARRAY_LEN(lines), &p, NULL), -E2BIG);
	CHECK_EQ(egress_policy_read(lines, EGRESS_RULES_MAX, &p, NULL), 0);
	CHECK_EQ(p->n, EGRESS_RULES_MAX);
	egress_policy_free(p);
}
