#include "host/egress/names.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/test.h"

/* A server that knows one thing: "a.b" has the address 10.x.x.x. */
struct talk {
	struct names *names;
	size_t come, gone;
};

static void count(void *arg, const struct names_change *change)
{
	struct talk *t = arg;

	t->come += change->comes;
	t->gone += !change->comes;
}

static void begin(struct talk *t, const char *line)
{
	struct egress_policy *p = NULL;

	*t = (struct talk){0};
	CHECK_EQ(egress_policy_read(&line, 1, &p, NULL), 0);
	CHECK_EQ(names_new(p, &t->names, NULL), 0);
	egress_policy_free(p);
}

static struct packet between(bool is_answer, const uint8_t *data, size_t bytes)
{
	struct packet p = {
		.family = AF_INET, .protocol = IPPROTO_UDP, .data = data, .bytes = bytes};

	p.from[0] = is_answer ? 53 : 2;
	p.to[0] = is_answer ? 2 : 53;
	p.from_port = is_answer ? 53 : 3000;
	p.to_port = is_answer ? 3000 : 53;
	return p;
}

static void talk(struct talk *t, uint16_t id, uint32_t address, uint32_t ttl, msec_t now)
{
	uint8_t m[37] = {(uint8_t) (id >> 8),
			 (uint8_t) id,
			 [5] = 1,
			 [12] = 1,
			 'a',
			 1,
			 'b',
			 0,
			 0,
			 1,
			 0,
			 1,
			 0xc0,
			 12,
			 0,
			 1,
			 0,
			 1};
	struct packet question = between(false, m, 21);

	names_ask(t->names, &question);
	m[2] = 0x80;
	m[7] = 1;
	put_be32(m + 27, ttl);
	m[32] = 4;
	put_be32(m + 33, address);

	struct packet answer = between(true, m, sizeof m);

	names_answer(t->names, &answer, now, count, t);
}

#define FIRST 0x0a000001

TEST(an_address_stays_as_long_as_it_was_told_but_not_shorter_or_longer_than_the_limits)
{
	struct talk t;

	begin(&t, "a.b");
	talk(&t, 1, FIRST, 1, 1000);
	talk(&t, 2, FIRST + 1, 100, 1000);
	talk(&t, 3, FIRST + 2, UINT32_MAX, 1000);
	CHECK_EQ(t.come, 3);
	CHECK_EQ(names_expire(t.names, 1000 + NAMES_LEAST_SECONDS * 1000 - 1, count, &t),
		 1000 + NAMES_LEAST_SECONDS * 1000);
	CHECK_EQ(t.gone, 0);
	CHECK_EQ(names_expire(t.names, 1000 + NAMES_LEAST_SECONDS * 1000, count, &t), 101000);
	CHECK_EQ(t.gone, 1);
	CHECK_EQ(names_expire(t.names, 101000, count, &t),
		 1000 + (msec_t) NAMES_MOST_SECONDS * 1000);
	CHECK_EQ(names_expire(t.names, 1000 + (msec_t) NAMES_MOST_SECONDS * 1000, count, &t), 0);
	CHECK_EQ(t.gone, 3);
	names_free(t.names);
}

TEST(what_is_told_again_comes_once_and_stays_longer)
{
	struct talk t;

	begin(&t, "*.b");
	talk(&t, 1, FIRST, 100, 0);
	talk(&t, 2, FIRST, 100, 50000);
	CHECK_EQ(t.come, 1);
	CHECK_EQ(names_expire(t.names, 100000, count, &t), 150000);
	names_free(t.names);
}

TEST(addresses_have_a_maximum_and_who_ends_first_makes_room)
{
	struct talk t;

	begin(&t, "a.b");
	for (uint32_t i = 0; i < NAMES_ADDRESSES_MAX + 10; i++)
		talk(&t, (uint16_t) i, FIRST + i, 100, i);
	CHECK_EQ(t.come, NAMES_ADDRESSES_MAX + 10);
	CHECK_EQ(t.gone, 10);
	CHECK_EQ(names_expire(t.names, 10 * 100000, count, &t), 0);
	CHECK_EQ(t.gone, t.come);
	names_free(t.names);
}

TEST(a_name_that_is_not_in_the_list_is_remembered_for_the_log_only)
{
	const uint8_t address[4] = {10, 0, 0, 1}, other[4] = {10, 0, 0, 2};
	struct talk t;

	begin(&t, "*.a.b");
	talk(&t, 1, FIRST, 100, 0);
	CHECK_EQ(t.come, 0);
	CHECK_STR(names_of(t.names, AF_INET, address), "a.b");
	CHECK(!names_of(t.names, AF_INET, other));
	names_free(t.names);
}
