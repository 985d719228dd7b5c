/* One value: checked against its key, stored in the configuration, and shown again. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/config/key.h"

#define LIST_MAX 256

static void *field_of(const struct config *c, const struct key *key)
{
	return (char *) c + key->to - 1;
}

static uint32_t factor_of(const struct key *key)
{
	return key->factor ? key->factor : 1;
}

static int wrong_kind(const char *expected, const struct toml *value, struct err *e)
{
	return err_say(e, EINVAL, "expected %s, not %s", expected, toml_kind_name(value->kind));
}

/* The error has the number in the unit of the file, so that the user recognises it. */
static int check_range(const struct key *key, int64_t number, uint32_t factor, struct err *e)
{
	int64_t min = key->min, max = key->max;

	if (min == 0 && max == 0)
		max = key->kind == KEY_U32 ? UINT32_MAX : INT64_MAX;
	if (key->kind == KEY_INTEGER && key->max == 0)
		min = INT64_MIN;
	min = (min + (min > 0 ? factor - 1 : 0)) / factor;
	max /= factor;
	if (number < min || number > max)
		return err_say(e, ERANGE,
			       "%" PRId64 " is out of range (%" PRId64 " to %" PRId64 ")", number,
			       min, max);
	return 0;
}

static int check_vcpus(const struct key *key, const struct toml *value, struct err *e)
{
	if (value->kind == TOML_INTEGER)
		return check_range(key, value->integer, 1, e);
	if (value->kind != TOML_FLOAT)
		return wrong_kind("a number", value, e);
	if (!(value->real >= (double) key->min && value->real <= (double) key->max))
		return err_say(e, ERANGE, "%g is out of range (%" PRId64 " to %" PRId64 ")",
			       value->real, key->min, key->max);
	return 0;
}

const struct key_word *key_word(const struct key *key, const char *name)
{
	for (const struct key_word *w = key->words; w->name; w++)
		if (strcmp(w->name, name) == 0)
			return w;
	return NULL;
}

static int check_word(const struct key *key, const char *name, struct err *e)
{
	const struct key_word *w = key_word(key, name);
	char words[256] = "";

	if (w && w->value == WORD_NOT_YET && key->note)
		return err_say(e, ENOTSUP, "'%s' is not supported: %s", name, key->note);
	if (w && w->value == WORD_NOT_YET)
		return err_say(e, ENOTSUP, "'%s' is not supported yet", name);
	if (w)
		return 0;
	for (w = key->words; w->name; w++) {
		if (w->value == WORD_NOT_YET)
			continue;
		if (words[0])
			(void) strncat(words, ", ", sizeof words - strlen(words) - 1);
		(void) strncat(words, w->name, sizeof words - strlen(words) - 1);
	}
	return err_say(e, EINVAL, "'%.64s' is none of %s", name, words);
}

static int check_string(const struct key *key, const struct toml *value, struct err *e)
{
	if (value->kind != TOML_STRING)
		return wrong_kind("a string", value, e);
	return key->words ? check_word(key, value->string, e) : 0;
}

static int check_list(const struct toml *value, struct err *e)
{
	if (value->kind != TOML_ARRAY)
		return wrong_kind("a list of strings", value, e);
	if (value->n > LIST_MAX)
		return err_say(e, ERANGE, "more than %d elements", LIST_MAX);
	for (const struct toml *t = value->first; t; t = t->next)
		if (t->kind != TOML_STRING)
			return wrong_kind("a list of strings", t, e);
	return 0;
}

int key_check(const struct key *key, const struct toml *value, uint32_t factor, struct err *e)
{
	switch (key->kind) {
	case KEY_BOOL:
		return value->kind == TOML_BOOL ? 0 : wrong_kind("true or false", value, e);
	case KEY_U32:
	case KEY_INTEGER:
		if (value->kind != TOML_INTEGER)
			return wrong_kind("an integer", value, e);
		return check_range(key, value->integer, factor, e);
	case KEY_VCPUS:
		return check_vcpus(key, value, e);
	case KEY_FLOAT:
		if (value->kind != TOML_FLOAT && value->kind != TOML_INTEGER)
			return wrong_kind("a number", value, e);
		return 0;
	case KEY_WORD:
	case KEY_STRING:
		return check_string(key, value, e);
	case KEY_LIST:
		return check_list(value, e);
	default:
		if (value->kind != TOML_ARRAY && value->kind != TOML_TABLE)
			return wrong_kind("a table", value, e);
		return 0;
	}
}

int list_add(struct config_list *list, const char *text)
{
	char **items = realloc(list->items, (list->n + 1) * sizeof *items);

	if (!items)
		return -ENOMEM;
	list->items = items;
	items[list->n] = strdup(text);
	if (!items[list->n])
		return -ENOMEM;
	list->n++;
	return 0;
}

void list_fini(struct config_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){0};
}

static int store_string(char **field, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int store_list(struct config_list *field, const struct toml *value)
{
	struct config_list list = {0};

	for (const struct toml *t = value->first; t; t = t->next)
		if (list_add(&list, t->string) < 0) {
			list_fini(&list);
			return -ENOMEM;
		}
	list_fini(field);
	*field = list;
	return 0;
}

int key_store(struct config *c, const struct key *key, const struct toml *value, uint32_t factor,
	      struct err *e)
{
	void *field = field_of(c, key);
	int r = 0;

	if (!key->to)
		return 0;
	switch (key->kind) {
	case KEY_BOOL:
		*(bool *) field = value->boolean;
		break;
	case KEY_U32:
		*(uint32_t *) field = (uint32_t) value->integer * factor * factor_of(key);
		break;
	case KEY_INTEGER:
		*(int64_t *) field = value->integer;
		break;
	case KEY_VCPUS:
		*(int32_t *) field = value->kind == TOML_FLOAT ? (int32_t) ceil(value->real)
							       : (int32_t) value->integer;
		break;
	case KEY_WORD:
		*(uint32_t *) field = (uint32_t) key_word(key, value->string)->value;
		break;
	case KEY_LIST:
		r = store_list(field, value);
		break;
	default:
		r = store_string(field, value->string);
		break;
	}
	return r < 0 ? err_sys(e, -r, "store a value") : 0;
}

int key_parse(const struct key *key, const char *values, struct toml **ret_document, struct err *e)
{
	auto_free char *text = str_printf("x = [%s]\n", values);

	if (!text)
		return err_sys(e, ENOMEM, "parse a value");
	return toml_parse(key->name, text, strlen(text), ret_document, e);
}

bool key_accepts(const struct key *key, const struct toml *value)
{
	auto_ptr(toml_free) struct toml *document = NULL;

	if (key_parse(key, key->accepted, &document, NULL) < 0)
		return false;
	for (const struct toml *t = document->first->first; t; t = t->next)
		if (toml_equal(t, value))
			return true;
	/* "rootless_user" is a table and not a list of them. */
	return value->kind == TOML_TABLE && value->n == 0;
}

static const char *show_word(const struct key *key, uint32_t value)
{
	for (const struct key_word *w = key->words; w->name; w++)
		if (w->value == (int) value)
			return w->name;
	return "?";
}

/* Appends @string as a basic TOML string, after @comma. */
static char *append_string(char *take_text, const char *comma, const char *string)
{
	auto_free char *text = take_text;
	size_t n = text ? strlen(text) : 0;
	char *out = text ? malloc(n + strlen(comma) + 6 * strlen(string) + 3) : NULL, *p;

	if (!out)
		return NULL;
	p = stpcpy(stpcpy(stpcpy(out, text), comma), "\"");
	for (; *string; string++) {
		unsigned char u = (unsigned char) *string;

		if (u == '"' || u == '\\')
			p += sprintf(p, "\\%c", u);
		else if (u < 0x20 || u == 0x7f)
			p += sprintf(p, "\\u%04x", u);
		else
			*p++ = (char) u;
	}
	(void) stpcpy(p, "\"");
	return out;
}

static char *show_list(const struct config_list *list)
{
	char *text = strdup("[");

	for (size_t i = 0; i < list->n; i++)
		text = append_string(text, i ? ", " : "", list->items[i]);

	char *closed = text ? str_printf("%s]", text) : NULL;

	free(text);
	return closed;
}

char *key_show(const struct config *c, const struct key *key)
{
	const void *field = field_of(c, key);

	switch (key->kind) {
	case KEY_BOOL:
		return strdup(*(const bool *) field ? "true" : "false");
	case KEY_U32:
		return str_printf("%" PRIu32, *(const uint32_t *) field / factor_of(key));
	case KEY_INTEGER:
		return str_printf("%" PRId64, *(const int64_t *) field);
	case KEY_VCPUS:
		return str_printf("%" PRId32, *(const int32_t *) field);
	case KEY_WORD:
		return str_printf("\"%s\"", show_word(key, *(const uint32_t *) field));
	case KEY_LIST:
		return show_list(field);
	default:
		return append_string(strdup(""), "", *(char *const *) field);
	}
}

static int copy_list(struct config_list *to, const struct config_list *from)
{
	for (size_t i = 0; i < from->n; i++)
		if (list_add(to, from->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

int key_copy(struct config *to, const struct config *from, const struct key *key)
{
	void *out = field_of(to, key);
	const void *in = field_of(from, key);

	switch (key->kind) {
	case KEY_BOOL:
		*(bool *) out = *(const bool *) in;
		return 0;
	case KEY_U32:
	case KEY_WORD:
		*(uint32_t *) out = *(const uint32_t *) in;
		return 0;
	case KEY_INTEGER:
		*(int64_t *) out = *(const int64_t *) in;
		return 0;
	case KEY_VCPUS:
		*(int32_t *) out = *(const int32_t *) in;
		return 0;
	case KEY_LIST:
		return copy_list(out, in);
	default:
		return store_string(out, *(char *const *) in);
	}
}

void key_fini(struct config *c, const struct key *key)
{
	void *field = field_of(c, key);

	if (key->kind == KEY_LIST) {
		list_fini(field);
	} else if (key->kind == KEY_STRING) {
		free(*(char **) field);
		*(char **) field = NULL;
	}
}
