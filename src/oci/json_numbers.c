#include "oci/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"

/* Bytes of the JSON number at @p, 0 when there is none. */
static size_t number_bytes(const char *p, const char *end)
{
	const char *start = p;

	if (p < end && *p == '-')
		p++;
	if (p == end || !isdigit((unsigned char) *p))
		return 0;
	while (p < end && (isalnum((unsigned char) *p) || *p == '.' || *p == '+' || *p == '-'))
		p++;
	return (size_t) (p - start);
}

static size_t skip_digits(const char *text, size_t i)
{
	while (isdigit((unsigned char) text[i]))
		i++;
	return i;
}

/* Is @text a number by RFC 8259, section 6? If not, it stays for jansson to refuse. */
static bool is_number(const char *text)
{
	size_t i = text[0] == '-', first = i;

	i = skip_digits(text, i);
	if (i == first || (text[first] == '0' && i > first + 1))
		return false;
	if (text[i] == '.') {
		first = ++i;
		i = skip_digits(text, i);
		if (i == first)
			return false;
	}
	if (text[i] == 'e' || text[i] == 'E') {
		i++;
		i += text[i] == '+' || text[i] == '-';
		first = i;
		i = skip_digits(text, i);
		if (i == first)
			return false;
	}
	return text[i] == '\0';
}

/* Bytes of the string at @p with its quotes; one that has no end goes to the end. */
static size_t string_bytes(const char *p, const char *end)
{
	const char *start = p++;

	while (p < end && *p != '"')
		p += *p == '\\' && p + 1 < end ? 2 : 1;
	return (size_t) (p - start) + (p < end);
}

/* Writes the place of @take_literal and lists it. */
static int put_place(char *take_literal, struct buf *out, struct json_numbers *numbers)
{
	auto_free char *literal = take_literal;
	char place[32];

	/* Grows at powers of two. */
	if ((numbers->n & (numbers->n - 1)) == 0) {
		size_t room = numbers->n ? numbers->n * 2 : 1;
		char **literals = realloc(numbers->literals, room * sizeof *literals);

		if (!literals)
			return -ENOMEM;
		numbers->literals = literals;
	}
	(void) snprintf(place, sizeof place, "%zu.5", numbers->n);
	numbers->literals[numbers->n++] = take_ptr(literal);
	return json_put_raw(out, place);
}

/* If the number at @until must be replaced, writes the bytes from @p to @until and its place, and
 * returns 1. Returns 0 when it may stay; then nothing is written. */
static int pull(const char *p, const char *until, size_t bytes, struct buf *out,
		struct json_numbers *numbers)
{
	int64_t small;
	auto_free char *literal = strndup(until, bytes);

	if (!literal)
		return -ENOMEM;
	if (num_parse_i64(literal, &small) == 0 || !is_number(literal))
		return 0;

	int r = buf_append(out, p, (size_t) (until - p));

	if (r == 0)
		r = put_place(take_ptr(literal), out, numbers);
	return r < 0 ? r : 1;
}

int json_numbers_pull(const char *text, size_t bytes, struct buf *out, struct json_numbers *ret,
		      struct err *e)
{
	const char *end = text + bytes, *written = text, *p = text;
	int r = 0;

	while (p < end && r >= 0) {
		size_t number = number_bytes(p, end);

		if (number) {
			r = pull(written, p, number, out, ret);
			p += number;
			if (r > 0)
				written = p;
		} else {
			p += *p == '"' ? string_bytes(p, end) : 1;
		}
	}
	if (r >= 0)
		r = buf_append(out, written, (size_t) (end - written));
	return r < 0 ? err_sys(e, -r, "read JSON") : 0;
}

const char *json_numbers_at(const struct json_numbers *numbers, double place)
{
	return place >= 0 && place < (double) numbers->n ? numbers->literals[(size_t) place] : NULL;
}

void json_numbers_fini(struct json_numbers *numbers)
{
	for (size_t i = 0; i < numbers->n; i++)
		free(numbers->literals[i]);
	free(numbers->literals);
	*numbers = (struct json_numbers){0};
}
