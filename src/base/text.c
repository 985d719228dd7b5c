#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* The longest line that is used; a longer one is cut at the end. */
#define LINE_MAX_BYTES 1024

/* The end of @in; without bytes @in may be NULL, to which C must not even add 0. */
static const char *text_end(const char *in, size_t bytes)
{
	return bytes > 0 ? in + bytes : in;
}

size_t text_char(const void *text, size_t left, uint32_t *ret)
{
	static const struct {
		uint8_t first_min, first_max, second_min, second_max, bytes;
	} forms[] = {
		{0x00, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	static const uint8_t first_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	const uint8_t *p = text;

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		size_t n = forms[i].bytes;
		uint32_t c = p[0] & first_bits[n];

		if (p[0] < forms[i].first_min || p[0] > forms[i].first_max || n > left)
			continue;
		if (n > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 1; k < n; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[k] & 0x3f);
		}
		*ret = c;
		return n;
	}
	return 0;
}

/* Unicode's controls, marks of direction, and what is shown as nothing
 * (Default_Ignorable_Code_Point, but for the variation selectors of ordinary emoji) or is no
 * character. Ascending. */
static const struct {
	uint32_t from, to;
} not_plain[] = {
	{0x00, 0x1f},       {0x7f, 0x9f},        {0xad, 0xad},       {0x34f, 0x34f},
	{0x61c, 0x61c},     {0x115f, 0x1160},    {0x17b4, 0x17b5},   {0x180b, 0x180f},
	{0x200b, 0x200f},   {0x2028, 0x202e},    {0x2060, 0x206f},   {0x3164, 0x3164},
	{0xfdd0, 0xfdef},   {0xfeff, 0xfeff},    {0xffa0, 0xffa0},   {0xfff0, 0xfffc},
	{0xfffe, 0xffff},   {0x13430, 0x1345f},  {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
	{0x1fffe, 0x1ffff}, {0xe0000, 0x10ffff},
};

bool text_is_plain(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_LEN(not_plain) && not_plain[i].from <= c; i++)
		if (c <= not_plain[i].to)
			return false;
	return true;
}

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
	const char *p = in, *end = text_end(in, bytes);
	size_t n = 0;

	while (p < end && n + 1 < out_bytes) {
		uint32_t c = 0;
		size_t taken = text_char(p, (size_t) (end - p), &c);

		if (c == '\033') {
			p = skip_escape(p, end);
			continue;
		}
		if (taken > 0 && (c == ' ' || c == '\t' || c == '\n')) {
			if (n > 0 && out[n - 1] != ' ')
				out[n++] = ' ';
		} else if (taken > 0 && text_is_plain(c)) {
			if (n + taken >= out_bytes)
				break;
			memcpy(out + n, p, taken);
			n += taken;
		} else if (taken != 1) {
			out[n++] = '?';
		}
		p += taken ? taken : 1;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	if (out_bytes > 0)
		out[n] = '\0';
	return n;
}

/* The start of the line that ends before @end. */
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

	while (keep > 0 && (line[n - keep] & 0xc0) == 0x80) /* the rest of a character */
		keep--;
	if (keep == 0)
		return false;
	memmove(out + sizeof cut - 1 + keep + sep_n, out, have + 1);
	(void) mempcpy(mempcpy(mempcpy(out, cut, sizeof cut - 1), line + n - keep, keep), sep,
		       sep_n);
	return false;
}

void text_last_lines(const char *in, size_t bytes, int max_lines, char *out, size_t out_bytes)
{
	const char *end = text_end(in, bytes);
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

size_t text_line(const char *in, size_t bytes, char *out, size_t out_bytes)
{
	const char *p = in, *end = text_end(in, bytes);
	size_t n = 0;

	while (p < end) {
		uint32_t c = 0;
		size_t taken = text_char(p, (size_t) (end - p), &c);
		bool plain = taken > 0 && text_is_plain(c);
		size_t put = plain ? taken : 1;

		if (n + put >= out_bytes)
			break;
		if (plain)
			memcpy(out + n, p, put);
		else
			out[n] = taken > 0 && (c == '\n' || c == '\t' || c == '\r') ? ' ' : '?';
		n += put;
		p += taken ? taken : 1;
	}
	if (out_bytes > 0)
		out[n] = '\0';
	return n;
}

char *text_table(const char *in, size_t bytes)
{
	const char *p = in, *end = text_end(in, bytes);
	char *out = malloc(bytes + 2);
	size_t n = 0;

	while (out && p < end) {
		const char *newline = memchr(p, '\n', (size_t) (end - p));
		size_t line = (size_t) ((newline ? newline : end) - p);
		size_t room = line < TEXT_LINE_MAX ? line : TEXT_LINE_MAX;

		n += text_line(p, line, out + n, room + 1);
		if (newline)
			out[n++] = '\n';
		p += line + (newline != NULL);
	}
	if (out)
		out[n] = '\0';
	return out;
}

size_t text_escape(const char *in, size_t bytes, char *out, size_t *ret_bytes)
{
	uint32_t c = 0xfffd;
	size_t n = text_char(in, bytes, &c);
	bool one = c == '"' || c == '\\' || c == '\n';
	int written;

	*ret_bytes = n ? n : 1;
	if (one) {
		out[0] = '\\';
		out[1] = c == '\n' ? 'n' : (char) c;
		return 2;
	}
	if (n > 0 && text_is_plain(c)) {
		memcpy(out, in, n);
		return n;
	}
	if (c < 0x10000) {
		written = snprintf(out, TEXT_ESCAPE_BYTES, "\\u%04x", c);
		return (size_t) written;
	}
	/* JSON knows 16 bits: a pair of surrogates. */
	out[0] = '\0';
	written = snprintf(out, 7, "\\u%04x", 0xd800 + ((c - 0x10000) >> 10));

	char low[8];

	(void) snprintf(low, sizeof low, "\\u%04x", 0xdc00 + ((c - 0x10000) & 0x3ff));
	memcpy(out + written, low, 6);
	return (size_t) written + 6;
}

char *text_json(const char *json, size_t bytes)
{
	const char *p = json, *end = text_end(json, bytes);
	char *out = malloc(bytes * 6 + 1);
	size_t n = 0;

	while (out && p < end) {
		bool layout = *p == '\n' || *p == '\t' || *p == '\r' || *p == '"' || *p == '\\';
		size_t taken = 1;

		if (layout)
			out[n++] = *p;
		else
			n += text_escape(p, (size_t) (end - p), out + n, &taken);
		p += taken;
	}
	if (out)
		out[n] = '\0';
	return out;
}
