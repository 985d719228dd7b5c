#include "base/text.h"

#include <stdbool.h>
#include <string.h>

/* Longest line that is looked at; of a longer one the end is left out. */
#define LINE_MAX_BYTES 1024

/* One past an escape sequence (ECMA-48) that begins at @p. */
static const char *skip_escape(const char *p, const char *end)
{
	p++; /* ESC */
	if (p == end)
		return p;
	if (*p == ']') { /* OSC: until BEL or ESC \ */
		while (p < end && *p != '\a' && *p != '\033')
			p++;
		if (p < end && *p == '\033')
			p++;
		return p < end ? p + 1 : p;
	}
	if (*p != '[')
		return p + 1;
	p++;
	while (p < end && *p >= 0x20 && *p < 0x40) /* parameters */
		p++;
	return p < end ? p + 1 : p; /* the final byte */
}

size_t text_printable(const char *in, size_t bytes, char *out, size_t out_bytes)
{
	const char *p = in, *end = in + bytes;
	size_t n = 0;

	while (p < end && n + 1 < out_bytes) {
		unsigned char c = (unsigned char) *p;

		if (c == '\033') {
			p = skip_escape(p, end);
			continue;
		}
		p++;
		if (c == ' ' || c == '\t') {
			if (n > 0 && out[n - 1] != ' ')
				out[n++] = ' ';
		} else if (c > ' ' && c < 0x7f) {
			out[n++] = (char) c;
		} else if (c >= 0x80) {
			out[n++] = '?';
		}
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	if (out_bytes > 0)
		out[n] = '\0';
	return n;
}

/* Where the line begins that ends before @end. */
static const char *line_start(const char *in, const char *end)
{
	while (end > in && end[-1] != '\n' && end[-1] != '\r')
		end--;
	return end;
}

/* Puts @line before what is in @out. False when it had to be cut. */
static bool put_in_front(const char *line, char *out, size_t out_bytes)
{
	static const char sep[] = " | ", cut[] = "...";
	size_t have = strlen(out), n = strlen(line), sep_n = have ? sizeof sep - 1 : 0;

	if (n + sep_n + have + 1 <= out_bytes) {
		memmove(out + n + sep_n, out, have + 1);
		(void) mempcpy(mempcpy(out, line, n), sep, sep_n);
		return true;
	}

	size_t room = out_bytes - 1 - have;

	if (room < sep_n + sizeof cut) /* not even one byte of it */
		return false;

	size_t keep = room - sep_n - (sizeof cut - 1);

	memmove(out + room, out, have + 1);
	memcpy(out, cut, sizeof cut - 1);
	memcpy(out + sizeof cut - 1, line + n - keep, keep);
	memcpy(out + sizeof cut - 1 + keep, sep, sep_n);
	return false;
}

void text_last_lines(const char *in, size_t bytes, int max_lines, char *out, size_t out_bytes)
{
	const char *end = in + bytes;
	char line[LINE_MAX_BYTES];

	out[0] = '\0';
	for (int lines = 0; lines < max_lines && end > in;) {
		const char *start = line_start(in, end);

		if (text_printable(start, (size_t) (end - start), line, sizeof line) > 0) {
			if (!put_in_front(line, out, out_bytes))
				return;
			lines++;
		}
		end = start > in ? start - 1 : in;
	}
}
