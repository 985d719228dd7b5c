/* What is behind the '?' of a request: key=value, with '&' between them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/http/http.h"

static int hex_digit(char c)
{
	return isdigit((unsigned char) c) ? c - '0' : tolower((unsigned char) c) - 'a' + 10;
}

/* The byte that "%XX" at @text means, or -1. A NUL is none, because a value is a string. */
static int encoded(const char *text)
{
	if (!isxdigit((unsigned char) text[1]) || !isxdigit((unsigned char) text[2]))
		return -1;

	int c = hex_digit(text[1]) << 4 | hex_digit(text[2]);

	return c ? c : -1;
}

/* @n bytes of a query, which is shorter than HTTP_TARGET_MAX. */
static bool decode(const char *text, size_t n, char *ret)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		int c = text[i] == '+' ? ' ' : (unsigned char) text[i];

		if (text[i] == '%') {
			c = n - i > 2 ? encoded(text + i) : -1;
			i += 2;
		}
		if (c < 0)
			return false;
		ret[out++] = (char) c;
	}
	ret[out] = '\0';
	return true;
}

bool http_query(const struct http_request *q, const char *key, char *ret)
{
	size_t bytes = strlen(key);

	for (const char *at = q->query; *at; at += strspn(at, "&")) {
		size_t n = strcspn(at, "&");

		if (n > bytes && at[bytes] == '=' && strncmp(at, key, bytes) == 0)
			return decode(at + bytes + 1, n - bytes - 1, ret);
		at += n;
	}
	return false;
}

static bool is_plain(char c)
{
	return isalnum((unsigned char) c) || strchr("-._~/", c);
}

char *http_query_value(const char *text)
{
	char *out = malloc(3 * strlen(text) + 1);
	char *at = out;

	if (!out)
		return NULL;
	for (; *text; text++)
		at += is_plain(*text) ? sprintf(at, "%c", *text)
				      : sprintf(at, "%%%02X", (unsigned) (unsigned char) *text);
	*at = '\0';
	return out;
}
