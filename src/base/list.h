#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/array.h"

/*
 * A ring of links inside the things it chains, as every C project has one.
 *
 *	struct list calls;			list_init(&calls);
 *	struct call { struct list link; };	list_add(&calls, &call->link);
 *	list_for_each(pos, &calls)		container_of(pos, struct call, link)
 *
 * list_for_each() allows the current entry to be removed, not its neighbours.
 */
struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Puts @entry at the end. */
static inline void list_add(struct list *l, struct list *entry)
{
	entry->prev = l->prev;
	entry->next = l;
	l->prev->next = entry;
	l->prev = entry;
}

/* Harmless on an entry that was initialised and is in no list. */
static inline void list_remove(struct list *entry)
{
	entry->prev->next = entry->next;
	entry->next->prev = entry->prev;
	list_init(entry);
}

/* All entries of @from, in their order, become those of @to, which need not be initialised. So can
 * each of them be told something that may put it into @from again. */
static inline void list_move(struct list *from, struct list *to)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->prev->next = to->next->prev = to;
	list_init(from);
}

/* The first link, still in the list, or NULL. */
static inline struct list *list_first(const struct list *l)
{
	return list_empty(l) ? NULL : l->next;
}

#define list_for_each(pos, l)                                                   \
	for (struct list *pos = (l)->next, *pos##_next = pos->next; pos != (l); \
	     pos = pos##_next, pos##_next = pos->next)
