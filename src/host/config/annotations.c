/*
 * What a pod may change about its own sandbox. The annotations themselves are keys: whether and how
 * a pod may set one is .access in the key's line in table_<section>.c, and its name is the key's
 * unless the line has .annotation. There is nothing to add here for one more.
 *
 * Users who create pods do not administer the host, but every system of this kind once had an
 * annotation that named a program of the host. So enable_annotations must list every annotation
 * (but POD_MAY, key.h); it must have the exact name of one with free text, because arguments and
 * paths are made of that; and a list of globs must match every path.
 */
#include <errno.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "host/config/key.h"

#define PREFIX_ALL "io.katacontainers.config."
#define VALUE_MAX  65536

/* Names that one of upstream's two runtimes spells without the prefix, or that are refused. */
static const struct {
	const char *name;
	const char *stands_for; /* NULL: refused */
} odd_names[] = {
	{"io.katacontainers.enable_vcpus_pinning", PREFIX_ALL "runtime.enable_vcpus_pinning"},
	{"io.katacontainers.asset_hash_type", NULL},
	{"io.katacontainers.config_path", NULL},
};

static const struct {
	const char *prefix;
	enum section_id section;
} sections[] = {
	{PREFIX_ALL "hypervisor.", SECTION_HYPERVISOR},
	{PREFIX_ALL "agent.", SECTION_AGENT},
	{PREFIX_ALL "runtime.", SECTION_RUNTIME},
};

/* The key that an annotation's name means; .key is NULL when there is none. */
static struct key_place find(const struct config *c, enum section_id section, const char *name)
{
	struct key_place p = key_first(c->driver);

	for (; p.key; p = key_next(p)) {
		const char *called = p.key->annotation ? p.key->annotation : p.key->name;

		if (p.table->section == section && strcmp(called, name) == 0)
			break;
	}
	return p;
}

static bool is_named(const struct config_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

/* An expression must match the whole name, unlike upstream's, where "kernel" also allows
 * kernel_params. An invalid expression matches nothing. */
static bool is_listed(const struct config_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++) {
		auto_free char *whole = str_printf("^(%s)$", list->items[i]);
		regex_t regex;

		if (!whole || regcomp(&regex, whole, REG_EXTENDED | REG_NOSUB) != 0)
			continue;

		bool fits = regexec(&regex, name, 0, NULL, 0) == 0;

		regfree(&regex);
		if (fits)
			return true;
	}
	return false;
}

static int check_access(const struct config *c, const struct key *key, const char *name,
			struct err *e)
{
	const struct config_list *list = &c->hypervisor.enable_annotations;
	bool text = key->kind == KEY_STRING || key->kind == KEY_LIST;
	enum key_access access = key->access;

	if (access == POD_NEVER)
		return err_say(e, EPERM, "no pod may set this");
	if (access == POD_MAY || is_named(list, name))
		return 0;
	if (access == POD_IF_NAMED || (text && access != POD_IF_LISTED))
		return err_say(e, EPERM, "not allowed: enable_annotations does not have '%s'",
			       name);
	if (!is_listed(list, name))
		return err_say(e, EPERM, "not allowed by enable_annotations");
	return 0;
}

static bool has_dot_dot(const char *path)
{
	for (const char *p = path; (p = strstr(p, "..")); p += 2)
		if ((p == path || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

static int check_path(const struct config *c, const struct key *key, const char *path,
		      struct err *e)
{
	if (!key->globs)
		return 0;

	const struct key *globs = key_find(c->driver, SECTION_HYPERVISOR, key->globs).key;
	const struct config_list *list =
		(const struct config_list *) ((const char *) c + globs->to - 1);

	if (path[0] == '/' && !has_dot_dot(path))
		for (size_t i = 0; i < list->n; i++)
			if (fnmatch(list->items[i], path, FNM_PATHNAME | FNM_PERIOD) == 0)
				return 0;
	return err_say(e, EPERM, "'%.128s' is not in %s", path, key->globs);
}

static struct toml *make(enum toml_kind kind)
{
	struct toml *t = calloc(1, sizeof *t);

	if (t)
		t->kind = kind;
	return t;
}

static struct toml *make_string(const char *text, size_t bytes)
{
	struct toml *t = make(TOML_STRING);

	if (!t)
		return NULL;
	t->string = strndup(text, bytes);
	if (t->string)
		return t;
	toml_free(t);
	return NULL;
}

/* Makes a list of the elements in @text, which are separated by ';'. */
static struct toml *make_list(const char *text)
{
	auto_ptr(toml_free) struct toml *list = make(TOML_ARRAY);

	while (list && *text) {
		size_t n = strcspn(text, ";");
		struct toml *element = make_string(text, n);

		if (!element)
			return NULL;
		if (list->last)
			list->last->next = element;
		else
			list->first = element;
		list->last = element;
		list->n++;
		text += n + (text[n] == ';');
	}
	return take_ptr(list);
}

/* Parses a list in TOML or JSON, which write a list of strings in the same way. */
static int parse_list(const char *text, struct toml **ret, struct err *e)
{
	auto_free char *line = str_printf("x = %s\n", text);
	auto_ptr(toml_free) struct toml *document = NULL;
	int r = line ? toml_parse("value", line, strlen(line), &document, e) : -ENOMEM;

	if (!line)
		return err_sys(e, ENOMEM, "read a list");
	if (r < 0)
		return r;
	if (document->n != 1)
		return err_say(e, EINVAL, "expected one list");
	*ret = document->first;
	document->first = document->last = NULL;
	return 0;
}

static int parse_bool(const char *text, struct toml **ret, struct err *e)
{
	bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;

	if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return err_say(e, EINVAL, "expected true or false, not '%.32s'", text);
	*ret = make(TOML_BOOL);
	if (*ret)
		(*ret)->boolean = yes;
	return *ret ? 0 : err_sys(e, ENOMEM, "read a value");
}

static int parse_number(const struct key *key, const char *text, struct toml **ret, struct err *e)
{
	bool fraction = key->kind == KEY_VCPUS || key->kind == KEY_FLOAT;
	int64_t integer = 0;
	double real = 0;
	char *end = NULL;
	bool whole = num_parse_i64(text, &integer) == 0;

	if (!whole && fraction)
		real = strtod(text, &end);
	if (!whole && (!fraction || end == text || *end))
		return err_say(e, EINVAL, "expected a number, not '%.32s'", text);
	*ret = make(whole ? TOML_INTEGER : TOML_FLOAT);
	if (!*ret)
		return err_sys(e, ENOMEM, "read a value");
	if (whole)
		(*ret)->integer = integer;
	else
		(*ret)->real = real;
	return 0;
}

static int parse_value(const struct key *key, const char *text, struct toml **ret, struct err *e)
{
	switch (key->kind) {
	case KEY_BOOL:
		return parse_bool(text, ret, e);
	case KEY_U32:
	case KEY_INTEGER:
	case KEY_VCPUS:
	case KEY_FLOAT:
		return parse_number(key, text, ret, e);
	case KEY_LIST:
	case KEY_TABLES:
		if (text[0] == '[')
			return parse_list(text, ret, e);
		*ret = make_list(text);
		break;
	default:
		*ret = make_string(text, strlen(text));
		break;
	}
	return *ret ? 0 : err_sys(e, ENOMEM, "read a value");
}

static int set(struct config *c, struct key_place place, const char *annotation, const char *text,
	       struct err *e)
{
	struct key_place p = key_canonical(place);
	const char *name = place.key->annotation ? place.key->annotation : place.key->name;
	auto_ptr(toml_free) struct toml *value = NULL;
	auto_free char *joined = NULL, *origin = str_printf("annotation %s", annotation);
	int r;

	if ((r = check_access(c, p.key, name, e)) < 0 || (r = check_path(c, p.key, text, e)) < 0)
		return err_wrap(e, r, "annotation %s", annotation);
	if (p.key->appends) {
		const char *old = *(char *const *) ((const char *) c + p.key->to - 1);

		joined = str_printf("%s%s%s", old, old[0] && text[0] ? " " : "", text);
		text = joined;
	}
	if (!origin || !text)
		return err_sys(e, ENOMEM, "read annotation %s", annotation);
	r = parse_value(p.key, text, &value, e);
	if (r < 0)
		return err_wrap(e, r, "annotation %s", annotation);
	return config_apply(c, place, value, origin, e);
}

int config_annotate(struct config *c, const char *key, const char *value, struct err *e)
{
	const char *name = key;

	for (size_t i = 0; i < ARRAY_LEN(odd_names); i++) {
		if (strcmp(odd_names[i].name, key) != 0)
			continue;
		if (!odd_names[i].stands_for)
			return err_say(e, EPERM, "annotation %s: no pod may set this", key);
		name = odd_names[i].stands_for;
	}
	if (strncmp(name, PREFIX_ALL, strlen(PREFIX_ALL)) != 0)
		return 0;
	if (strlen(value) > VALUE_MAX)
		return err_say(e, EINVAL, "annotation %.128s is longer than %d bytes", key,
			       VALUE_MAX);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		size_t n = strlen(sections[i].prefix);

		if (strncmp(name, sections[i].prefix, n) != 0)
			continue;

		struct key_place p = find(c, sections[i].section, name + n);

		if (p.key)
			return set(c, p, key, value, e);
	}
	return err_say(e, EINVAL, "annotation %.128s: not known", key);
}
