/* The addresses of names, as the rules know them by what a name server answers. */
#include <string.h>

#include "base/array.h"
#include "egress_place.h"

/* A question, or the answer that the name has this address. Of the name "a.b". */
static struct frame about_name(uint16_t id, uint16_t port, uint8_t last, bool is_answer)
{
	const struct way w = {SERVER, IPPROTO_UDP, port, 53, 0, is_answer};
	const uint8_t head[] = {(uint8_t) (id >> 8),
				(uint8_t) id,
				is_answer ? 0x81 : 1,
				0,
				0,
				1,
				0,
				is_answer,
				0,
				0,
				0,
				0};
	const uint8_t question[] = {1, 'a', 1, 'b', 0, 0, 1, 0, 1};
	const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 6, 6, last};
	struct frame f = packet(&w);

	f.n = TRANSPORT + 8;
	memset(f.bytes + TRANSPORT + 4, 0, 4);
	add(&f, head, sizeof head);
	add(&f, question, sizeof question);
	if (is_answer)
		add(&f, record, sizeof record);
	f.bytes[IP + 3] = (uint8_t) (f.n - IP);
	f.bytes[TRANSPORT + 5] = (uint8_t) (f.n - TRANSPORT);
	return f;
}

/* Until the guest gets this answer of the server's. */
static bool is_delivered(struct place *p, const struct frame *f)
{
	send_frame(p, f, false);
	for (;;) {
		struct frame got = next_for_guest(p);

		/* But for the checksum, which was missing. */
		memset(got.bytes + TRANSPORT + 6, 0, 2);
		if (is_same(&got, f))
			return true;
	}
}

static bool reaches(struct place *p, uint8_t last)
{
	char peer[] = "10.6.6.0";

	peer[7] = (char) ('0' + last);
	return leaves(p, &(struct way){peer, IPPROTO_TCP, 4000, 443, SYN, false});
}

TEST(an_address_is_allowed_once_its_name_was_asked_for_and_told)
{
	static const char *const names[] = {"a.b tcp 443"};
	struct frame question = about_name(7, 3000, 0, false);
	struct frame answer = about_name(7, 3000, 5, true);
	struct place p;

	enter_with(&p, names, ARRAY_LEN(names));
	CHECK(!reaches(&p, 5));
	/* It was not asked: it passes, and tells nothing. */
	CHECK(passes(&p, &answer, false));
	CHECK(!reaches(&p, 5));
	CHECK(passes(&p, &question, true));
	CHECK(is_delivered(&p, &answer));
	CHECK(reaches(&p, 5));
	CHECK(!reaches(&p, 6));
	CHECK(egress_watch_expire(p.watch) > 0);
	leave(&p);
}

TEST(an_answer_to_another_question_opens_nothing)
{
	static const char *const names[] = {"a.b tcp 443"};
	struct frame question = about_name(7, 3000, 0, false);
	struct frame right = about_name(7, 3000, 5, true), wrong = about_name(8, 3000, 6, true);
	struct frame again = about_name(7, 3000, 8, true);
	struct place p;

	enter_with(&p, names, ARRAY_LEN(names));
	CHECK(passes(&p, &question, true));
	CHECK(is_delivered(&p, &wrong));
	CHECK(!reaches(&p, 6));
	CHECK(is_delivered(&p, &right));
	CHECK(reaches(&p, 5));
	/* Each question has one answer. */
	CHECK(is_delivered(&p, &again));
	CHECK(!reaches(&p, 8));
	leave(&p);
}
