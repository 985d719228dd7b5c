/* The list of tables, and how a key is found in them. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "host/config/key.h"

/* Those with a title are in the order of the manual. */
static const struct key_table *const tables[] = {
	&keys_machine,        &keys_processor, &keys_share,         &keys_disks,
	&upstream_block,      &keys_device,    &keys_pod,           &upstream_special,
	&keys_factory,        &keys_agent,     &upstream_mem_agent, &keys_runtime,
	&upstream_hypervisor, &upstream_agent, &upstream_runtime,   &keys_qemu,
	&upstream_factory,
};

/* The names of the sections in "same_as" and in the manual. */
static const char *const section_names[] = {
	[SECTION_HYPERVISOR] = "hypervisor", [SECTION_FACTORY] = "factory",
	[SECTION_AGENT] = "agent",           [SECTION_MEM_AGENT] = "mem_agent",
	[SECTION_RUNTIME] = "runtime",
};
TABLE_COVERS(section_names, SECTION_MAX);

/* The next line of the tables, whatever driver it is for. */
static struct key_place line_next(struct key_place p)
{
	p.number++;
	if (++p.key < p.table->keys + p.table->n)
		return p;
	p.table_number++;
	p.table = p.table_number < ARRAY_LEN(tables) ? tables[p.table_number] : NULL;
	p.key = p.table ? p.table->keys : NULL;
	return p;
}

static bool is_for_driver(struct key_place p)
{
	return (p.table->drivers & p.driver) && (!p.key->only_for || p.key->only_for & p.driver);
}

static struct key_place first_for_driver(struct key_place p)
{
	while (p.key && !is_for_driver(p))
		p = line_next(p);
	return p;
}

struct key_place key_first(uint32_t driver)
{
	return first_for_driver(
		(struct key_place){.table = tables[0], .key = tables[0]->keys, .driver = driver});
}

struct key_place key_next(struct key_place p)
{
	return first_for_driver(line_next(p));
}

unsigned key_count(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		n += (unsigned) tables[i]->n;
	return n;
}

struct key_place key_find(uint32_t driver, enum section_id section, const char *name)
{
	struct key_place p = key_first(driver);

	while (p.key && (p.table->section != section || strcmp(p.key->name, name) != 0))
		p = key_next(p);
	return p;
}

struct key_place hypervisor_key(void)
{
	return key_find(FOR_ALL, SECTION_RUNTIME, "hypervisor_name");
}

struct key_place key_canonical(struct key_place p)
{
	const char *dot;

	if (!p.key || !p.key->same_as)
		return p;
	dot = strchr(p.key->same_as, '.');
	assert(dot);
	for (unsigned i = 0; i < SECTION_MAX; i++)
		if (strncmp(section_names[i], p.key->same_as, (size_t) (dot - p.key->same_as)) == 0)
			return key_find(p.driver, i, dot + 1);
	return (struct key_place){0};
}

const char *key_full_name(struct key_place p, const char *hypervisor, char buf[KEY_NAME_BYTES])
{
	const char *name = p.key->name;

	switch (p.table->section) {
	case SECTION_HYPERVISOR:
		(void) snprintf(buf, KEY_NAME_BYTES, "hypervisor.%s.%s", hypervisor, name);
		break;
	case SECTION_FACTORY:
		(void) snprintf(buf, KEY_NAME_BYTES, "hypervisor.%s.factory.%s", hypervisor, name);
		break;
	case SECTION_AGENT:
		(void) snprintf(buf, KEY_NAME_BYTES, "agent.kata.%s", name);
		break;
	case SECTION_MEM_AGENT:
		(void) snprintf(buf, KEY_NAME_BYTES, "agent.kata.mem_agent.%s", name);
		break;
	default:
		(void) snprintf(buf, KEY_NAME_BYTES, "runtime.%s", name);
		break;
	}
	return buf;
}
