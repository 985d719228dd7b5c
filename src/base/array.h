#pragma once

#include <assert.h>
#include <stddef.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define container_of(ptr, type, member) ((type *) ((char *) (ptr) -offsetof(type, member)))

/* A table indexed by an enum must have a line for every name in the enum. */
#define TABLE_COVERS(table, enum_max) \
	static_assert(ARRAY_LEN(table) == (enum_max), #table " misses a case")
