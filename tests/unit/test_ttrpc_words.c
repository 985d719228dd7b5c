#include "tests/test.h"

#include "ttrpc/words.h"

static const char *copied(const char *text, size_t room, bool one_line)
{
	static char out[256];

	memset(out, 'x', sizeof out);
	CHECK_EQ(words_copy(out, room, text, strlen(text), one_line), strlen(out));
	CHECK(strlen(out) < room);
	return out;
}

TEST(utf8_passes_and_other_bytes_do_not)
{
	CHECK_STR(copied("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7", 64, true),
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7");
	CHECK_STR(copied("\x80\xbf\xc0\x80\xc1\xbf", 64, true), "??????"); /* overlong */
	CHECK_STR(copied("\xe0\x80\x80", 64, true), "???");                /* overlong */
	CHECK_STR(copied("\xed\xa0\x80", 64, true), "???");                /* a surrogate */
	CHECK_STR(copied("\xf4\x90\x80\x80", 64, true), "????");           /* above U+10FFFF */
	CHECK_STR(copied("a\xe2\x82", 64, true), "a??");                   /* cut short */
	CHECK_STR(copied("\xe2\x82z", 64, true), "??z");
	CHECK_STR(copied("\xff\xfe", 64, true), "??");
}

TEST(one_line_has_no_control_characters)
{
	CHECK_STR(copied("a\nb\tc\rd\x1b[0m\x7f", 64, true), "a b c d?[0m?");
	CHECK_STR(copied("a\nb\t\x1b", 64, false), "a\nb\t\x1b");
}

TEST(a_character_is_not_cut_in_two)
{
	CHECK_STR(copied("ab\xe2\x82\xac", 6, true), "ab\xe2\x82\xac");
	CHECK_STR(copied("ab\xe2\x82\xac", 5, true), "ab");
	CHECK_STR(copied("ab", 1, true), "");
}

TEST(a_nul_inside_ends_nothing_early)
{
	char out[8];

	CHECK_EQ(words_copy(out, sizeof out, "a\0b", 3, true), 3);
	CHECK_STR(out, "a?b");
}
