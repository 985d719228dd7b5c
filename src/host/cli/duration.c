#include "host/cli/duration.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

/* Far below the numbers at which a double cannot count milliseconds any more. */
#define DURATION_MAX_MS 1e15

/* Longer names first, where one begins another. */
static const struct {
	const char *name;
	double ms;
} units[] = {
	{"ns", 1e-6}, {"us", 1e-3}, {"\u00b5s", 1e-3}, {"\u03bcs", 1e-3},
	{"ms", 1},    {"s", 1e3},   {"m", 60e3},       {"h", 3600e3},
};

static double unit_of(const char **text)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t n = strlen(units[i].name);

		if (strncmp(*text, units[i].name, n) == 0) {
			*text += n;
			return units[i].ms;
		}
	}
	return 0;
}

/* Digits with at most one point; strtod() alone would take "inf", "0x1" and "1e3" too. */
static size_t number_length(const char *text)
{
	size_t whole = strspn(text, "0123456789");
	size_t fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;

	if (whole + fraction == 0)
		return 0;
	return whole + (text[whole] == '.' ? 1 + fraction : 0);
}

int duration_parse(const char *text, uint64_t *ret_ms)
{
	double ms = 0;
	bool bare = text[strspn(text, "0123456789")] == '\0';

	if (!*text)
		return -EINVAL;
	while (*text) {
		size_t n = number_length(text);
		double number = strtod(text, NULL), unit;

		if (n == 0)
			return -EINVAL;
		text += n;
		unit = bare ? 1e3 : unit_of(&text);
		if (unit == 0)
			return -EINVAL;
		ms += number * unit;
	}
	if (ms > DURATION_MAX_MS)
		return -ERANGE;
	*ret_ms = (uint64_t) ceil(ms);
	return 0;
}
