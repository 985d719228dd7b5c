#include "host/metrics/exposition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define NUMBER_MAX 40

static bool is_letter(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
	       (!first && c >= '0' && c <= '9');
}

/* Bytes of the name at @at; 0: there is none. */
static size_t name_at(const char *at, const char *end)
{
	const char *p = at;

	while (p < end && is_letter(*p, p == at))
		p++;
	return (size_t) (p - at);
}

static bool is_plain(const char *text, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

/* Skips a quoted value; NULL when it is not in order. */
static const char *value_end(const char *p, const char *end)
{
	if (p == end || *p++ != '"')
		return NULL;
	for (; p < end && *p != '"'; p++)
		if (*p == '\\' && (++p == end || !memchr("\\\"n", *p, 3)))
			return NULL;
	return p < end ? p + 1 : NULL;
}

/* Skips label="value",... up to the closing brace; NULL when they are not in order. */
static const char *labels_end(const char *p, const char *end, const char *forbidden)
{
	while (p < end && *p != '}') {
		size_t bytes = name_at(p, end);

		if (bytes == 0 || memchr(p, ':', bytes) || p + bytes == end || p[bytes] != '=' ||
		    (forbidden && strlen(forbidden) == bytes && memcmp(p, forbidden, bytes) == 0))
			return NULL;
		p = value_end(p + bytes + 1, end);
		if (!p || p == end || (*p != ',' && *p != '}'))
			return NULL;
		if (*p == ',' && (++p == end || *p == '}'))
			return NULL;
	}
	return p < end ? p : NULL;
}

static bool is_number(const char *text, size_t bytes)
{
	static const char *const words[] = {"NaN", "+Inf", "-Inf"};
	char copy[NUMBER_MAX], *stop;

	if (bytes == 0 || bytes >= sizeof copy)
		return false;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(copy, words[i]) == 0)
			return true;
	if (strspn(copy, "0123456789+-.eE") != bytes)
		return false;
	(void) strtod(copy, &stop);
	return *stop == '\0';
}

static bool is_type(const char *text, size_t bytes)
{
	static const char *const words[] = {"counter", "gauge", "histogram", "summary", "untyped"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == bytes && memcmp(words[i], text, bytes) == 0)
			return true;
	return false;
}

#define HELP "# HELP "
#define TYPE "# TYPE "

static void read_comment(struct exposition_line *l, const char *text, const char *end)
{
	const char *at = text + strlen(HELP);
	bool help = memcmp(text, HELP, strlen(HELP)) == 0;

	if (!help && memcmp(text, TYPE, strlen(TYPE)) != 0)
		return;
	l->name = at;
	l->name_bytes = name_at(at, end);
	at += l->name_bytes;
	if (l->name_bytes == 0 || at == end || *at != ' ')
		return;
	l->rest = at + 1;
	l->rest_bytes = (size_t) (end - at - 1);
	if (help)
		l->kind = EXPOSITION_HELP;
	else if (is_type(l->rest, l->rest_bytes))
		l->kind = EXPOSITION_TYPE;
}

static void read_sample(struct exposition_line *l, const char *text, const char *end,
			const char *forbidden)
{
	const char *at = text + name_at(text, end);

	l->name = text;
	l->name_bytes = (size_t) (at - text);
	if (l->name_bytes == 0 || at == end)
		return;
	if (*at == '{') {
		l->labels = at + 1;
		at = labels_end(l->labels, end, forbidden);
		if (!at)
			return;
		l->labels_bytes = (size_t) (at - l->labels);
		at++;
	}
	if (at == end || *at != ' ')
		return;
	l->rest = at + 1;
	l->rest_bytes = (size_t) (end - at - 1);
	if (is_number(l->rest, l->rest_bytes))
		l->kind = EXPOSITION_SAMPLE;
}

struct exposition_line exposition_read(const char *text, size_t bytes, const char *forbidden_label)
{
	struct exposition_line l = {.kind = EXPOSITION_NONE};

	if (bytes == 0 || !is_plain(text, bytes))
		return l;
	if (text[0] != '#')
		read_sample(&l, text, text + bytes, forbidden_label);
	else if (bytes > strlen(HELP))
		read_comment(&l, text, text + bytes);
	return l;
}

static bool begins_with_one(const struct exposition_line *l, const char *const *prefixes)
{
	for (; *prefixes; prefixes++) {
		size_t n = strlen(*prefixes);

		if (l->name_bytes > n && memcmp(l->name, *prefixes, n) == 0)
			return true;
	}
	return false;
}

int exposition_copy(const char *text, size_t bytes, const char *const *prefixes, struct buf *out)
{
	const char *end = text + bytes;
	int r = 0;

	for (const char *p = text; p < end && r == 0;) {
		const char *newline = memchr(p, '\n', (size_t) (end - p));
		size_t n = newline ? (size_t) (newline - p) : (size_t) (end - p);
		struct exposition_line l = exposition_read(p, n, NULL);

		if (l.kind != EXPOSITION_NONE && begins_with_one(&l, prefixes)) {
			r = buf_append(out, p, n);
			if (r == 0)
				r = buf_append(out, "\n", 1);
		}
		p += n + 1;
	}
	return r;
}
