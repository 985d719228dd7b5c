#include "host/room/title.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/proc_stat.h"

/* The words, and the environment that the kernel has put behind them. */
struct area {
	char *begin;
	size_t words_bytes; /* of the words alone */
	size_t bytes;
};

static int find_area(struct area *ret)
{
	uint64_t v[4]; /* arg_start, arg_end, env_start, env_end */

	if (proc_stat_read(PROC_SELF, PROC_STAT_ARG_START, v, ARRAY_LEN(v)) < 0 || !v[0] ||
	    v[1] <= v[0])
		return -ENOENT;
	ret->begin = (char *) (uintptr_t) v[0];
	ret->words_bytes = (size_t) (v[1] - v[0]);
	ret->bytes = (size_t) ((v[2] == v[1] && v[3] > v[2] ? v[3] : v[1]) - v[0]);
	return 0;
}

void title_make(char *const *args, size_t n, struct title *ret)
{
	struct area area = {0};
	size_t used = 0;
	auto_free char *text = find_area(&area) == 0 ? calloc(1, area.bytes) : NULL;

	*ret = (struct title){0};
	if (!text)
		return;
	for (size_t i = 0; i < n && used + 1 < area.bytes; i++) {
		int added = snprintf(text + used, area.bytes - used, "%s%s", i ? " " : "", args[i]);

		used += added < 0 ? 0 : (size_t) added;
	}
	/* Where the words do not end with a NUL any more, the kernel shows the text up to the first
	 * one. */
	if (used + 1 < area.words_bytes)
		text[area.words_bytes - 1] = ' ';
	*ret = (struct title){.area = area.begin, .bytes = area.bytes, .text = take_ptr(text)};
}

void title_show(const struct title *t)
{
	if (t->text)
		memcpy(t->area, t->text, t->bytes);
}

void title_fini(struct title *t)
{
	free(take_ptr(t->text));
}
