#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "host/config/config.h"
#include "host/config/toml.h"

/*
 * The tables of keys. Private to host/config.
 *
 *	table_hypervisor.c	[hypervisor.NAME], what several drivers have
 *	table_<driver>.c	[hypervisor.NAME], what only that driver has
 *	table_agent.c		[agent.kata]
 *	table_runtime.c		[runtime]; which hypervisors have a driver
 *	table_upstream.c	of every section the keys that the upstream system knows and that
 *				are not honoured here: values are refused, warned of or ignored
 *
 * One line has everything about a key: its checks, the field for its value, its status, which
 * annotation may set it, and the sentence for the manual. Reading, annotations, showing, copying
 * and docs/configuration.md all use these lines, so that they cannot disagree.
 *
 * What reads them is compiled to be small ("cold"), because it runs once.
 */
enum key_kind {
	KEY_BOOL,
	KEY_U32,
	KEY_INTEGER, /* 64 bits */
	KEY_VCPUS,   /* a number that may have a fraction and is rounded up */
	KEY_FLOAT,   /* only for keys that are not honoured */
	KEY_WORD,    /* one of key.words, as a number */
	KEY_STRING,
	KEY_LIST,   /* of strings */
	KEY_TABLES, /* a list of tables; only for keys that are not honoured */
	KEY_KIND_MAX,
};

enum key_status {
	KEY_HONOURED,
	KEY_IGNORED, /* any value: it qualifies something that is off, or changes nothing here */
	KEY_WARNED,  /* other values than @accepted load with a warning: @note is done instead */
	KEY_REFUSED, /* other values than @accepted are "not supported yet" */
};

/* What a pod's annotation must pass. */
enum key_access {
	POD_BY_KIND,   /* listed; named when the value is free text (KEY_STRING, KEY_LIST) */
	POD_IF_LISTED, /* listed, although the value is text: it must be one of key.words */
	POD_IF_NAMED,  /* enable_annotations has the exact name, not only an expression for it */
	POD_MAY,
	POD_NEVER,
};

struct key_word {
	const char *name; /* NULL ends the table */
	int value;        /* WORD_NOT_YET: known, and refused */
};
#define WORD_NOT_YET (-1)

/*
 * The drivers whose sections know a key, as bits. A key whose words or default are not the same for
 * all drivers has a line for each; the lines share no bit. A key has room for eight.
 */
#define FOR_QEMU (1U << 0)
#define FOR_ALL  UINT32_MAX

/* The longest time that may be configured. */
#define HOUR_MS 3600000

struct key {
	const char *name;
	enum key_kind kind : 8;
	enum key_status status : 4;
	enum key_access access : 4;
	bool appends : 1;             /* an annotation's text is appended to the value */
	uint32_t only_for : 8;        /* FOR_ bits: some of its table's; 0: all of them */
	uint16_t factor;              /* the file's unit is so many times the field's; 0 is 1 */
	uint16_t to;                  /* KEY_TO(field); 0 when the value is stored nowhere */
	int64_t min, max;             /* of a number; both 0: no limits but the kind's */
	const char *preset;           /* the default as TOML, of a key whose value is stored */
	const char *accepted;         /* KEY_WARNED, KEY_REFUSED: values as TOML, with commas */
	const struct key_word *words; /* of a KEY_WORD, and of a KEY_STRING when not NULL */
	const char *same_as;    /* this is an old name of "section.key", see key_canonical() */
	const char *annotation; /* its name in annotations if that differs */
	const char *globs;      /* an annotation's path must match this list's globs */
	/* The end of the sentence that warns of the key, or refuses it or one of its words. */
	const char *note;
	const char *help;
	const char *after; /* begins lines that are shown behind that key, see key_shown_first() */
};

#define KEY_TO(field) (offsetof(struct config, field) + 1)

enum section_id {
	SECTION_HYPERVISOR, /* [hypervisor.NAME] */
	SECTION_FACTORY,    /* [hypervisor.NAME.factory], formerly [factory] */
	SECTION_AGENT,      /* [agent.kata] */
	SECTION_MEM_AGENT,  /* [agent.kata.mem_agent] */
	SECTION_RUNTIME,    /* [runtime] */
	SECTION_MAX,
};

/* Part of a section. */
struct key_table {
	enum section_id section;
	uint32_t drivers;  /* FOR_ bits: whose sections know these keys */
	const char *title; /* for the manual; NULL: all its keys are shown among other tables' */
	const struct key *keys;
	size_t n;
};

/* table_hypervisor.c */
extern const struct key_table keys_machine, keys_processor, keys_share, keys_disks, keys_device,
	keys_pod, keys_factory;
/* table_<driver>.c */
extern const struct key_table keys_qemu;
/* table_agent.c, table_runtime.c */
extern const struct key_table keys_agent, keys_runtime;
/* table_upstream.c */
extern const struct key_table upstream_block, upstream_special, upstream_factory,
	upstream_mem_agent, upstream_hypervisor, upstream_agent, upstream_runtime;

/* A place in the tables, to walk them and to number what belongs to a key. */
struct key_place {
	const struct key_table *table;
	const struct key *key; /* NULL when there is none */
	unsigned number, table_number;
	uint32_t driver; /* whose keys are walked */
};

/* The keys that one driver's section knows, and those of all other sections: @driver is its FOR_
 * bit. p = key_first(driver); p.key; p = key_next(p) */
struct key_place key_first(uint32_t driver) __attribute__((cold));
struct key_place key_next(struct key_place p) __attribute__((cold));
unsigned key_count(void);

/* The same keys in the order in which they are shown: the tables that have a title one after the
 * other, and behind each key the lines that say so with .after. */
struct key_place key_shown_first(uint32_t driver);
struct key_place key_shown_next(struct key_place p);

/* The key of this name; .key is NULL when there is none. */
struct key_place key_find(uint32_t driver, enum section_id section, const char *name)
	__attribute__((cold));

/* runtime.hypervisor_name */
struct key_place hypervisor_key(void);

/* The key that an old name stands for; any other key itself. */
struct key_place key_canonical(struct key_place p);

/* "hypervisor.qemu.path" into @buf, which is returned. @hypervisor is the selected one's name. */
#define KEY_NAME_BYTES 128
const char *key_full_name(struct key_place p, const char *hypervisor, char buf[KEY_NAME_BYTES]);

/* value.c. Its errors name neither file nor key. */

/* Kind, range, words. @factor: of the unit in which @value is written. Returns 0, -EINVAL, -ERANGE
 * or -ENOTSUP. */
int key_check(const struct key *key, const struct toml *value, uint32_t factor, struct err *e);

/* The word of this name among the key's; NULL when there is none. */
const struct key_word *key_word(const struct key *key, const char *name);

/* Stores a value that was checked, when the key stores anything. Returns 0 or -ENOMEM. */
int key_store(struct config *c, const struct key *key, const struct toml *value, uint32_t factor,
	      struct err *e);

/* Parses @values of @key, which are separated by commas, into the list document->first. */
int key_parse(const struct key *key, const char *values, struct toml **ret_document, struct err *e);

/* Is this one of the values that @key accepts although it is not honoured? */
bool key_accepts(const struct key *key, const struct toml *value);

/* The stored value as TOML, freed by the caller; NULL when out of memory. */
char *key_show(const struct config *c, const struct key *key);

/* A copy of one field from @from to @to. Returns 0 or -ENOMEM. */
int key_copy(struct config *to, const struct config *from, const struct key *key);
void key_fini(struct config *c, const struct key *key);

int list_add(struct config_list *list, const char *text);
void list_fini(struct config_list *list);

/* config.c: nothing is set but the hypervisor's name, which is the default; no driver is chosen. */
int config_new(struct config **ret, struct err *e) __attribute__((cold));

/* Sets all other fields to the defaults of @c->driver. */
int config_put_defaults(struct config *c, struct err *e);

/* A complete sentence for the caller to log. */
int config_warn(struct config *c, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

struct config_source {
	char *origin; /* NULL: the default */
};

/* apply.c: applies one value of a key by the key's status. @origin is where it came from, for
 * errors, warnings and config_origin(). Returns 0, -EINVAL, -ERANGE, -ENOTSUP, -ENOMEM. */
int config_apply(struct config *c, struct key_place place, const struct toml *value,
		 const char *origin, struct err *e) __attribute__((cold));

struct config_document {
	char *path;
	struct toml *toml;
};

/* Chooses the hypervisor among those in @n documents, puts its driver's defaults into @c, and
 * applies the documents in order. After a failure @c can only be freed. */
int config_apply_documents(struct config *c, const struct config_document *documents, size_t n,
			   struct err *e) __attribute__((cold));
