#pragma once

/* Arrays that grow by one element at a time, whose length the other side decides. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element behind the @n that the array has; @slot is the address of the
 * pointer to it. Doubles the room, which therefore need not be kept. Returns the array, or NULL
 * without memory: the old one is still there then. */
static inline void *array_grow(void *slot, size_t n, size_t element_bytes)
{
	void *array, *more;

	memcpy(&array, slot, sizeof array); /* because a type ** must not be read as a void ** */
	if ((n & (n - 1)) != 0)
		return array;
	more = reallocarray(array, n ? 2 * n : 1, element_bytes);
	if (more)
		memcpy(slot, &more, sizeof more);
	return more;
}
