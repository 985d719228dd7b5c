#include "base/options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

#define HELP_COLUMN 34

static const struct option *find(const struct option *table, size_t n, const char *name,
				 size_t name_bytes)
{
	for (size_t i = 0; i < n; i++) {
		if (name_bytes == 1 && table[i].letter == name[0])
			return &table[i];
		if (strlen(table[i].name) == name_bytes &&
		    memcmp(table[i].name, name, name_bytes) == 0)
			return &table[i];
	}
	return NULL;
}

static int set_flag(const struct option *o, const char *text, void *slot, struct err *e)
{
	static const char words[2][4][6] = {
		{"false", "0", "f", "FALSE"},
		{"true", "1", "t", "TRUE"},
	};

	for (int truth = 0; truth < 2; truth++) {
		for (size_t i = 0; i < ARRAY_LEN(words[truth]); i++) {
			if (strcmp(text, words[truth][i]) == 0) {
				*(bool *) slot = truth;
				return 0;
			}
		}
	}
	return err_say(e, EINVAL, "option --%s is true or false, not '%s'", o->name, text);
}

static int set_value(const struct option *o, const char *text, void *values, struct err *e)
{
	void *slot = (char *) values + o->offset;
	struct option_list *list = slot;

	if (o->ignored)
		return 0;
	switch (o->kind) {
	case OPTION_FLAG:
		return set_flag(o, text, slot, e);
	case OPTION_STRING:
		*(const char **) slot = text;
		return 0;
	case OPTION_NUMBER:
		if (num_parse_u64(text, slot) < 0)
			return err_say(e, EINVAL, "option --%s is a number, not '%s'", o->name,
				       text);
		return 0;
	case OPTION_LIST:
		if (list->n == OPTION_LIST_MAX)
			return err_say(e, EINVAL, "option --%s is given more than %d times",
				       o->name, OPTION_LIST_MAX);
		list->items[list->n++] = text;
		return 0;
	case OPTION_KIND_MAX:
		break;
	}
	return err_say(e, EINVAL, "option --%s has no kind", o->name);
}

int options_parse(const struct option *table, size_t n, int argc, char *const *argv, void *values,
		  struct err *e)
{
	int i = 0;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		const char *word = argv[i++];
		const char *name = word + strspn(word, "-");
		size_t name_bytes = strcspn(name, "=");

		if (strcmp(word, "--") == 0)
			break;

		const struct option *o = find(table, n, name, name_bytes);

		if (!o || name - word > 2)
			return err_say(e, EINVAL, "there is no option '%s'", word);

		const char *text = name[name_bytes] ? name + name_bytes + 1 : NULL;

		if (!text && o->kind == OPTION_FLAG)
			text = "true";
		if (!text && i < argc)
			text = argv[i++];
		if (!text)
			return err_say(e, EINVAL, "option --%s needs a value", o->name);

		int r = set_value(o, text, values, e);

		if (r < 0)
			return r;
	}
	return i;
}

void options_help(const struct option *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int width = printf("   --%s", table[i].name);

		if (table[i].value)
			width += printf(" %s", table[i].value);
		if (table[i].letter)
			width += printf(", -%c", table[i].letter);
		if (table[i].value && table[i].letter)
			width += printf(" %s", table[i].value);
		printf("%*s %s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 0, "",
		       table[i].help, table[i].ignored ? " (accepted, without effect)" : "");
	}
}
