#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Options as tables. One line per option; the parser, the help text and the shell completion are
 * made from the same lines.
 *
 * Accepted as runc's parser accepts them: "--name value", "--name=value", "-n value", "-n=value",
 * and a single dash in front of a long name; booleans as "--name" or "--name=true". "--" ends the
 * options. Options end at the first word that is not one, so that a container's arguments are never
 * taken for options of the CLI.
 */
enum __attribute__((packed)) option_kind {
	OPTION_FLAG,   /* bool */
	OPTION_STRING, /* const char *; the last one counts; borrowed from argv */
	OPTION_LIST,   /* struct option_list; every one counts */
	OPTION_NUMBER, /* uint64_t */
	OPTION_KIND_MAX,
};

#define OPTION_LIST_MAX 256

struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t n;
};

struct option {
	const char *name;
	char letter; /* or 0 */
	enum option_kind kind;
	unsigned offset;   /* of the value in the struct that the table belongs to */
	const char *value; /* what the value is called in the help text; NULL for a flag */
	const char *help;
	/* Accepted and ignored, because runc's callers pass it; offset is not used. */
	bool ignored;
};

/* The kind and offset of an option whose value is @member of @type. */
#define OPTION_FIELD(kind, type, member) OPTION_##kind, offsetof(type, member)

/**
 * options_parse() - read options into a struct
 * @table:	@n options; names are unique
 * @argv:	words; read up to the first that is no option. Borrowed by string values
 * @values:	the struct that the offsets point into
 *
 * Returns how many words were options and their values, or -EINVAL with a sentence that names the
 * word.
 */
int options_parse(const struct option *table, size_t n, int argc, char *const *argv, void *values,
		  struct err *e) __attribute__((cold));

/* Writes one aligned line of help per option to stdout. */
void options_help(const struct option *table, size_t n);
