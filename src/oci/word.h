#pragma once

#include <stddef.h>
#include <stdint.h>

/* One word and the kernel's number for it. Private to oci. */
struct word {
	const char *name;
	uint32_t value;
};

/* The line of @name in a table of @n, or NULL. */
const struct word *word_find(const struct word *table, size_t n, const char *name);

/* The first name of @value, or NULL. */
const char *word_name(const struct word *table, size_t n, uint32_t value);
