#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * TOML 1.0 to a tree, except dates, which are refused with a sentence because no key has one.
 * Private to host/config.
 *
 * Distrusts the text: file size, depth, keys per table and values in all have limits with names,
 * and the reader never recurses deeper than TOML_DEPTH_MAX.
 */
#define TOML_FILE_MAX_BYTES ((size_t) 1 << 20)
#define TOML_DEPTH_MAX      16
#define TOML_TABLE_MAX      1024  /* keys in one table */
#define TOML_VALUES_MAX     65536 /* in a document */

enum toml_kind {
	TOML_STRING,
	TOML_INTEGER,
	TOML_FLOAT,
	TOML_BOOL,
	TOML_ARRAY,
	TOML_TABLE,
	TOML_KIND_MAX,
};

/* How the text made a table, which decides what later text may add to it. */
enum toml_origin {
	TOML_IMPLICIT, /* "a" in [a.b]: may still be opened by [a] */
	TOML_HEADER,   /* [a] */
	TOML_DOTTED,   /* "a" in a.b = 1: only more dotted keys of the same section */
	TOML_INLINE,   /* {...}, and every array that is a value: closed */
	TOML_LIST,     /* the array behind [[a]] */
};

struct toml {
	enum toml_kind kind;
	enum toml_origin origin; /* of a table or array */
	char *key;               /* NULL for an element of an array, and at the top */
	unsigned line;           /* its line in the file, from 1 */
	union {
		char *string; /* UTF-8 without NUL */
		int64_t integer;
		double real;
		bool boolean;
	};
	struct toml *first, *last; /* members of a table, elements of an array, in order */
	struct toml *next;
	unsigned n;       /* how many */
	unsigned section; /* which header a dotted table was made under */
};

/**
 * toml_parse() - read a document
 * @name:	of the file, for errors: "name:line: sentence"
 * @ret:	a table; the caller frees it with toml_free()
 *
 * Returns 0, -EINVAL, -EFBIG (a limit was passed) or -ENOMEM.
 */
int toml_parse(const char *name, const char *text, size_t bytes, struct toml **ret, struct err *e);

/* Accepts NULL. */
void toml_free(struct toml *t);
AUTO_PTR(struct toml, toml_free)

/* The member of @table, or NULL. */
const struct toml *toml_get(const struct toml *table, const char *key);

/* The same kind and value, members and elements in the same order. */
bool toml_equal(const struct toml *a, const struct toml *b);

/* "a string", "a table" */
const char *toml_kind_name(enum toml_kind kind);
