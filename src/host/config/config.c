#include "host/config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "host/config/key.h"

/* Stores the default of one key. Tests check that every default is valid. */
static int put_default(struct config *c, const struct key *key, struct err *e)
{
	auto_ptr(toml_free) struct toml *document = NULL;
	int r = key_parse(key, key->preset, &document, e);

	return r < 0 ? r : key_store(c, key, document->first->first, 1, e);
}

int config_new(struct config **ret, struct err *e)
{
	auto_ptr(config_free) struct config *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return err_sys(e, ENOMEM, "make a configuration");
	c->path = strdup("");
	c->sources = calloc(key_count(), sizeof *c->sources);
	if (!c->path || !c->sources)
		return err_sys(e, ENOMEM, "make a configuration");
	c->driver = FOR_ALL;
	r = put_default(c, hypervisor_key().key, e);
	if (r == 0)
		*ret = take_ptr(c);
	return r;
}

int config_put_defaults(struct config *c, struct err *e)
{
	int r = 0;

	for (struct key_place p = key_first(c->driver); p.key && r == 0; p = key_next(p))
		if (p.key->to && p.key->to != KEY_TO(hypervisor.name))
			r = put_default(c, p.key, e);
	return r;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (struct key_place p = key_first(c->driver); p.key; p = key_next(p)) {
		if (p.key->to)
			key_fini(c, p.key);
		if (c->sources)
			free(c->sources[p.number].origin);
	}
	free(c->sources);
	free(c->path);
	list_fini(&c->dropins);
	list_fini(&c->warnings);
	free(c);
}

static int copy_into(struct config *to, const struct config *from)
{
	to->driver = from->driver;
	for (size_t i = 0; i < from->dropins.n; i++)
		if (list_add(&to->dropins, from->dropins.items[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < from->warnings.n; i++)
		if (list_add(&to->warnings, from->warnings.items[i]) < 0)
			return -ENOMEM;
	for (struct key_place p = key_first(from->driver); p.key; p = key_next(p)) {
		const char *origin = from->sources[p.number].origin;

		if (p.key->to && key_copy(to, from, p.key) < 0)
			return -ENOMEM;
		if (origin && !(to->sources[p.number].origin = strdup(origin)))
			return -ENOMEM;
	}
	return 0;
}

struct config *config_copy(const struct config *c)
{
	auto_ptr(config_free) struct config *copy = calloc(1, sizeof *copy);

	if (!copy)
		return NULL;
	copy->path = strdup(c->path);
	copy->sources = calloc(key_count(), sizeof *copy->sources);
	if (!copy->path || !copy->sources || copy_into(copy, c) < 0)
		return NULL;
	return take_ptr(copy);
}

static bool is_shown(const struct key *key)
{
	return key->to && key->status == KEY_HONOURED;
}

static const char *origin_of(const struct config *c, unsigned number)
{
	const char *origin = c->sources[number].origin;

	return origin ? origin : "default";
}

void config_each(const struct config *c, void (*show)(void *arg, const struct config_setting *s),
		 void *arg)
{
	char name[KEY_NAME_BYTES];

	for (struct key_place p = key_shown_first(c->driver); p.key; p = key_shown_next(p)) {
		bool honoured = is_shown(p.key);
		auto_free char *value = honoured ? key_show(c, p.key) : NULL;
		const struct config_setting s = {.key = key_full_name(p, c->hypervisor.name, name),
						 .value = value,
						 .origin = origin_of(c, p.number)};

		if (value || (!honoured && c->sources[p.number].origin))
			show(arg, &s);
	}
}

const char *config_origin(const struct config *c, const char *key)
{
	char name[KEY_NAME_BYTES];

	for (struct key_place p = key_first(c->driver); p.key; p = key_next(p))
		if (is_shown(p.key) && strcmp(key_full_name(p, c->hypervisor.name, name), key) == 0)
			return origin_of(c, p.number);
	return NULL;
}
