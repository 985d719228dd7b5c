#include "host/egress/dns.h"

#include <string.h>
#include <sys/socket.h>

#include "base/array.h"
#include "tests/test.h"

struct message {
	uint8_t bytes[1024];
	size_t n;
};

static void add(struct message *m, const void *data, size_t bytes)
{
	CHECK(m->n + bytes <= sizeof m->bytes);
	memcpy(m->bytes + m->n, data, bytes);
	m->n += bytes;
}

/* About the addresses of "a.b", which is at 12. */
static struct message about(uint8_t flags, uint8_t rcode, uint8_t records)
{
	const uint8_t head[12] = {0, 7, flags, rcode, 0, 1, 0, records};
	const uint8_t question[] = {1, 'A', 1, 'b', 0, 0, 1, 0, 1};
	struct message m = {0};

	add(&m, head, sizeof head);
	add(&m, question, sizeof question);
	return m;
}

static void add_record(struct message *m, const void *owner, size_t owner_bytes, uint8_t type,
		       const void *data, uint8_t bytes)
{
	const uint8_t rest[] = {0, type, 0, 1, 0, 0, 0, 30, 0, bytes};

	add(m, owner, owner_bytes);
	add(m, rest, sizeof rest);
	add(m, data, bytes);
}

static const uint8_t that[] = {0xc0, 12}, address[] = {10, 1, 2, 3};

static bool reads(const struct message *m, struct dns_message *ret)
{
	return dns_read(m->bytes, m->n, ret);
}

TEST(a_question_has_a_number_a_name_in_small_letters_and_a_type)
{
	struct message m = about(1, 0, 0);
	struct dns_message d;

	CHECK(reads(&m, &d));
	CHECK(!d.is_answer && d.id == 7 && d.type == 1 && d.n == 0);
	CHECK_STR(d.name, "a.b");
}

TEST(an_answer_tells_addresses)
{
	struct message m = about(0x81, 0x80, 2);
	struct dns_message d;

	add_record(&m, that, 2, 1, address, 4);
	add_record(&m, that, 2, 1, "\1\2\3\4", 4);
	CHECK(reads(&m, &d));
	CHECK(d.is_answer && d.n == 2);
	CHECK(d.addresses[0].family == AF_INET && d.addresses[0].ttl_seconds == 30);
	CHECK(memcmp(d.addresses[0].bytes, address, 4) == 0);
}

TEST(an_alias_leads_to_addresses)
{
	static const uint8_t alias[] = {1, 'c', 0xc0, 14};
	struct message m = about(0x81, 0x80, 2);
	struct dns_message d;

	add_record(&m, that, 2, 5, alias, sizeof alias);
	add_record(&m, "\1c\1b", 5, 1, address, 4);
	CHECK(reads(&m, &d));
	CHECK_EQ(d.n, 1);
	CHECK_STR(d.name, "a.b");
}

TEST(what_is_told_of_another_name_is_not_taken)
{
	struct message m = about(0x81, 0x80, 1);
	struct dns_message d;

	add_record(&m, "\1c\1b", 5, 1, address, 4);
	CHECK(reads(&m, &d));
	CHECK_EQ(d.n, 0);
}

TEST(a_record_of_another_type_or_length_is_not_taken)
{
	struct message m = about(0x81, 0x80, 2);
	struct dns_message d;

	add_record(&m, that, 2, 28, "0123456789abcdef", 16);
	add_record(&m, that, 2, 1, "0123456789abcdef", 16);
	CHECK(reads(&m, &d));
	CHECK_EQ(d.n, 0);
}

TEST(a_refusal_tells_nothing)
{
	struct message m = about(0x81, 0x83, 1);
	struct dns_message d;

	add_record(&m, that, 2, 1, address, 4);
	CHECK(reads(&m, &d));
	CHECK(d.is_answer && d.n == 0);
}

TEST(a_pointer_that_leads_nowhere_or_in_a_circle_is_refused)
{
	static const uint8_t pointers[][2] = {{0xc0, 21}, {0xc0, 200}, {0xff, 0xff}, {0x80, 1}};

	for (size_t i = 0; i < ARRAY_LEN(pointers); i++) {
		struct message m = about(0x81, 0x80, 1);
		struct dns_message d;

		add_record(&m, pointers[i], 2, 1, address, 4);
		CHECK(!reads(&m, &d));
	}
}

TEST(a_message_that_is_cut_is_refused)
{
	struct message m = about(0x81, 0x80, 1);
	struct dns_message d;

	add_record(&m, that, 2, 1, address, 4);
	for (size_t n = 0; n < m.n; n++)
		CHECK(!dns_read(m.bytes, n, &d));
}

TEST(a_name_with_other_letters_or_none_is_refused)
{
	static const uint8_t letters[] = {'.', 0, ' ', '*', 0x80, '/'};

	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		struct message m = about(1, 0, 0);
		struct dns_message d;

		m.bytes[13] = letters[i];
		CHECK(!reads(&m, &d));
	}
}

TEST(no_answer_makes_more_addresses_than_there_is_room_for)
{
	struct message m = about(0x81, 0x80, 70);
	struct dns_message d;

	for (unsigned i = 0; i < 60; i++)
		add_record(&m, that, 2, 1, address, 4);
	m.bytes[7] = 60;
	CHECK(reads(&m, &d));
	CHECK_EQ(d.n, 60);
	CHECK(d.n <= DNS_ADDRESSES_MAX);
}
