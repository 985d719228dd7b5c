/* Applies documents to the configuration: finds each value's key and acts by its status. */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/config/key.h"

#define WARNINGS_MAX 256

int config_warn(struct config *c, struct err *e, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	if (c->warnings.n == WARNINGS_MAX)
		return 0;
	va_start(ap, fmt);
	(void) vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);
	return list_add(&c->warnings, words) < 0 ? err_sys(e, ENOMEM, "keep a warning") : 0;
}

static const char *with_note(const struct key *key, char buf[160])
{
	(void) snprintf(buf, 160, "%s%s", key->note ? ": " : "", key->note ? key->note : "");
	return buf;
}

static int set_origin(struct config *c, unsigned number, const char *origin, struct err *e)
{
	char *copy = strdup(origin);

	if (!copy)
		return err_sys(e, ENOMEM, "keep an origin");
	free(c->sources[number].origin);
	c->sources[number].origin = copy;
	return 0;
}

/* Refuses a value that its key's status does not allow, or warns of it. */
static int apply_unsupported(struct config *c, struct key_place p, const char *origin,
			     struct err *e)
{
	char name[KEY_NAME_BYTES], note[160];

	with_note(p.key, note);
	if (p.key->status == KEY_REFUSED)
		return err_say(e, ENOTSUP, "not supported yet%s", note);
	return config_warn(c, e, "%s: %s: not supported yet%s", origin,
			   key_full_name(p, c->hypervisor.name, name), note);
}

int config_apply(struct config *c, struct key_place place, const struct toml *value,
		 const char *origin, struct err *e)
{
	struct key_place p = key_canonical(place);
	uint32_t factor = place.key->same_as && place.key->factor ? place.key->factor : 1;
	char name[KEY_NAME_BYTES];
	int r = key_check(p.key, value, factor, e);

	if (r == 0 && (p.key->status == KEY_REFUSED || p.key->status == KEY_WARNED) &&
	    !key_accepts(p.key, value)) {
		r = apply_unsupported(c, p, origin, e);
	} else if (r == 0) {
		r = key_store(c, p.key, value, factor, e);
	}
	if (r == 0)
		r = set_origin(c, p.number, origin, e);
	return err_wrap(e, r, "%s: %s", origin, key_full_name(place, c->hypervisor.name, name));
}

/* What is being applied, and to what. */
struct applying {
	struct config *c;
	const char *path;
	struct err *e;
};

static int not_known(const struct applying *a, const char *prefix, const struct toml *t)
{
	return config_warn(a->c, a->e, "%s:%u: %s%s: not known", a->path, t->line, prefix, t->key);
}

static int need_table(const struct applying *a, const char *prefix, const struct toml *t)
{
	if (t->kind == TOML_TABLE)
		return 0;
	return err_say(a->e, EINVAL, "%s:%u: %s%s: expected a table, not %s", a->path, t->line,
		       prefix, t->key, toml_kind_name(t->kind));
}

/* The keys of @table; the table @inner_name in it is the section @inner. */
static int apply_section(const struct applying *a, enum section_id section, const char *prefix,
			 const struct toml *table, const char *inner_name, enum section_id inner)
{
	char origin[PATH_MAX + 16], inner_prefix[KEY_NAME_BYTES];
	int r = 0;

	for (const struct toml *t = table->first; t && r == 0; t = t->next) {
		struct key_place p = key_find(a->c->driver, section, t->key);

		(void) snprintf(origin, sizeof origin, "%s:%u", a->path, t->line);
		if (p.key) {
			r = config_apply(a->c, p, t, origin, a->e);
		} else if (inner_name && strcmp(t->key, inner_name) == 0) {
			(void) snprintf(inner_prefix, sizeof inner_prefix, "%s%s.", prefix, t->key);
			r = need_table(a, prefix, t);
			if (r == 0)
				r = apply_section(a, inner, inner_prefix, t, NULL, inner);
		} else {
			r = not_known(a, prefix, t);
		}
	}
	return r;
}

static bool is_hypervisor(const char *name)
{
	return key_word(hypervisor_key().key, name);
}

/* The tables of hypervisors that were not chosen have no effect. */
static int apply_hypervisors(const struct applying *a, const struct toml *table)
{
	char prefix[KEY_NAME_BYTES];
	int r = need_table(a, "", table);

	if (r < 0)
		return r;
	for (const struct toml *t = table->first; t && r == 0; t = t->next) {
		if (!is_hypervisor(t->key)) {
			r = not_known(a, "hypervisor.", t);
			continue;
		}
		r = need_table(a, "hypervisor.", t);
		if (r < 0 || strcmp(t->key, a->c->hypervisor.name) != 0)
			continue;
		(void) snprintf(prefix, sizeof prefix, "hypervisor.%s.", t->key);
		r = apply_section(a, SECTION_HYPERVISOR, prefix, t, "factory", SECTION_FACTORY);
	}
	return r;
}

static int apply_agents(const struct applying *a, const struct toml *table)
{
	int r = need_table(a, "", table);

	for (const struct toml *t = r == 0 ? table->first : NULL; t && r == 0; t = t->next) {
		if (strcmp(t->key, "kata") != 0) {
			r = not_known(a, "agent.", t);
			continue;
		}
		r = need_table(a, "agent.", t);
		if (r == 0)
			r = apply_section(a, SECTION_AGENT, "agent.kata.", t, "mem_agent",
					  SECTION_MEM_AGENT);
	}
	return r;
}

static int apply_document(const struct applying *a, const struct toml *document)
{
	int r = 0;

	for (const struct toml *t = document->first; t && r == 0; t = t->next) {
		if (strcmp(t->key, "hypervisor") == 0) {
			r = apply_hypervisors(a, t);
		} else if (strcmp(t->key, "agent") == 0) {
			r = apply_agents(a, t);
		} else if (strcmp(t->key, "runtime") == 0 || strcmp(t->key, "factory") == 0) {
			enum section_id id = t->key[0] == 'r' ? SECTION_RUNTIME : SECTION_FACTORY;
			char prefix[KEY_NAME_BYTES];

			(void) snprintf(prefix, sizeof prefix, "%s.", t->key);
			r = need_table(a, "", t);
			if (r == 0)
				r = apply_section(a, id, prefix, t, NULL, id);
		} else {
			r = not_known(a, "", t);
		}
	}
	return r;
}

/* runtime.hypervisor_name, if @document has it. */
static const struct toml *hypervisor_name(const struct toml *document)
{
	const struct toml *runtime = toml_get(document, "runtime");

	return runtime && runtime->kind == TOML_TABLE ? toml_get(runtime, "hypervisor_name") : NULL;
}

/* Without a name selects the only table's hypervisor, or "qemu" if there are several tables. */
static int select_by_table(struct config *c, const struct config_document *documents, size_t n,
			   struct err *e)
{
	const struct toml *only = NULL;
	const char *path = NULL;
	char origin[PATH_MAX + 16];

	for (size_t i = 0; i < n; i++) {
		const struct toml *all = toml_get(documents[i].toml, "hypervisor");

		if (!all || all->kind != TOML_TABLE)
			continue;
		for (const struct toml *t = all->first; t; t = t->next) {
			if (!is_hypervisor(t->key))
				continue;
			if (only && strcmp(only->key, t->key) != 0)
				return 0;
			only = t;
			path = documents[i].path;
		}
	}
	if (!only || strcmp(only->key, c->hypervisor.name) == 0)
		return 0;
	(void) snprintf(origin, sizeof origin, "%s:%u", path, only->line);
	return err_say(e, ENOTSUP, "%s: hypervisor.%s: not supported yet", origin, only->key);
}

static int select_hypervisor(struct config *c, const struct config_document *documents, size_t n,
			     struct err *e)
{
	char origin[PATH_MAX + 16];

	for (size_t i = n; i-- > 0;) {
		const struct toml *name = hypervisor_name(documents[i].toml);

		if (!name)
			continue;
		(void) snprintf(origin, sizeof origin, "%s:%u", documents[i].path, name->line);
		return config_apply(c, hypervisor_key(), name, origin, e);
	}
	return select_by_table(c, documents, n, e);
}

int config_apply_documents(struct config *c, const struct config_document *documents, size_t n,
			   struct err *e)
{
	int r = select_hypervisor(c, documents, n, e);

	if (r == 0) {
		c->driver = (uint32_t) key_word(hypervisor_key().key, c->hypervisor.name)->value;
		r = config_put_defaults(c, e);
	}
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct applying a = {.c = c, .path = documents[i].path, .e = e};

		r = apply_document(&a, documents[i].toml);
	}
	return r;
}
