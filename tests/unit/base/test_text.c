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

static const char *lined(const char *text, size_t room)
{
	static char out[256];

	memset(out, 'x', sizeof out);
	CHECK_EQ(text_line(text, strlen(text), out, room), strlen(out));
	CHECK(strlen(out) < room);
	return out;
}

TEST(utf8_passes_and_other_bytes_do_not)
{
	CHECK_STR(lined("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7", 64),
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x90\xa7");
	CHECK_STR(lined("\x80\xbf\xc0\x80\xc1\xbf", 64), "??????"); /* overlong */
	CHECK_STR(lined("\xe0\x80\x80", 64), "???");                /* overlong */
	CHECK_STR(lined("\xed\xa0\x80", 64), "???");                /* a surrogate */
	CHECK_STR(lined("\xf4\x90\x80\x80", 64), "????");           /* above U+10FFFF */
	CHECK_STR(lined("a\xe2\x82", 64), "a??");                   /* cut short */
	CHECK_STR(lined("\xe2\x82z", 64), "??z");
	CHECK_STR(lined("\xff\xfe", 64), "??");
}

TEST(a_line_has_no_control_characters)
{
	char out[8];

	CHECK_STR(lined("a\nb\tc\rd\x1b[0m\x7f  e", 64), "a b c d?[0m?  e");
	CHECK_EQ(text_line("a\0b", 3, out, sizeof out), 3);
	CHECK_STR(out, "a?b");
}

TEST(a_character_is_not_cut_in_two)
{
	char out[6];

	CHECK_STR(lined("ab\xe2\x82\xac", 6), "ab\xe2\x82\xac");
	CHECK_STR(lined("ab\xe2\x82\xac", 5), "ab");
	CHECK_STR(lined("ab", 1), "");
	CHECK_EQ(text_printable("ab\xe2\x82\xac", 5, out, 5), 2);
	CHECK_STR(out, "ab");
}

/* What a terminal obeys, shows backwards, or does not show. */
static const struct {
	const char *bytes;
	const char *escape;
} hostile[] = {
	{"\033", "\\u001b"},
	{"\a", "\\u0007"},
	{"\x7f", "\\u007f"},
	{"\x9b", "\\ufffd"},         /* C1 raw: CSI */
	{"\xc2\x9b", "\\u009b"},     /* and as UTF-8 */
	{"\xc2\x9d", "\\u009d"},     /* OSC */
	{"\xc2\x85", "\\u0085"},     /* next line */
	{"\xc2\xad", "\\u00ad"},     /* soft hyphen */
	{"\xd8\x9c", "\\u061c"},     /* Arabic letter mark */
	{"\xe2\x80\x8b", "\\u200b"}, /* zero width space */
	{"\xe2\x80\x8d", "\\u200d"}, /* zero width joiner */
	{"\xe2\x80\x8e", "\\u200e"}, /* left-to-right mark */
	{"\xe2\x80\x8f", "\\u200f"}, /* right-to-left mark */
	{"\xe2\x80\xa8", "\\u2028"}, /* line separator */
	{"\xe2\x80\xaa", "\\u202a"}, /* embedding */
	{"\xe2\x80\xae", "\\u202e"}, /* override */
	{"\xe2\x81\xa0", "\\u2060"}, /* word joiner */
	{"\xe2\x81\xa4", "\\u2064"}, /* invisible plus */
	{"\xe2\x81\xa6", "\\u2066"}, /* isolate */
	{"\xe2\x81\xa9", "\\u2069"},
	{"\xef\xbb\xbf", "\\ufeff"},            /* byte order mark */
	{"\xf3\xa0\x80\x81", "\\udb40\\udc01"}, /* language tag */
	{"\xf3\xa0\x81\xbf", "\\udb40\\udc7f"}, /* cancel tag */
	{"\xf4\x8f\xbf\xbf", "\\udbff\\udfff"}, /* no character */
};

TEST(nothing_hostile_is_left_in_a_line_or_a_table)
{
	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		char in[16], out[16];
		int n = snprintf(in, sizeof in, "a%sb", hostile[i].bytes);
		char *table = text_table(in, (size_t) n);

		CHECK_STR(lined(in, 64), "a?b");
		CHECK_STR(table, "a?b");
		free(table);
		(void) text_printable(in, (size_t) n, out, sizeof out);
		for (const char *p = out; *p; p++)
			CHECK((unsigned char) *p >= ' ' && (unsigned char) *p < 0x7f);
	}
}

TEST(json_keeps_what_it_means_and_shows_what_it_is)
{
	for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
		char in[32], want[32];
		int n = snprintf(in, sizeof in, "{\"a%s\":\n\t\"\\n\"}", hostile[i].bytes);
		char *out = text_json(in, (size_t) n);

		(void) snprintf(want, sizeof want, "{\"a%s\":\n\t\"\\n\"}", hostile[i].escape);
		CHECK_STR(out, want);
		free(out);
	}
}

TEST(what_is_plain_is_left_alone)
{
	static const char text[] = "Gr\xc3\xbc\xc3\x9f \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d "
				   "\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80\xef\xb8\x8f ~!";
	char *json = text_json(text, sizeof text - 1);

	CHECK_STR(lined(text, 128), text);
	CHECK_STR(json, text);
	free(json);
}

TEST(a_table_keeps_its_lines_and_columns_and_has_no_long_ones)
{
	char *in = malloc(3 * TEXT_LINE_MAX);
	char *out = text_table("UID   PID\n  0     1\n\n7", 22);

	CHECK_STR(out, "UID   PID\n  0     1\n\n7");
	free(out);
	memset(in, 'x', 3 * TEXT_LINE_MAX);
	in[3 * TEXT_LINE_MAX - 2] = '\n';
	out = text_table(in, 3 * TEXT_LINE_MAX);
	CHECK_EQ(strlen(out), TEXT_LINE_MAX + 2);
	CHECK_STR(out + TEXT_LINE_MAX, "\nx");
	free(out);
	free(in);
}

TEST(a_line_that_is_cut_in_front_begins_with_a_whole_character)
{
	static const char in[] = "x\u00e9x\u00e9x\u00e9x\u20acx\u00e9x\u20acx\u00e9";

	for (size_t room = 1; room < sizeof in; room++) {
		char out[sizeof in];

		text_last_lines(in, sizeof in - 1, 1, out, room);
		for (size_t at = 0, n = strlen(out); at < n;) {
			uint32_t c = 0;
			size_t taken = text_char(out + at, n - at, &c);

			CHECK(taken > 0);
			at += taken ? taken : n;
		}
	}
}

TEST(no_text_at_all_is_an_empty_one)
{
	char out[4] = "...";

	CHECK_EQ(text_line(NULL, 0, out, sizeof out), 0);
	CHECK_EQ(text_printable(NULL, 0, out, sizeof out), 0);
	text_last_lines(NULL, 0, 1, out, sizeof out);
	CHECK_STR(out, "");
}
