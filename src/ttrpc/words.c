#include "ttrpc/words.h"

#include <string.h>

/* Bytes of the UTF-8 character at @p, or 0: it is none (RFC 3629: no surrogates, no overlong forms,
 * nothing above U+10FFFF). */
static size_t utf8_bytes(const uint8_t *p, size_t left)
{
	static const struct {
		uint8_t first_min, first_max, second_min, second_max;
		size_t bytes;
	} forms[] = {
		{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		size_t n = forms[i].bytes;

		if (p[0] < forms[i].first_min || p[0] > forms[i].first_max || n > left)
			continue;
		if (n > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < n; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return n;
	}
	return 0;
}

static char as_one_line(char c)
{
	if (c == '\n' || c == '\t' || c == '\r')
		return ' ';
	return (unsigned char) c < ' ' || c == 0x7f ? '?' : c;
}

size_t words_copy(char *to, size_t room, const void *text, size_t bytes, bool one_line)
{
	const uint8_t *p = text;
	size_t used = 0;

	while (bytes > 0) {
		size_t n = utf8_bytes(p, bytes), taken = n > 0 ? n : 1;

		if (used + taken > room - 1)
			break;
		if (n == 0)
			to[used] = '?';
		else
			memcpy(to + used, p, n);
		if (one_line && taken == 1)
			to[used] = as_one_line(to[used]);
		used += taken;
		p += taken;
		bytes -= taken;
	}
	to[used] = '\0';
	return used;
}
