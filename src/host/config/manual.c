/* docs/configuration.md, out of the tables. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "host/config/key.h"

static const char introduction[] =
	"# Configuration\n"
	"\n"
	"<!-- Printed by `make docs` from the tables in src/host/config; edit those. -->\n"
	"\n"
	"The configuration is the first of these files that exists:\n"
	"\n"
	"1. what `kata-runtime --config FILE` or containerd's `ConfigPath` names;\n"
	"2. what the environment variable `KATA_CONF_FILE` names;\n"
	"3. `configuration.toml` beside a program that runs from its build tree;\n"
	"4. the default places, which `kata-runtime --show-default-config-paths` prints.\n"
	"\n"
	"After it the files `config.d/*.toml` in the same folder are read in the order of their\n"
	"names; a key in a later file replaces the one in an earlier file, lists included. File\n"
	"names, tables and keys are those of the upstream system, old and new spelling alike.\n"
	"`kata-runtime env` shows every effective value and where it came from.\n"
	"\n"
	"A key that is not known is a warning. A wrong type, a number out of range or an unknown word\n"
	"is an error with file and line. In the tables below:\n"
	"\n"
	"- a **default** alone: the key is honoured;\n"
	"- *no effect*: the key may have any value. It qualifies something that is off, or only tunes\n"
	"  what is done otherwise here;\n"
	"- *only*: the feature is not supported yet. These values ask for nothing and are accepted,\n"
	"  any other is an error that names the key;\n"
	"- *else*: other values load with a warning that says what is done instead, because files that\n"
	"  the upstream system ships have them.\n"
	"\n"
	"`kata-runtime env` lists keys that are set and not honoured as *not supported*.\n"
	"\n"
	"## Annotations\n"
	"\n"
	"A pod may change keys of its own sandbox with annotations\n"
	"`io.katacontainers.config.{hypervisor,agent,runtime}.KEY`, as far as the administrator lets\n"
	"it. The column *pods* says what it takes:\n"
	"\n"
	"- *listed*: an expression in `enable_annotations` fits the key's whole name;\n"
	"- *named*: `enable_annotations` has the very name. This is so for all free text, because\n"
	"  arguments and paths are made of it. Where a `valid_` list exists the path must be in it;\n"
	"- *may*: nothing;\n"
	"- *never*: no annotation can.\n"
	"\n"
	"An annotation that is not allowed is an error, and the sandbox does not start.\n";

static const char *const headings[] = {
	[SECTION_HYPERVISOR] = "`[hypervisor.NAME]`",
	[SECTION_FACTORY] = "`[hypervisor.NAME.factory]`, formerly `[factory]`",
	[SECTION_AGENT] = "`[agent.kata]`",
	[SECTION_MEM_AGENT] = "`[agent.kata.mem_agent]`",
	[SECTION_RUNTIME] = "`[runtime]`",
};
TABLE_COVERS(headings, SECTION_MAX);

static void print_words(FILE *out, const struct key *key)
{
	for (const struct key_word *w = key->words; w->name; w++)
		if (w->value != WORD_NOT_YET)
			fprintf(out, "%s`%s`", w == key->words ? "" : ", ", w->name);
}

static void print_kind(FILE *out, const struct key *key)
{
	static const char *const kinds[] = {
		[KEY_BOOL] = "bool",     [KEY_U32] = "integer",  [KEY_INTEGER] = "integer",
		[KEY_VCPUS] = "number",  [KEY_FLOAT] = "number", [KEY_WORD] = "",
		[KEY_STRING] = "string", [KEY_LIST] = "list",    [KEY_TABLES] = "tables",
	};
	TABLE_COVERS(kinds, KEY_KIND_MAX);

	if (key->words) {
		print_words(out, key);
		return;
	}
	fputs(kinds[key->kind], out);
	if (key->min || key->max)
		fprintf(out, " %" PRId64 "…%" PRId64, key->min, key->max);
}

static void print_status(FILE *out, const struct key *key)
{
	switch (key->status) {
	case KEY_HONOURED:
		fprintf(out, "`%s`", key->preset);
		break;
	case KEY_IGNORED:
		fputs("*no effect*", out);
		break;
	case KEY_WARNED:
		fprintf(out, "*only* `%s`, *else* %s", key->accepted, key->note);
		break;
	case KEY_REFUSED:
		fprintf(out, "*only* `%s`", key->accepted);
		break;
	}
}

static const char *access_word(const struct key *key)
{
	bool text = key->kind == KEY_STRING || key->kind == KEY_LIST;

	switch (key->access) {
	case POD_MAY:
		return "may";
	case POD_NEVER:
		return "never";
	case POD_IF_LISTED:
		return "listed";
	case POD_IF_NAMED:
		return "named";
	default:
		return text ? "named" : "listed";
	}
}

/* No annotation reaches into these sections. */
static bool has_annotations(enum section_id section)
{
	return section != SECTION_FACTORY && section != SECTION_MEM_AGENT;
}

static void print_key(FILE *out, struct key_place p, bool annotations)
{
	struct key_place canonical = key_canonical(p);
	char name[KEY_NAME_BYTES];

	fprintf(out, "| `%s` | ", p.key->name);
	if (p.key->same_as) {
		fprintf(out, "| |%s the same as `%s`%s |\n", annotations ? " |" : "",
			key_full_name(canonical, "NAME", name),
			p.key->factor ? ", in seconds" : "");
		return;
	}
	print_kind(out, p.key);
	fputs(" | ", out);
	print_status(out, p.key);
	if (annotations)
		fprintf(out, " | %s", access_word(p.key));
	if (annotations && p.key->annotation)
		fprintf(out, ", as `%s`", p.key->annotation);
	fprintf(out, " | %s |\n", p.key->help);
}

static void print_table_head(FILE *out, const struct key_table *table, bool new_section)
{
	if (new_section)
		fprintf(out, "\n## %s\n", headings[table->section]);
	if (table->section == SECTION_HYPERVISOR)
		fprintf(out, "\n### %s\n", table->title);
	if (has_annotations(table->section))
		fputs("\n| key | type | default | pods | |\n| --- | --- | --- | --- | --- |\n",
		      out);
	else
		fputs("\n| key | type | default | |\n| --- | --- | --- | --- |\n", out);
}

char *config_manual(void)
{
	enum section_id last = SECTION_MAX;
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fputs(introduction, out);
	for (struct key_place p = key_shown_first(FOR_ALL); p.key; p = key_shown_next(p)) {
		if (p.table->title && p.key == p.table->keys)
			print_table_head(out, p.table, p.table->section != last);
		last = p.table->section;
		print_key(out, p, has_annotations(p.table->section));
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
