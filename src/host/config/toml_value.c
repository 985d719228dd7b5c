/* TOML values other than strings. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/toml_parser.h"

#define NUMBER_MAX_BYTES 128

/* The length of the word at the parser: letters, digits, other characters of numbers and dates. */
static size_t word_bytes(const struct toml_parser *ps)
{
	size_t n = 0;

	while (ps->p + n < ps->end &&
	       (isalnum((unsigned char) ps->p[n]) || strchr("+-_.:", ps->p[n])))
		n++;
	return n;
}

static bool is_digit_of(char c, int base)
{
	int d = isdigit((unsigned char) c)    ? c - '0'
		: isxdigit((unsigned char) c) ? (c | 32) - 'a' + 10
					      : 99;

	return d < base;
}

/* Copies digits without the underscores between them; an underscore must stand between two. Returns
 * the bytes read, 0 when there is no digit or an underscore stands wrong. */
static size_t copy_digits(const char *text, int base, char **out)
{
	size_t n = 0;

	while (is_digit_of(text[n], base) ||
	       (text[n] == '_' && n > 0 && text[n - 1] != '_' && is_digit_of(text[n + 1], base))) {
		if (text[n] != '_')
			*(*out)++ = text[n];
		n++;
	}
	return text[n] == '_' ? 0 : n;
}

static int bad_number(const struct toml_parser *ps, const char *word)
{
	const char *digits = word + strspn(word, "+-");
	size_t n = strspn(digits, "0123456789");

	if ((n == 4 && digits[4] == '-') || (n == 2 && digits[2] == ':'))
		return toml_say(ps, EINVAL, "dates and times are not supported");
	return toml_say(ps, EINVAL, "'%.32s' is no value", word);
}

static int make_integer(struct toml_parser *ps, const char *digits, int base, struct toml **ret)
{
	errno = 0;

	long long v = strtoll(digits, NULL, base);

	if (errno)
		return toml_say(ps, ERANGE, "%.32s does not fit in 64 bits", digits);
	int r = toml_new(ps, TOML_INTEGER, ret);

	if (r == 0)
		(*ret)->integer = v;
	return r;
}

static int make_float(struct toml_parser *ps, double v, struct toml **ret)
{
	int r = toml_new(ps, TOML_FLOAT, ret);

	if (r == 0)
		(*ret)->real = v;
	return r;
}

/* 0xff, 0o17, 0b11 */
static int read_based(struct toml_parser *ps, const char *word, int base, struct toml **ret)
{
	char digits[NUMBER_MAX_BYTES], *out = digits;
	size_t n = copy_digits(word + 2, base, &out);

	*out = '\0';
	if (n == 0 || word[2 + n])
		return bad_number(ps, word);
	return make_integer(ps, digits, base, ret);
}

/* The part after the whole number. Returns the bytes read, or 0 when it is not well written. */
static size_t copy_fraction(const char *text, char **out)
{
	size_t n = 0, part;

	if (text[n] == '.') {
		*(*out)++ = text[n++];
		part = copy_digits(text + n, 10, out);
		if (part == 0)
			return 0;
		n += part;
	}
	if (text[n] == 'e' || text[n] == 'E') {
		*(*out)++ = text[n++];
		if (text[n] == '+' || text[n] == '-')
			*(*out)++ = text[n++];
		part = copy_digits(text + n, 10, out);
		if (part == 0)
			return 0;
		n += part;
	}
	return n;
}

static int read_decimal(struct toml_parser *ps, const char *word, struct toml **ret)
{
	char plain[NUMBER_MAX_BYTES], *out = plain;
	size_t i = strchr("+-", word[0]) ? 1 : 0;

	if (word[0] == '-')
		*out++ = '-';
	if (strcmp(word + i, "inf") == 0)
		return make_float(ps, word[0] == '-' ? -INFINITY : INFINITY, ret);
	if (strcmp(word + i, "nan") == 0)
		return make_float(ps, NAN, ret);

	size_t whole = copy_digits(word + i, 10, &out);

	if (whole == 0 || (word[i] == '0' && whole > 1))
		return bad_number(ps, word);
	i += whole;
	if (word[i] == '\0') {
		*out = '\0';
		return make_integer(ps, plain, 10, ret);
	}

	size_t fraction = copy_fraction(word + i, &out);

	*out = '\0';
	if (fraction == 0 || word[i + fraction])
		return bad_number(ps, word);
	return make_float(ps, strtod(plain, NULL), ret);
}

int toml_read_number(struct toml_parser *ps, struct toml **ret)
{
	char word[NUMBER_MAX_BYTES];
	size_t n = word_bytes(ps);
	int r;

	if (n == 0)
		return toml_say(ps, EINVAL, "expected a value, not '%.*s'", TOML_NEAR(ps));
	if (n >= sizeof word)
		return toml_say(ps, EINVAL, "'%.*s...' is no value", TOML_NEAR(ps));
	memcpy(word, ps->p, n);
	word[n] = '\0';
	if (word[0] == '0' && strchr("xob", word[1]) && word[1])
		r = read_based(ps, word, word[1] == 'x' ? 16 : word[1] == 'o' ? 8 : 2, ret);
	else
		r = read_decimal(ps, word, ret);
	ps->p += n;
	return r;
}

static int read_bool(struct toml_parser *ps, bool value, struct toml **ret)
{
	int r = toml_new(ps, TOML_BOOL, ret);

	if (r == 0)
		(*ret)->boolean = value;
	ps->p += value ? 4 : 5;
	return r;
}

/* After an element: 1 when another may follow, 0 at the end. */
static int read_comma(struct toml_parser *ps, char close)
{
	char c = toml_peek(ps);

	if (c != ',' && c != close)
		return toml_say(ps, EINVAL, "expected ',' or '%c', not '%.*s'", close,
				TOML_NEAR(ps));
	ps->p++;
	return c == ',';
}

static int read_elements(struct toml_parser *ps, struct toml *array)
{
	int r, more = 1;

	while ((r = toml_skip_lines(ps)) == 0 && toml_peek(ps) != ']' && more) {
		struct toml *value = NULL;

		r = toml_read_value(ps, &value);
		if (r < 0)
			return r;
		toml_add(array, value);
		if ((r = toml_skip_lines(ps)) < 0 || (r = more = read_comma(ps, ']')) < 0)
			return r;
		if (!more)
			return 0;
	}
	if (r == 0)
		ps->p++;
	return r;
}

static int read_members(struct toml_parser *ps, struct toml *table)
{
	int r;

	toml_skip_blanks(ps);
	if (toml_peek(ps) == '}') {
		ps->p++;
		return 0;
	}
	do {
		toml_skip_blanks(ps);
		r = toml_read_pair(ps, table);
		if (r < 0)
			return r;
		toml_skip_blanks(ps);
		r = read_comma(ps, '}');
	} while (r > 0);
	return r;
}

/* Closes a table that was written as a value, because later text may not add to it. */
static void close_tables(struct toml *t)
{
	t->origin = TOML_INLINE;
	for (struct toml *child = t->first; child; child = child->next)
		if (child->kind == TOML_TABLE)
			close_tables(child);
}

static int read_nested(struct toml_parser *ps, enum toml_kind kind, struct toml **ret)
{
	auto_ptr(toml_free) struct toml *t = NULL;
	int r;

	if (ps->depth == TOML_DEPTH_MAX)
		return toml_say(ps, EFBIG, "more than %d levels", TOML_DEPTH_MAX);
	r = toml_new(ps, kind, &t);
	if (r < 0)
		return r;
	ps->p++;
	ps->depth++;
	ps->section++; /* dotted keys inside are their own section */
	r = kind == TOML_ARRAY ? read_elements(ps, t) : read_members(ps, t);
	ps->depth--;
	if (r < 0)
		return r;
	close_tables(t);
	*ret = take_ptr(t);
	return 0;
}

int toml_read_value(struct toml_parser *ps, struct toml **ret)
{
	char c = toml_peek(ps);

	if (c == '[' || c == '{')
		return read_nested(ps, c == '[' ? TOML_ARRAY : TOML_TABLE, ret);
	if (toml_at(ps, "true", 4) && word_bytes(ps) == 4)
		return read_bool(ps, true, ret);
	if (toml_at(ps, "false", 5) && word_bytes(ps) == 5)
		return read_bool(ps, false, ret);
	if (c != '"' && c != '\'')
		return toml_read_number(ps, ret);

	auto_free char *string = NULL;
	unsigned line = ps->line;
	int r = toml_read_string(ps, &string);

	if (r < 0)
		return r;
	r = toml_new(ps, TOML_STRING, ret);
	if (r < 0)
		return r;
	(*ret)->string = take_ptr(string);
	(*ret)->line = line;
	return 0;
}
