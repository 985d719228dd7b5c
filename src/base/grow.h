#pragma once

/* Lists whose length the kernel decides. Private to agent/network. */

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for one more element behind the @n that the list has; @slot is the address of the
 * pointer to it. Doubles the room, which therefore need not be kept. Returns the list, or NULL
 * without memory: the old one is still there then. */
static inline void *list_grow(void *slot, size_t n, size_t element_bytes)
{
	void *list, *more;

	memcpy(&list, slot, sizeof list); /* because a type ** must not be read as a void ** */
	if ((n & (n - 1)) != 0)
		return list;
	more = realloc(list, (n ? 2 * n : 1) * element_bytes);
	if (more)
		memcpy(slot, &more, sizeof more);
	return more;
}
