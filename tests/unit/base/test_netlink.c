#include "base/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "../../test.h"

/* Messages as the kernel would send them, one after the other. */
struct script {
	_Alignas(4) uint8_t bytes[1024];
	size_t n;
};

static void script_add(struct script *s, uint16_t type, uint16_t flags, uint32_t seq,
		       const void *body, size_t bytes)
{
	struct nlmsghdr h = {
		.nlmsg_len = (uint32_t) (sizeof h + bytes),
		.nlmsg_type = type,
		.nlmsg_flags = flags,
		.nlmsg_seq = seq,
	};

	memcpy(s->bytes + s->n, &h, sizeof h);
	if (bytes > 0)
		memcpy(s->bytes + s->n + sizeof h, body, bytes);
	s->n += NLMSG_ALIGN(sizeof h + bytes);
}

static int count(void *arg, const struct nl_message *m, struct err *e)
{
	(void) m;
	(void) e;
	(*(int *) arg)++;
	return 0;
}

static int read_all(const struct script *s, size_t fixed_bytes, int *n, struct err *e)
{
	bool interrupted = false;

	*n = 0;
	return nl_read(s->bytes, s->n, 7, fixed_bytes, count, n, &interrupted, e);
}

TEST(a_request_holds_its_attributes_and_nests)
{
	struct ifinfomsg link = {.ifi_index = 3};
	struct nl_value outer[IFLA_MAX + 1], inner[IFLA_INFO_MAX + 1];
	struct nl_request q;

	nl_begin(&q, RTM_NEWLINK, NLM_F_CREATE, &link, sizeof link);
	nl_put_u32(&q, IFLA_MTU, 1400);

	size_t nest = nl_nest(&q, IFLA_LINKINFO);

	nl_put_string(&q, IFLA_INFO_KIND, "dummy");
	nl_nest_end(&q, nest);
	nl_put_string(&q, IFLA_IFNAME, "eth0");
	CHECK(!q.overflow);
	CHECK_EQ(q.header.nlmsg_flags, NLM_F_REQUEST | NLM_F_CREATE);

	size_t head = sizeof q.header + sizeof link;

	CHECK_EQ(nl_parse(q.bytes + head, q.header.nlmsg_len - head, outer, IFLA_MAX + 1), 0);
	CHECK_EQ(nl_u32(&outer[IFLA_MTU]), 1400);
	CHECK_STR(nl_string(&outer[IFLA_IFNAME]), "eth0");
	CHECK_STR(nl_string(&outer[IFLA_ALT_IFNAME]), "");
	CHECK_EQ(nl_parse(outer[IFLA_LINKINFO].data, outer[IFLA_LINKINFO].bytes, inner,
			  IFLA_INFO_MAX + 1),
		 0);
	CHECK_STR(nl_string(&inner[IFLA_INFO_KIND]), "dummy");
}

TEST(a_request_that_does_not_fit_is_not_sent)
{
	uint8_t much[NL_REQUEST_MAX - NLMSG_HDRLEN - NLA_HDRLEN + 1] = {0};
	struct nl_request q;
	struct err e = {0};

	nl_begin(&q, RTM_NEWLINK, 0, NULL, 0);
	nl_put(&q, 1, much, sizeof much - 1);
	CHECK(!q.overflow);
	nl_put(&q, 1, much, 0);
	CHECK(q.overflow);
	nl_begin(&q, RTM_NEWLINK, 0, NULL, 0);
	CHECK(!q.overflow);
	nl_put(&q, 1, much, sizeof much);
	CHECK(q.overflow);
	nl_nest_end(&q, nl_nest(&q, 2));
	CHECK_EQ(nl_ask(-1, &q, &e), -EMSGSIZE);
}

TEST(attributes_that_leave_their_message_are_refused)
{
	struct {
		struct nlattr head;
		uint32_t value;
	} a = {{.nla_len = sizeof a, .nla_type = 1}, 5};
	struct nl_value table[2];

	CHECK_EQ(nl_parse(&a, sizeof a, table, 2), 0);
	CHECK_EQ(nl_u32(&table[1]), 5);
	CHECK_EQ(nl_parse(&a, sizeof a - 1, table, 2), -EBADMSG);
	CHECK_EQ(nl_parse(&a, 2, table, 2), -EBADMSG);
	CHECK_EQ(nl_parse(&a, 0, table, 2), 0);
	a.head.nla_len = 3;
	CHECK_EQ(nl_parse(&a, sizeof a, table, 2), -EBADMSG);
	/* Without padding, a number too short, and a text without an end. */
	a.head.nla_len = 7;
	CHECK_EQ(nl_parse(&a, 7, table, 2), 0);
	CHECK_EQ(nl_u32(&table[1]), 0);
	memcpy(&a.value, "abcd", 4);
	a.head.nla_len = 8;
	CHECK_EQ(nl_parse(&a, 8, table, 2), 0);
	CHECK_STR(nl_string(&table[1]), "");
	/* A type that nobody asked for. */
	a.head.nla_type = 2;
	CHECK_EQ(nl_parse(&a, 8, table, 2), 0);
	CHECK(!table[1].data);
}

TEST(an_answer_is_read_to_its_end_and_strange_ones_are_left_out)
{
	struct script s = {.n = 0};
	uint32_t body = 0;
	int n;

	script_add(&s, RTM_NEWLINK, NLM_F_MULTI, 6, &body, sizeof body);
	script_add(&s, RTM_NEWLINK, NLM_F_MULTI, 7, &body, sizeof body);
	script_add(&s, NLMSG_NOOP, 0, 7, NULL, 0);
	CHECK_EQ(read_all(&s, 4, &n, NULL), 1);
	CHECK_EQ(n, 1);
	script_add(&s, NLMSG_DONE, NLM_F_MULTI, 7, &body, sizeof body);
	CHECK_EQ(read_all(&s, 4, &n, NULL), 0);
	CHECK_EQ(read_all(&s, 5, &n, NULL), -EBADMSG);
	s.n -= 1;
	CHECK_EQ(read_all(&s, 4, &n, NULL), -EBADMSG);
}

TEST(a_verdict_becomes_a_sentence)
{
	struct {
		struct nlmsgerr verdict;
		struct nlattr head;
		char text[8];
	} v = {{.error = -EINVAL}, {.nla_len = 12, .nla_type = NLMSGERR_ATTR_MSG}, "too big"};
	struct script s = {.n = 0};
	struct err e = {0};
	char shown[640];
	int n;

	script_add(&s, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, 7, &v, sizeof v);
	CHECK_EQ(read_all(&s, 0, &n, &e), -EINVAL);
	CHECK_STR(err_show(&e, shown, sizeof shown), "too big: Invalid argument");

	/* The request's length says that more stands before the words than there is. */
	s.n = 0;
	v.verdict.msg.nlmsg_len = UINT32_MAX;
	script_add(&s, NLMSG_ERROR, NLM_F_ACK_TLVS, 7, &v, sizeof v);
	err_clear(&e);
	CHECK_EQ(read_all(&s, 0, &n, &e), -EINVAL);
	CHECK_STR(e.text, "the kernel refuses");

	s.n = 0;
	v.verdict.error = 5;
	script_add(&s, NLMSG_ERROR, 0, 7, &v, sizeof v);
	CHECK_EQ(read_all(&s, 0, &n, NULL), -EBADMSG);
	s.n = 0;
	script_add(&s, NLMSG_ERROR, 0, 7, &v, 8);
	CHECK_EQ(read_all(&s, 0, &n, NULL), -EBADMSG);
	s.n = 0;
	v.verdict.error = 0;
	script_add(&s, NLMSG_ERROR, NLM_F_CAPPED, 7, &v, sizeof v.verdict);
	CHECK_EQ(read_all(&s, 0, &n, NULL), 0);
}

static int find_lo(void *arg, const struct nl_message *m, struct err *e)
{
	struct nl_value table[IFLA_IFNAME + 1];

	(void) e;
	CHECK_EQ(nl_parse(m->attributes, m->attributes_bytes, table, IFLA_IFNAME + 1), 0);
	if (strcmp(nl_string(&table[IFLA_IFNAME]), "lo") == 0)
		*(bool *) arg = true;
	return 0;
}

static void never(void *arg)
{
	*(bool *) arg = false;
}

TEST(the_kernel_lists_the_loopback_and_refuses_a_link_that_is_not_there)
{
	auto_close int fd = nl_open(NETLINK_ROUTE, NULL);
	struct ifinfomsg all = {.ifi_family = AF_UNSPEC}, none = {.ifi_index = 0x7ffffff0};
	struct nl_request q;
	bool found = false;

	CHECK(fd >= 0);
	nl_begin(&q, RTM_GETLINK, 0, &all, sizeof all);
	CHECK_EQ(nl_dump(fd, &q, sizeof all, find_lo, never, &found, NULL), 0);
	CHECK(found);
	nl_begin(&q, RTM_GETLINK, 0, &none, sizeof none);
	CHECK_EQ(nl_ask(fd, &q, NULL), -ENODEV);
}
