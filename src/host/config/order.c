/*
 * The order in which keys are shown, in the manual and by `kata-runtime env`: by subject, although
 * those that are not honoured are in a table apart. Lines that begin with one that has .after are
 * shown behind the key which that names, whatever tables the two are in.
 */
#include <string.h>

#include "host/config/key.h"

/* The first line, from @p on, that is shown behind @key. */
static struct key_place line_behind(struct key_place key, struct key_place p)
{
	while (p.key && !(p.key->after && p.table->section == key.table->section &&
			  strcmp(p.key->after, key.key->name) == 0))
		p = key_next(p);
	return p;
}

/* The line that begins the lines in which @p is. */
static struct key_place line_first(struct key_place p)
{
	while (!p.key->after && p.key > p.table->keys) {
		p.key--;
		p.number--;
	}
	return p;
}

static struct key_place first_with_title(struct key_place p)
{
	while (p.key && !p.table->title)
		p = key_next(p);
	return p;
}

struct key_place key_shown_first(uint32_t driver)
{
	return first_with_title(key_first(driver));
}

struct key_place key_shown_next(struct key_place p)
{
	struct key_place next = line_behind(p, key_first(p.driver));

	while (!next.key) {
		struct key_place first = line_first(p);

		next = key_next(p);
		if (next.key && next.table == p.table && !next.key->after)
			return next;
		if (!first.key->after)
			return first_with_title(next);
		p = key_find(p.driver, first.table->section, first.key->after);
		next = line_behind(p, key_next(first));
	}
	return next;
}
