#include <errno.h>
#include <math.h>

#include "base/array.h"
#include "base/file.h"
#include "host/config/toml.h"
#include "tests/test.h"

static struct toml *accepted(const char *text)
{
	struct toml *t = NULL;
	struct err e = {0};

	if (toml_parse("f", text, strlen(text), &t, &e) < 0)
		test_fail(__FILE__, __LINE__, "%s is refused: %s", text, e.text);
	return t;
}

static void refused(const char *text, const char *sentence)
{
	struct toml *t = NULL;
	struct err e = {0};
	/* Without the NUL, so that the sanitizer sees one byte too many. */
	size_t bytes = strlen(text);
	auto_free char *exact = malloc(bytes + (bytes == 0));

	memcpy(exact, text, bytes);
	if (toml_parse("f", exact, bytes, &t, &e) == 0)
		test_fail(__FILE__, __LINE__, "%s is accepted", text);
	CHECK_STR(e.text, sentence);
}

/* The value of the last part of a path such as "a.b". */
static const struct toml *at(const struct toml *t, const char *path)
{
	char copy[128], *save;

	strcpy(copy, path);
	for (char *k = strtok_r(copy, ".", &save); k; k = strtok_r(NULL, ".", &save)) {
		t = toml_get(t, k);
		if (!t)
			test_fail(__FILE__, __LINE__, "there is no %s", path);
	}
	return t;
}

TEST(values_of_every_kind_are_read)
{
	auto_ptr(toml_free) struct toml *t = accepted(
		"s = \"x\"\ni = -17\nf = 1.5\nb = true\nl = [1, 2]\nt = {a = 1}\nu = false # no\n");

	CHECK_STR(at(t, "s")->string, "x");
	CHECK_EQ(at(t, "i")->integer, -17);
	CHECK(at(t, "f")->real == 1.5);
	CHECK(at(t, "b")->boolean);
	CHECK(!at(t, "u")->boolean);
	CHECK_EQ(at(t, "l")->n, 2);
	CHECK_EQ(at(t, "l")->last->integer, 2);
	CHECK_EQ(at(t, "t.a")->integer, 1);
	CHECK_EQ(at(t, "u")->line, 7);
	CHECK(toml_get(t, "x") == NULL);
}

TEST(integers_have_four_notations)
{
	auto_ptr(toml_free) struct toml *t =
		accepted("a=0xdead_BEEF\nb=0o755\nc=0b1101\nd=+1_000\ne=9223372036854775807\n"
			 "f=-9223372036854775808\ng=0\nh=-0\n");

	CHECK_EQ(at(t, "a")->integer, 0xdeadbeef);
	CHECK_EQ(at(t, "b")->integer, 0755);
	CHECK_EQ(at(t, "c")->integer, 13);
	CHECK_EQ(at(t, "d")->integer, 1000);
	CHECK(at(t, "e")->integer == INT64_MAX);
	CHECK(at(t, "f")->integer == INT64_MIN);
	CHECK_EQ(at(t, "g")->integer, 0);
	CHECK_EQ(at(t, "h")->integer, 0);
}

TEST(fractions_have_exponents_and_names)
{
	auto_ptr(toml_free) struct toml *t =
		accepted("a=0.2\nb=-1_0.5_0\nc=1e3\nd=6.5E-2\ne=-inf\nf=nan\ng=+inf\n");

	CHECK(at(t, "a")->real == 0.2);
	CHECK(at(t, "b")->real == -10.5);
	CHECK(at(t, "c")->real == 1000);
	CHECK(at(t, "d")->real == 0.065);
	CHECK(isinf(at(t, "e")->real) && at(t, "e")->real < 0);
	CHECK(isnan(at(t, "f")->real));
}

TEST(badly_written_numbers_are_refused)
{
	static const char *const bad[] = {"01",   "1__0", "_1",    "1_",   "0x",   "0xg",
					  "0o8",  "0b2",  "1.",    ".5",   "1.e3", "1e",
					  "1e+",  "--1",  "+-1",   "0x-1", "-0x1", "1.5.2",
					  "infx", "tru",  "truex", "0_1",  "1_.5", "00"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[32], want[64];

		(void) snprintf(text, sizeof text, "a = %s", bad[i]);
		(void) snprintf(want, sizeof want, "f:1: '%s' is no value", bad[i]);
		refused(text, want);
	}
	refused("a = 9223372036854775808", "f:1: 9223372036854775808 does not fit in 64 bits");
	refused("a = ", "f:1: expected a value, not 'the end'");
	refused("a = ?", "f:1: expected a value, not '?'");
}

TEST(dates_are_refused_with_a_sentence)
{
	refused("a = 1979-05-27", "f:1: dates and times are not supported");
	refused("\na = 1979-05-27T07:32:00Z", "f:2: dates and times are not supported");
	refused("a = 07:32:00", "f:1: dates and times are not supported");
}

TEST(basic_strings_have_escapes)
{
	auto_ptr(toml_free) struct toml *t = accepted(
		"a = \"\\b\\t\\n\\f\\r\\\"\\\\ \\u00e9 \\U0001F600\"\nb = ''\nc = 'C:\\x'\n");

	CHECK_STR(at(t, "a")->string, "\b\t\n\f\r\"\\ \xc3\xa9 \xf0\x9f\x98\x80");
	CHECK_STR(at(t, "b")->string, "");
	CHECK_STR(at(t, "c")->string, "C:\\x");
}

TEST(strings_of_several_lines_fold_and_trim)
{
	auto_ptr(toml_free) struct toml *t =
		accepted("a = \"\"\"\none\ntwo \\  \n\n   three\"\"\"\n"
			 "b = '''\r\none\r\n\\two'''\n"
			 "c = \"\"\"\"q\"\"\"\"\"\nd = 1\n");

	CHECK_STR(at(t, "a")->string, "one\ntwo three");
	CHECK_STR(at(t, "b")->string, "one\n\\two");
	CHECK_STR(at(t, "c")->string, "\"q\"\"");
	CHECK_EQ(at(t, "b")->line, 6);
	CHECK_EQ(at(t, "d")->line, 10);
}

TEST(badly_written_strings_are_refused)
{
	refused("a = \"x", "f:1: the string has no end");
	refused("a = \"x\n\"", "f:1: the string has no end on this line");
	refused("a = \"\"\"x\n\n", "f:3: the string has no end");
	refused("a = 'x", "f:1: the string has no end");
	refused("a = \"\\x41\"", "f:1: unknown escape '\\x'");
	refused("a = \"\\", "f:1: unknown escape '\\ '");
	refused("a = \"\\u12\"", "f:1: \\u needs 4 hexadecimal digits");
	refused("a = \"\\ud800\"", "f:1: U+D800 is no character");
	refused("a = \"\\U00110000\"", "f:1: U+110000 is no character");
	refused("a = \"\\u0000\"", "f:1: a NUL in a string");
	refused("a = \"\x01\"", "f:1: a control character (0x01) in a string");
	refused("a = \"\"\"\"\"\"\"\"\"", "f:1: expected the end of the line, not '\"\"\"'");
	refused("a = 1 # \x02", "f:1: a control character (0x02) in a comment");
	refused("a = \"\xff\"", "f:1: is not UTF-8");
	refused("a = \"\xc0\x80\"", "f:1: is not UTF-8");
	refused("a = \"\xed\xa0\x80\"", "f:1: is not UTF-8");
}

TEST(a_nul_byte_is_refused)
{
	struct toml *t;
	struct err e = {0};

	CHECK_EQ(toml_parse("f", "a = 1\n\0", 7, &t, &e), -EINVAL);
	CHECK_STR(e.text, "f:2: a NUL byte");
}

TEST(arrays_span_lines_with_comments_and_a_comma_at_the_end)
{
	auto_ptr(toml_free) struct toml *t =
		accepted("a = [\n  # first\n  1, # one\n\n  2,\n]\nb = []\n"
			 "c = [[1], [\"x\", [ ]]]\nd = [ {a=1}, {} ]\n");

	CHECK_EQ(at(t, "a")->n, 2);
	CHECK_EQ(at(t, "b")->n, 0);
	CHECK_EQ(at(t, "b")->line, 7);
	CHECK_EQ(at(t, "c")->last->n, 2);
	CHECK_EQ(at(t, "d")->first->first->integer, 1);
	refused("a = [1 2]", "f:1: expected ',' or ']', not '2]'");
	refused("a = [1,\n", "f:2: expected a value, not 'the end'");
	refused("a = [,]", "f:1: expected a value, not ',]'");
}

TEST(tables_nest_by_headers_and_dotted_keys)
{
	auto_ptr(toml_free) struct toml *t = accepted(
		"x.y = 1\nx.z = 2\n[a.b.c]\nk = 1\n[a]\nl = 2\n[ a . \"q r\" ]\nm.n.o = 3\nm.p = 4\n"
		"\"\" = 5\n1.2 = 6\n");

	CHECK_EQ(at(t, "x.z")->integer, 2);
	CHECK_EQ(at(t, "a.b.c.k")->integer, 1);
	CHECK_EQ(at(t, "a.l")->integer, 2);
	CHECK_EQ(at(t, "a.q r.m.n.o")->integer, 3);
	CHECK_EQ(at(t, "a.q r.m.p")->integer, 4);
	CHECK_EQ(at(t, "a.q r.1.2")->integer, 6);
	CHECK_EQ(toml_get(at(t, "a.q r"), "")->integer, 5);
}

TEST(a_list_of_tables_grows_by_headers)
{
	auto_ptr(toml_free) struct toml *t =
		accepted("[[a]]\nx = 1\n[a.sub]\ny = 2\n[[a]]\n[[a.l]]\n[[a.l]]\nz = 3\n");
	const struct toml *a = at(t, "a");

	CHECK_EQ(a->n, 2);
	CHECK_EQ(at(a->first, "sub.y")->integer, 2);
	CHECK_EQ(at(a->last, "l")->n, 2);
	CHECK_EQ(at(at(a->last, "l")->last, "z")->integer, 3);
}

TEST(nothing_is_defined_twice)
{
	refused("a = 1\na = 2", "f:2: 'a' stands there already (line 1)");
	refused("[a]\n[b]\n[a]", "f:3: 'a' stands there already (line 1)");
	refused("a = 1\n[a]", "f:2: 'a' stands there already (line 1)");
	refused("a = 1\n[a.b]", "f:2: 'a' is no table that can be added to (line 1)");
	refused("a.b = 1\n[a]", "f:2: 'a' stands there already (line 1)");
	refused("[a]\nb.c = 1\n[a.b]", "f:3: 'b' stands there already (line 2)");
	refused("a = {x = 1}\n[a.y]", "f:2: 'a' is no table that can be added to (line 1)");
	refused("a = {x = 1}\na.y = 2", "f:2: 'a' stands there already (line 1)");
	refused("a = {x.y = 1}\na.x.z = 2", "f:2: 'a' stands there already (line 1)");
	refused("a = []\n[[a]]", "f:2: 'a' stands there already (line 1)");
	refused("[[a]]\n[a]", "f:2: 'a' stands there already (line 1)");
	refused("[a]\n[[a]]", "f:2: 'a' stands there already (line 1)");
	refused("a = {x = 1, x = 2}", "f:1: 'x' stands there already (line 1)");
	refused("[a.b]\nc = 1\n[a]\nb.d = 2", "f:4: 'b' stands there already (line 1)");
}

TEST(lines_that_are_no_toml_are_refused)
{
	refused("a", "f:1: expected '=' after 'a'");
	refused("= 1", "f:1: expected a key, not '= 1'");
	refused("a = 1 b = 2", "f:1: expected the end of the line, not 'b = 2'");
	refused("[a", "f:1: expected ']' after 'a'");
	refused("[]", "f:1: expected a key, not ']'");
	refused("[[a]", "f:1: expected ']]' after 'a'");
	refused("a.", "f:1: expected a key, not 'the end'");
	refused("\"\"\"a\"\"\" = 1", "f:1: a key cannot have several lines");
	refused("a = {x = 1\n}", "f:1: expected ',' or '}', not '?}'");
	refused("a = {x = 1,}", "f:1: expected a key, not '}'");
	refused("a = 1\r", "f:1: expected the end of the line, not '?'");
}

TEST(limits_are_kept)
{
	char text[8192] = "a = ";

	memset(text + 4, '[', TOML_DEPTH_MAX + 1);
	refused(text, "f:1: more than 16 levels");
	memset(text, 0, sizeof text);
	for (int i = 0; i <= TOML_DEPTH_MAX; i++)
		strcat(text, "a.");
	strcat(text, "a = 1");
	refused(text, "f:1: more than 16 levels");

	auto_free char *many = malloc(TOML_FILE_MAX_BYTES);
	char *p = many;
	struct toml *t = NULL;
	struct err e = {0};

	for (int i = 0; i <= TOML_TABLE_MAX; i++)
		p += sprintf(p, "k%d = 1\n", i);
	CHECK_EQ(toml_parse("f", many, (size_t) (p - many), &t, &e), -EFBIG);
	CHECK_STR(e.text, "f:1025: more than 1024 keys in a table");

	p = many + sprintf(many, "a = [");
	for (int i = 0; i <= TOML_VALUES_MAX; i++)
		p += sprintf(p, "1,");
	err_clear(&e);
	CHECK_EQ(toml_parse("f", many, (size_t) (p - many), &t, &e), -EFBIG);
	CHECK_STR(e.text, "f:1: more than 65536 values");
	err_clear(&e);
	CHECK_EQ(toml_parse("f", many, TOML_FILE_MAX_BYTES + 1, &t, &e), -EFBIG);
}

TEST(values_are_compared_by_kind_and_content)
{
	auto_ptr(toml_free) struct toml *t = accepted(
		"a = [1, 'x', {k = true}]\nb = [0x1, \"x\", {k = true}]\nc = [1.0, 'x', {k = "
		"true}]\nd = [1, 'x']\ne = [1, 'x', {j = true}]\n");

	CHECK(toml_equal(at(t, "a"), at(t, "b")));
	CHECK(!toml_equal(at(t, "a"), at(t, "c")));
	CHECK(!toml_equal(at(t, "a"), at(t, "d")));
	CHECK(!toml_equal(at(t, "a"), at(t, "e")));
}

TEST(an_empty_document_is_an_empty_table)
{
	auto_ptr(toml_free) struct toml *a = accepted("");
	auto_ptr(toml_free) struct toml *b = accepted("\n # only this");

	CHECK_EQ(a->n, 0);
	CHECK_EQ(b->n, 0);
}
