#include "tests/test.h"

#include "base/text.h"

#define LAST(in, lines, out) text_last_lines(in, sizeof(in) - 1, lines, out, sizeof(out))

TEST(controls_and_escapes_vanish)
{
	char out[64];
	const char in[] = "\033[31;1mred\033[0m \t tab\007\x9b\033]0;title\007end\r";

	(void) text_printable(in, sizeof in - 1, out, sizeof out);
	CHECK_STR(out, "red tab?end");
}

TEST(an_escape_sequence_cut_short_is_survived)
{
	char out[16];

	CHECK_EQ(text_printable("a\033", 2, out, sizeof out), 1);
	CHECK_EQ(text_printable("a\033[", 3, out, sizeof out), 1);
	CHECK_EQ(text_printable("a\033]x\033", 5, out, sizeof out), 1);
	CHECK_STR(out, "a");
}

TEST(printable_stays_in_its_buffer)
{
	char out[5] = "....";

	CHECK_EQ(text_printable("abcdefgh", 8, out, sizeof out), 4);
	CHECK_STR(out, "abcd");
}

TEST(the_last_lines_come_in_order_without_empty_ones)
{
	char out[64];

	LAST("zero\none\r\n\r\n\n  \ntwo\nthree", 3, out);
	CHECK_STR(out, "one | two | three");
	LAST("", 3, out);
	CHECK_STR(out, "");
	LAST("\n\n\n", 3, out);
	CHECK_STR(out, "");
}

TEST(too_much_is_cut_at_its_beginning)
{
	char out[20];

	LAST("abcdefghij\nklmnopqrst", 2, out);
	CHECK_STR(out, "...hij | klmnopqrst");
	CHECK(strlen(out) < sizeof out);

	char tiny[8];

	LAST("abcdefghijkl", 1, tiny);
	CHECK_STR(tiny, "...ijkl");
}
