/*
 * TOML, and configurations made of it: no text may crash, hang or leak; what is accepted is a tree
 * as promised, and can be shown and copied.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/config/config.h"
#include "host/config/key.h"
#include "host/config/toml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
}

static void walk(const struct toml *t, unsigned depth)
{
	unsigned n = 0;

	require(depth <= 2 * TOML_DEPTH_MAX && t->line > 0);
	if (t->kind == TOML_STRING)
		require(t->string != NULL);
	if (t->kind != TOML_TABLE && t->kind != TOML_ARRAY)
		return;
	for (const struct toml *child = t->first; child; child = child->next, n++) {
		require((t->kind == TOML_TABLE) == (child->key != NULL));
		require(t->kind == TOML_ARRAY || toml_get(t, child->key) == child);
		walk(child, depth + 1);
	}
	require(n == t->n);
	/* A number that is none is not equal to itself. */
	(void) toml_equal(t, t);
}

static void ignore(void *arg, const struct config_setting *s)
{
	(void) arg;
	/* A key without a value is one that somebody set and that is not supported. */
	require(s->key && s->origin && (s->value || strcmp(s->origin, "default") != 0));
}

static void configure(struct toml *document)
{
	auto_ptr(config_free) struct config *c = NULL;
	auto_ptr(config_free) struct config *copy = NULL;
	char path[] = "f";
	const struct config_document d = {.path = path, .toml = document};
	struct err e = {0};

	require(config_new(&c, NULL) == 0);
	if (config_apply_documents(c, &d, 1, &e) < 0) {
		require(e.code > 0 && e.text[0]);
		return;
	}
	config_each(c, ignore, NULL);
	copy = config_copy(c);
	require(copy != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_ptr(toml_free) struct toml *t = NULL;
	struct err e = {0};

	if (toml_parse("f", (const char *) data, bytes, &t, &e) < 0) {
		require(e.code > 0 && e.text[0]);
		return 0;
	}
	walk(t, 0);
	configure(t);
	return 0;
}
