#pragma once

#include <string.h>

#include "host/config/toml.h"

/* The state that the parts of the TOML reader share. Private to them. */
struct toml_parser {
	const char *name;
	const char *p;
	const char *end;
	unsigned line;
	unsigned depth;
	unsigned values;
	unsigned section; /* counts headers */
	struct err *e;
};

/* Puts "name:line: sentence" for the parser's position into the error. Returns -@code. */
int toml_say(const struct toml_parser *ps, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* The next byte, 0 at the end: no TOML may hold a NUL. */
static inline char toml_peek(const struct toml_parser *ps)
{
	return ps->p < ps->end ? *ps->p : '\0';
}

static inline bool toml_at(const struct toml_parser *ps, const char *word, size_t bytes)
{
	return (size_t) (ps->end - ps->p) >= bytes && memcmp(ps->p, word, bytes) == 0;
}

/* Blanks and tabs. */
void toml_skip_blanks(struct toml_parser *ps);

/* Blanks, newlines and comments. */
int toml_skip_lines(struct toml_parser *ps);

/* The text at the parser's position, for an error: "%.*s" of TOML_NEAR(ps). */
#define TOML_NEAR_BYTES 16
#define TOML_NEAR(ps)   toml_near_bytes(ps), (ps)->p < (ps)->end ? (ps)->p : "the end"

static inline int toml_near_bytes(const struct toml_parser *ps)
{
	size_t left = (size_t) (ps->end - ps->p);

	return left > 0 && left < TOML_NEAR_BYTES ? (int) left : TOML_NEAR_BYTES;
}

/* A new node, counted. Returns 0, -ENOMEM or -EFBIG. */
int toml_new(struct toml_parser *ps, enum toml_kind kind, struct toml **ret);

/* Puts @take_child at the end of @parent. */
void toml_add(struct toml *parent, struct toml *take_child);

/* toml_string.c: @ret is the caller's to free. The parser stands on the opening quote. */
int toml_read_string(struct toml_parser *ps, char **ret);

/* toml_value.c */
int toml_read_number(struct toml_parser *ps, struct toml **ret);
int toml_read_value(struct toml_parser *ps, struct toml **ret);

/* toml_table.c: "a.b.c = value" into @table. */
int toml_read_pair(struct toml_parser *ps, struct toml *table);
int toml_read_header(struct toml_parser *ps, struct toml *top, struct toml **ret_section);
