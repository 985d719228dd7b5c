/* probe FACT[:ARG,ARG...]... */
#include "probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARGS_MAX = 64, FILE_MAX = 1 << 16 };

const char *errno_name(int error)
{
	return error ? strerrorname_np(error) : "ok";
}

char *file_text(const char *path)
{
	char *text = calloc(1, FILE_MAX);
	FILE *file = fopen(path, "re");
	if (!file)
		return NULL;
	size_t len = fread(text, 1, FILE_MAX - 1, file);
	fclose(file);
	if (len && text[len - 1] == '\n')
		text[len - 1] = '\0';
	return text;
}

static fact_fn fact_find(const char *name)
{
	const struct fact *tables[] = {process_facts, file_facts, limit_facts, stream_facts};
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct fact *fact = tables[i]; fact->name; fact++)
			if (!strcmp(fact->name, name))
				return fact->print;
	return NULL;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *args[ARGS_MAX + 1] = {NULL};
		char *words = strchr(argv[i], ':');
		if (words)
			*words++ = '\0';
		for (int n = 0; words && n < ARGS_MAX; n++)
			args[n] = strsep(&words, ",");
		fact_fn print = fact_find(argv[i]);
		if (!print) {
			fprintf(stderr, "probe: no fact '%s'\n", argv[i]);
			return 99;
		}
		print(args);
		fflush(stdout);
	}
	return 0;
}
