#include "host/config/toml.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/array.h"
#include "host/config/toml_parser.h"

int toml_say(const struct toml_parser *ps, int code, const char *fmt, ...)
{
	char words[256];
	va_list ap;

	va_start(ap, fmt);
	(void) vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	for (char *p = words; *p; p++)
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			*p = '?';
	return err_say(ps->e, code, "%s:%u: %s", ps->name, ps->line, words);
}

int toml_new(struct toml_parser *ps, enum toml_kind kind, struct toml **ret)
{
	struct toml *t;

	if (++ps->values > TOML_VALUES_MAX)
		return toml_say(ps, EFBIG, "more than %d values", TOML_VALUES_MAX);
	t = calloc(1, sizeof *t);
	if (!t)
		return toml_say(ps, ENOMEM, "out of memory");
	t->kind = kind;
	t->line = ps->line;
	*ret = t;
	return 0;
}

void toml_add(struct toml *parent, struct toml *take_child)
{
	if (parent->last)
		parent->last->next = take_child;
	else
		parent->first = take_child;
	parent->last = take_child;
	parent->n++;
}

/* Depth is bounded by the reader. */
void toml_free(struct toml *t)
{
	if (!t)
		return;
	for (struct toml *child = t->first, *next; child; child = next) {
		next = child->next;
		toml_free(child);
	}
	if (t->kind == TOML_STRING)
		free(t->string);
	free(t->key);
	free(t);
}

const struct toml *toml_get(const struct toml *table, const char *key)
{
	for (const struct toml *t = table->first; t; t = t->next)
		if (t->key && strcmp(t->key, key) == 0)
			return t;
	return NULL;
}

static bool same_children(const struct toml *a, const struct toml *b)
{
	const struct toml *x = a->first, *y = b->first;

	for (; x && y; x = x->next, y = y->next) {
		if (!x->key != !y->key || (x->key && strcmp(x->key, y->key) != 0))
			return false;
		if (!toml_equal(x, y))
			return false;
	}
	return !x && !y;
}

bool toml_equal(const struct toml *a, const struct toml *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case TOML_STRING:
		return strcmp(a->string, b->string) == 0;
	case TOML_INTEGER:
		return a->integer == b->integer;
	case TOML_FLOAT:
		return a->real == b->real;
	case TOML_BOOL:
		return a->boolean == b->boolean;
	default:
		return same_children(a, b);
	}
}

const char *toml_kind_name(enum toml_kind kind)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",  [TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a fraction", [TOML_BOOL] = "true or false",
		[TOML_ARRAY] = "a list",     [TOML_TABLE] = "a table",
	};
	TABLE_COVERS(names, TOML_KIND_MAX);

	return names[kind];
}

void toml_skip_blanks(struct toml_parser *ps)
{
	while (toml_peek(ps) == ' ' || toml_peek(ps) == '\t')
		ps->p++;
}

static int skip_comment(struct toml_parser *ps)
{
	while (ps->p < ps->end && *ps->p != '\n') {
		unsigned char c = (unsigned char) *ps->p;
		bool line_end = c == '\r' && ps->p + 1 < ps->end && ps->p[1] == '\n';

		if ((c < 0x20 && c != '\t' && !line_end) || c == 0x7f)
			return toml_say(ps, EINVAL, "a control character (0x%02x) in a comment", c);
		ps->p++;
	}
	return 0;
}

/* One newline; false when there is none. */
static bool skip_newline(struct toml_parser *ps)
{
	size_t bytes = toml_at(ps, "\n", 1) ? 1 : toml_at(ps, "\r\n", 2) ? 2 : 0;

	ps->p += bytes;
	ps->line += bytes > 0;
	return bytes > 0;
}

int toml_skip_lines(struct toml_parser *ps)
{
	do {
		toml_skip_blanks(ps);
		if (toml_peek(ps) == '#') {
			int r = skip_comment(ps);

			if (r < 0)
				return r;
		}
	} while (skip_newline(ps));
	return 0;
}

/* Reads the end of a line: after a header or a value only a comment may follow. */
static int read_line_end(struct toml_parser *ps)
{
	toml_skip_blanks(ps);
	if (toml_peek(ps) == '#') {
		int r = skip_comment(ps);

		if (r < 0)
			return r;
	}
	if (ps->p == ps->end || skip_newline(ps))
		return 0;
	return toml_say(ps, EINVAL, "expected the end of the line, not '%.*s'", TOML_NEAR(ps));
}

/* Bytes of the UTF-8 character at @p, 0 when it is none (overlong, surrogate, above U+10FFFF). */
static size_t utf8_bytes(const unsigned char *p, size_t left)
{
	uint32_t c = p[0];
	size_t n = c < 0x80                ? 1
		   : c >= 0xc2 && c < 0xe0 ? 2
		   : (c & 0xf0) == 0xe0    ? 3
		   : c >= 0xf0 && c < 0xf5 ? 4
					   : 0;

	if (n == 0 || n > left)
		return 0;
	if (n > 1)
		c &= 0xffu >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if ((n == 3 && c < 0x800) || (n == 4 && (c < 0x10000 || c > 0x10ffff)) ||
	    (c >= 0xd800 && c < 0xe000))
		return 0;
	return n;
}

/* Checks that the whole text is UTF-8 without NUL, so that the rest of the parser need not. */
static int check_text(struct toml_parser *ps)
{
	const struct toml_parser start = *ps;
	size_t n;

	for (; ps->p < ps->end; ps->p += n) {
		n = utf8_bytes((const unsigned char *) ps->p, (size_t) (ps->end - ps->p));
		if (n == 0)
			return toml_say(ps, EINVAL, "is not UTF-8");
		if (*ps->p == '\0')
			return toml_say(ps, EINVAL, "a NUL byte");
		ps->line += *ps->p == '\n';
	}
	*ps = start;
	return 0;
}

static int read_document(struct toml_parser *ps, struct toml *top)
{
	struct toml *section = top;
	int r;

	while ((r = toml_skip_lines(ps)) == 0 && ps->p < ps->end) {
		if (toml_peek(ps) == '[')
			r = toml_read_header(ps, top, &section);
		else
			r = toml_read_pair(ps, section);
		if (r == 0)
			r = read_line_end(ps);
		if (r < 0)
			return r;
	}
	return r;
}

int toml_parse(const char *name, const char *text, size_t bytes, struct toml **ret, struct err *e)
{
	struct toml_parser ps = {.name = name, .p = text, .end = text + bytes, .line = 1, .e = e};
	int r;

	if (bytes > TOML_FILE_MAX_BYTES)
		return err_say(e, EFBIG, "'%s' is larger than %zu bytes", name,
			       TOML_FILE_MAX_BYTES);
	if ((r = check_text(&ps)) < 0)
		return r;

	auto_ptr(toml_free) struct toml *top = NULL;

	r = toml_new(&ps, TOML_TABLE, &top);
	if (!top)
		return r;
	top->origin = TOML_HEADER;
	r = read_document(&ps, top);
	if (r == 0)
		*ret = take_ptr(top);
	return r;
}
