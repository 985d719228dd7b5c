/* TOML keys, pairs and headers: which table a value goes to. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/toml_parser.h"

#define KEY_MAX_BYTES 256

static int read_bare_key(struct toml_parser *ps, char **ret)
{
	size_t n = 0;

	while (ps->p + n < ps->end &&
	       (isalnum((unsigned char) ps->p[n]) || ps->p[n] == '_' || ps->p[n] == '-'))
		n++;
	if (n == 0)
		return toml_say(ps, EINVAL, "expected a key, not '%.*s'", TOML_NEAR(ps));
	*ret = strndup(ps->p, n);
	ps->p += n;
	return *ret ? 0 : toml_say(ps, ENOMEM, "out of memory");
}

/* One part of a dotted key. */
static int read_key_part(struct toml_parser *ps, char **ret)
{
	char c = toml_peek(ps);
	auto_free char *key = NULL;
	int r;

	if (toml_at(ps, "\"\"\"", 3) || toml_at(ps, "'''", 3))
		return toml_say(ps, EINVAL, "a key cannot have several lines");
	r = c == '"' || c == '\'' ? toml_read_string(ps, &key) : read_bare_key(ps, &key);
	if (!key)
		return r;
	if (strlen(key) > KEY_MAX_BYTES)
		return toml_say(ps, EFBIG, "a key is longer than %d bytes", KEY_MAX_BYTES);
	toml_skip_blanks(ps);
	*ret = take_ptr(key);
	return 0;
}

static struct toml *member(struct toml *table, const char *key)
{
	for (struct toml *t = table->first; t; t = t->next)
		if (strcmp(t->key, key) == 0)
			return t;
	return NULL;
}

static int add_member(struct toml_parser *ps, struct toml *table, char *take_key,
		      struct toml *take_value)
{
	if (table->n == TOML_TABLE_MAX) {
		free(take_key);
		toml_free(take_value);
		return toml_say(ps, EFBIG, "more than %d keys in a table", TOML_TABLE_MAX);
	}
	free(take_value->key);
	take_value->key = take_key;
	toml_add(table, take_value);
	return 0;
}

static int add_table(struct toml_parser *ps, struct toml *table, enum toml_origin origin,
		     char *take_key, struct toml **ret)
{
	struct toml *t;
	int r = toml_new(ps, TOML_TABLE, &t);

	if (r < 0) {
		free(take_key);
		return r;
	}
	t->origin = origin;
	t->section = ps->section;
	*ret = t;
	return add_member(ps, table, take_key, t);
}

/* One step of a dotted key: into the table @key of @table, which is made when missing. */
static int step_dotted(struct toml_parser *ps, struct toml **table, char *take_key)
{
	struct toml *t = member(*table, take_key);

	if (!t)
		return add_table(ps, *table, TOML_DOTTED, take_key, table);

	int r = 0;

	if (t->kind != TOML_TABLE || t->origin != TOML_DOTTED || t->section != ps->section)
		r = toml_say(ps, EINVAL, "'%.64s' stands there already (line %u)", take_key,
			     t->line);
	free(take_key);
	*table = t;
	return r;
}

int toml_read_pair(struct toml_parser *ps, struct toml *table)
{
	unsigned depth = ps->depth;
	struct toml *value = NULL;
	auto_free char *key = NULL;
	int r = read_key_part(ps, &key);

	while (r == 0 && toml_peek(ps) == '.') {
		ps->p++;
		toml_skip_blanks(ps);
		if (++depth > TOML_DEPTH_MAX)
			return toml_say(ps, EFBIG, "more than %d levels", TOML_DEPTH_MAX);
		r = step_dotted(ps, &table, take_ptr(key));
		if (r == 0)
			r = read_key_part(ps, &key);
	}
	if (!key)
		return r;
	if (toml_peek(ps) != '=')
		return toml_say(ps, EINVAL, "expected '=' after '%.64s'", key);
	ps->p++;
	toml_skip_blanks(ps);

	const struct toml *old = member(table, key);

	if (old)
		return toml_say(ps, EINVAL, "'%.64s' stands there already (line %u)", key,
				old->line);

	unsigned saved = ps->depth, section = ps->section;

	ps->depth = depth;
	r = toml_read_value(ps, &value);
	ps->depth = saved;
	ps->section = section;
	return r < 0 ? r : add_member(ps, table, take_ptr(key), value);
}

/* One step of a header before its last part. [[a]] then [a.b] goes into the last of the list. */
static int step_header(struct toml_parser *ps, struct toml **table, char *take_key)
{
	struct toml *t = member(*table, take_key);

	if (!t)
		return add_table(ps, *table, TOML_IMPLICIT, take_key, table);
	if (t->kind == TOML_ARRAY && t->origin == TOML_LIST)
		t = t->last;

	int r = 0;

	if (t->kind != TOML_TABLE || t->origin == TOML_INLINE)
		r = toml_say(ps, EINVAL, "'%.64s' is no table that can be added to (line %u)",
			     take_key, t->line);
	free(take_key);
	*table = t;
	return r;
}

/* [a.b.key] */
static int open_table(struct toml_parser *ps, struct toml *table, char *take_key, struct toml **ret)
{
	auto_free char *key = take_key;
	struct toml *t = member(table, key);

	if (!t)
		return add_table(ps, table, TOML_HEADER, take_ptr(key), ret);
	if (t->kind != TOML_TABLE || t->origin != TOML_IMPLICIT)
		return toml_say(ps, EINVAL, "'%.64s' stands there already (line %u)", key, t->line);
	t->origin = TOML_HEADER;
	t->line = ps->line;
	*ret = t;
	return 0;
}

/* [[a.b.key]] */
static int open_element(struct toml_parser *ps, struct toml *table, char *take_key,
			struct toml **ret)
{
	auto_free char *key = take_key;
	struct toml *list = member(table, key), *element;
	int r;

	if (list && (list->kind != TOML_ARRAY || list->origin != TOML_LIST))
		return toml_say(ps, EINVAL, "'%.64s' stands there already (line %u)", key,
				list->line);
	if (!list) {
		r = toml_new(ps, TOML_ARRAY, &list);
		if (r < 0)
			return r;
		list->origin = TOML_LIST;
		r = add_member(ps, table, take_ptr(key), list);
		if (r < 0)
			return r;
	}

	r = toml_new(ps, TOML_TABLE, &element);
	if (r < 0)
		return r;
	element->origin = TOML_HEADER;
	toml_add(list, element);
	*ret = element;
	return 0;
}

int toml_read_header(struct toml_parser *ps, struct toml *top, struct toml **ret_section)
{
	bool element = toml_at(ps, "[[", 2);
	struct toml *table = top;
	auto_free char *key = NULL;
	unsigned depth = 0;
	int r;

	ps->p += element ? 2 : 1;
	ps->section++;
	toml_skip_blanks(ps);
	r = read_key_part(ps, &key);
	while (r == 0 && toml_peek(ps) == '.') {
		ps->p++;
		toml_skip_blanks(ps);
		if (++depth == TOML_DEPTH_MAX)
			return toml_say(ps, EFBIG, "more than %d levels", TOML_DEPTH_MAX);
		r = step_header(ps, &table, take_ptr(key));
		if (r == 0)
			r = read_key_part(ps, &key);
	}
	if (!key)
		return r;
	if (!toml_at(ps, element ? "]]" : "]", element ? 2 : 1))
		return toml_say(ps, EINVAL, "expected '%s' after '%.64s'", element ? "]]" : "]",
				key);
	ps->p += element ? 2 : 1;
	ps->depth = depth + 1;
	r = element ? open_element(ps, table, take_ptr(key), ret_section)
		    : open_table(ps, table, take_ptr(key), ret_section);
	return r;
}
