/* The four kinds of TOML strings. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "host/config/toml_parser.h"

#define STRING_MAX_BYTES 65536

/* The form of one string. */
struct form {
	char quote;     /* '"' has escapes, '\'' has none */
	bool multiline; /* three quotes on each side */
};

static int put(struct toml_parser *ps, struct buf *out, const void *data, size_t bytes)
{
	int r = buf_append(out, data, bytes);

	if (r == -EMSGSIZE)
		return toml_say(ps, EFBIG, "a string is longer than %d bytes", STRING_MAX_BYTES);
	return r < 0 ? toml_say(ps, ENOMEM, "out of memory") : 0;
}

static int put_utf8(struct toml_parser *ps, struct buf *out, uint32_t c)
{
	unsigned char u[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		u[i] = (unsigned char) (0x80 | (c & 0x3f));
	u[0] = (unsigned char) (lead[n] | c);
	return put(ps, out, u, n);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* After \u or \U: @digits hexadecimal digits. */
static int read_code_point(struct toml_parser *ps, int digits, struct buf *out)
{
	uint32_t c = 0;

	for (int i = 0; i < digits; i++, ps->p++) {
		int d = hex_digit(toml_peek(ps));

		if (d < 0)
			return toml_say(ps, EINVAL, "\\%c needs %d hexadecimal digits",
					digits == 4 ? 'u' : 'U', digits);
		c = c << 4 | (uint32_t) d;
	}
	if (c == 0)
		return toml_say(ps, EINVAL, "a NUL in a string");
	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return toml_say(ps, EINVAL, "U+%04X is no character", c);
	return put_utf8(ps, out, c);
}

/* A backslash at the end of a line swallows all blanks and newlines that follow. */
static bool skip_folded(struct toml_parser *ps)
{
	const char *p = ps->p;
	unsigned lines = 0;

	while (p < ps->end && strchr(" \t\r\n", *p)) {
		if (*p == '\n')
			lines++;
		else if (!lines && *p == '\r' && (p + 1 == ps->end || p[1] != '\n'))
			return false;
		p++;
	}
	if (!lines)
		return false;
	ps->p = p;
	ps->line += lines;
	return true;
}

static int read_escape(struct toml_parser *ps, const struct form *form, struct buf *out)
{
	static const char names[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";

	ps->p++;
	if (form->multiline && skip_folded(ps))
		return 0;

	char c = toml_peek(ps);
	const char *known = c ? strchr(names, c) : NULL;

	ps->p += c != '\0';
	if (known)
		return put(ps, out, &meanings[known - names], 1);
	if (c == 'u' || c == 'U')
		return read_code_point(ps, c == 'u' ? 4 : 8, out);
	return toml_say(ps, EINVAL, "unknown escape '\\%c'", c ? c : ' ');
}

static int read_plain(struct toml_parser *ps, const struct form *form, struct buf *out)
{
	unsigned char c = (unsigned char) *ps->p;
	bool newline = c == '\n' || toml_at(ps, "\r\n", 2);

	if (newline && !form->multiline)
		return toml_say(ps, EINVAL, "the string has no end on this line");
	if (newline) {
		ps->p += c == '\r';
		ps->line++;
		ps->p++;
		return put(ps, out, "\n", 1);
	}
	if ((c < 0x20 && c != '\t') || c == 0x7f)
		return toml_say(ps, EINVAL, "a control character (0x%02x) in a string", c);
	return put(ps, out, ps->p++, 1);
}

/* Is this the closing quote? One or two quotes may stand before the closing three. */
static bool at_end(const struct toml_parser *ps, const struct form *form)
{
	if (toml_peek(ps) != form->quote)
		return false;
	if (!form->multiline)
		return true;

	size_t n = 0;

	while (ps->p + n < ps->end && ps->p[n] == form->quote && n < 6)
		n++;
	return n == 3 || n == 6;
}

static int read_body(struct toml_parser *ps, const struct form *form, struct buf *out)
{
	int r = 0;

	while (r == 0 && !at_end(ps, form)) {
		if (ps->p == ps->end)
			return toml_say(ps, EINVAL, "the string has no end");
		if (*ps->p == '\\' && form->quote == '"')
			r = read_escape(ps, form, out);
		else
			r = read_plain(ps, form, out);
	}
	return r;
}

int toml_read_string(struct toml_parser *ps, char **ret)
{
	const char q = *ps->p;
	const char three[] = {q, q, q};
	const struct form form = {.quote = q, .multiline = toml_at(ps, three, 3)};
	struct buf out;

	ps->p += form.multiline ? 3 : 1;
	if (form.multiline && (toml_at(ps, "\n", 1) || toml_at(ps, "\r\n", 2))) {
		ps->p += *ps->p == '\r' ? 2 : 1;
		ps->line++;
	}
	buf_init(&out, STRING_MAX_BYTES + 1);

	int r = read_body(ps, &form, &out);

	if (r == 0) {
		ps->p += form.multiline ? 3 : 1;
		r = put(ps, &out, "", 1);
	}
	if (r < 0) {
		buf_fini(&out);
		return r;
	}
	*ret = (char *) out.data;
	return 0;
}
