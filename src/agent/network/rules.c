/*
 * Routing rules, see ip-rule(8). Formats: include/uapi/linux/fib_rules.h.
 *
 * What the host has asked for is remembered as the bytes of its messages: two rules are the same
 * when these are.
 */
#include "agent/network/rules.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "agent/network/network.h"
#include "agent/network/state.h"
#include "base/array.h"
#include "base/auto.h"
#include "base/log.h"
#include "base/netlink.h"

struct packed {
	uint8_t *bytes;
	size_t n;
};

struct rules {
	size_t n;
	struct packed list[];
};

void rules_free(struct rules *rules)
{
	for (size_t i = 0; rules && i < rules->n; i++)
		free(rules->list[i].bytes);
	free(rules);
}
AUTO_PTR(struct rules, rules_free)

static struct rules *rules_pack(Types__Rule *const *list, size_t n)
{
	auto_ptr(rules_free) struct rules *all = calloc(1, sizeof *all + n * sizeof all->list[0]);

	for (size_t i = 0; all && i < n; i++) {
		size_t bytes = types__rule__get_packed_size(list[i]);

		all->list[i].bytes = malloc(bytes + 1);
		if (!all->list[i].bytes)
			return NULL;
		all->list[i].n = types__rule__pack(list[i], all->list[i].bytes);
		all->n++;
	}
	return take_ptr(all);
}

/* What a kernel has by itself, in the words of the host: fib_default_rules_init() of
 * net/ipv4/fib_rules.c, fib6_rules_net_init() of net/ipv6/fib6_rules.c. */
static struct rules *rules_of_kernel(void)
{
	static const struct {
		Types__IPFamily family;
		uint32_t priority, table;
	} made[] = {
		{TYPES__IPFAMILY__v4, 0, RT_TABLE_LOCAL},
		{TYPES__IPFAMILY__v4, 0x7ffe, RT_TABLE_MAIN},
		{TYPES__IPFAMILY__v4, 0x7fff, RT_TABLE_DEFAULT},
		{TYPES__IPFAMILY__v6, 0, RT_TABLE_LOCAL},
		{TYPES__IPFAMILY__v6, 0x7ffe, RT_TABLE_MAIN},
	};
	uint32_t numbers[ARRAY_LEN(made)][FRA_MAX + 1] = {0};
	Types__Rule rules[ARRAY_LEN(made)], *list[ARRAY_LEN(made)];

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		types__rule__init(&rules[i]);
		rules[i].family = made[i].family;
		rules[i].action = FR_ACT_TO_TBL;
		numbers[i][FRA_PRIORITY] = made[i].priority;
		numbers[i][FRA_TABLE] = made[i].table;
		numbers[i][FRA_PROTOCOL] = RTPROT_KERNEL;
		rules[i].numbers = numbers[i];
		rules[i].n_numbers = FRA_MAX + 1;
		list[i] = &rules[i];
	}
	return rules_pack(list, ARRAY_LEN(made));
}

static bool among(const struct rules *all, const struct packed *one)
{
	for (size_t i = 0; i < all->n; i++)
		if (all->list[i].n == one->n && memcmp(all->list[i].bytes, one->bytes, one->n) == 0)
			return true;
	return false;
}

/* ---- a rule as the kernel wants it ---- */

static int read_network(const char *text, uint8_t family, struct ip *ret, struct err *e)
{
	*ret = (struct ip){0};
	if (!*text)
		return 0;

	int r = ip_parse_network(text, ret, e);

	if (r == 0 && ret->family != family)
		r = err_say(e, EINVAL, "'%.64s' is of the other family", text);
	return r;
}

static int put_name(struct nl_request *q, uint16_t type, const char *name, struct err *e)
{
	if (!*name)
		return 0;

	int r = interface_name_check(name, e);

	if (r == 0)
		nl_put_string(q, type, name);
	return r;
}

static int put_users(struct nl_request *q, const Types__Rule *r, struct err *e)
{
	if (r->n_users == 0)
		return 0;
	if (r->n_users != 2)
		return err_say(e, EINVAL, "a range of users is two numbers");

	const struct fib_rule_uid_range users = {.start = r->users[0], .end = r->users[1]};

	nl_put(q, FRA_UID_RANGE, &users, sizeof users);
	return 0;
}

static void put_u8(struct nl_request *q, uint16_t type, uint32_t value)
{
	const uint8_t byte = (uint8_t) value;

	nl_put(q, type, &byte, sizeof byte);
}

static void put_ports(struct nl_request *q, uint16_t type, uint32_t value)
{
	const struct fib_rule_port_range ports = {
		.start = (uint16_t) (value >> 16),
		.end = (uint16_t) value,
	};

	nl_put(q, type, &ports, sizeof ports);
}

static void put_number(struct nl_request *q, uint16_t type, uint32_t value)
{
	switch (type) {
	case FRA_SUPPRESS_PREFIXLEN:
	case FRA_SUPPRESS_IFGROUP:
		nl_put_u32(q, type, value - 1);
		break;
	case FRA_IP_PROTO:
	case FRA_PROTOCOL:
	case FRA_L3MDEV:
		put_u8(q, type, value);
		break;
	case FRA_SPORT_RANGE:
	case FRA_DPORT_RANGE:
		put_ports(q, type, value);
		break;
	default:
		nl_put_u32(q, type, value);
	}
}

static uint32_t priority_of(const Types__Rule *r)
{
	return r->n_numbers > FRA_PRIORITY ? r->numbers[FRA_PRIORITY] : 0;
}

static int put_numbers(struct nl_request *q, const Types__Rule *r, struct err *e)
{
	if (r->n_numbers > FRA_MAX + 1)
		return err_say(e, EINVAL, "%zu numbers are more than there are", r->n_numbers);
	for (size_t i = 0; i < r->n_numbers; i++)
		if (r->numbers[i] && i != FRA_PRIORITY)
			put_number(q, (uint16_t) i, r->numbers[i]);
	/* Without one the kernel makes it up. */
	nl_put_u32(q, FRA_PRIORITY, priority_of(r));
	return 0;
}

static int put_selectors(struct nl_request *q, const Types__Rule *r, struct err *e)
{
	int found = put_name(q, FRA_IIFNAME, r->iif, e);

	if (found == 0)
		found = put_name(q, FRA_OIFNAME, r->oif, e);
	if (found == 0)
		found = put_numbers(q, r, e);
	return found < 0 ? found : put_users(q, r, e);
}

static int make(struct nl_request *q, uint16_t type, uint16_t flags, const Types__Rule *r,
		struct err *e)
{
	struct fib_rule_hdr head = {
		.family = r->family == TYPES__IPFAMILY__v6 ? AF_INET6 : AF_INET,
		.tos = (uint8_t) r->tos,
		.action = (uint8_t) r->action,
		.flags = r->inverted ? FIB_RULE_INVERT : 0,
	};
	struct ip from, to;
	int found = read_network(r->source, head.family, &from, e);

	if (found == 0)
		found = read_network(r->dest, head.family, &to, e);
	if (found == 0 && (r->tos > UINT8_MAX || r->action > FR_ACT_MAX))
		found = err_say(e, EINVAL, "tos %u or action %u is none", r->tos, r->action);
	if (found < 0)
		return found;
	head.src_len = from.prefix;
	head.dst_len = to.prefix;
	nl_begin(q, type, flags, &head, sizeof head);
	if (from.prefix > 0)
		nl_put(q, FRA_SRC, from.bytes, ip_bytes(from.family));
	if (to.prefix > 0)
		nl_put(q, FRA_DST, to.bytes, ip_bytes(to.family));
	return put_selectors(q, r, e);
}

/* ---- all of them ---- */

/* A container may have done the same, and a guest may have no IPv6. */
static int add(int fd, const Types__Rule *rule, struct err *e)
{
	struct err cause = {0};
	struct nl_request q;
	int r = make(&q, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule, e);

	if (r < 0)
		return r;
	r = nl_ask(fd, &q, &cause);
	if (r == 0 || r == -EEXIST || r == -EAFNOSUPPORT)
		return 0;
	if (e)
		*e = cause;
	return err_wrap(e, r, "add the rule %u", priority_of(rule));
}

static int remove_one(int fd, const struct packed *old, struct err *e)
{
	Types__Rule *rule = types__rule__unpack(NULL, old->n, old->bytes);
	struct err cause = {0};
	struct nl_request q;

	if (!rule)
		return err_sys(e, ENOMEM, "remove a rule");

	uint32_t priority = priority_of(rule);
	int r = make(&q, RTM_DELRULE, 0, rule, &cause);

	types__rule__free_unpacked(rule, NULL);
	if (r == 0)
		r = nl_ask(fd, &q, &cause);
	if (r == 0 || r == -ENOENT || r == -EAFNOSUPPORT)
		return 0;
	if (e)
		*e = cause;
	return err_wrap(e, r, "remove the rule %u", priority);
}

/* The new ones first, so that at no moment a packet finds less than before and after. */
static int change(int fd, const struct rules *old, const struct rules *new,
		  Types__Rule *const *list, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < new->n; i++)
		if (!among(old, &new->list[i]))
			r = add(fd, list[i], e);
	for (size_t i = 0; r == 0 && i < old->n; i++)
		if (!among(new, &old->list[i]))
			r = remove_one(fd, &old->list[i], e);
	return r;
}

static int check_all(Types__Rule *const *list, size_t count, struct err *e)
{
	struct nl_request q;
	int r = 0;

	if (count > NETWORK_RULES_MAX)
		return err_say(e, EINVAL, "%zu rules are more than %d", count, NETWORK_RULES_MAX);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = err_wrap(e, make(&q, RTM_NEWRULE, 0, list[i], e), "rule %u",
			     priority_of(list[i]));
	return r;
}

int network_set_rules(struct network *n, Types__Rule *const *list, size_t count, struct err *e)
{
	int r = check_all(list, count, e);

	if (r < 0)
		return r;

	auto_close int fd = nl_open(NETLINK_ROUTE, e);
	auto_ptr(rules_free) struct rules *new = rules_pack(list, count);

	if (fd < 0)
		return fd;
	if (!n->rules)
		n->rules = rules_of_kernel();
	if (!new || !n->rules)
		return err_sys(e, ENOMEM, "read rules");
	r = change(fd, n->rules, new, list, e);
	if (r < 0)
		return r;
	rules_free(n->rules);
	n->rules = take_ptr(new);
	return 0;
}
