#pragma once

#include "base/err.h"
#include "base/loop.h"
#include "base/reaper.h"

/*
 * Keeps the number of shared files that the guest's kernel remembers well below what the file
 * server can have open. The server holds a descriptor for each until the kernel forgets it, which a
 * kernel with free memory does not do by itself; with none left nothing can be opened or executed.
 *
 * There is no timer: each CPU reports after a number of context switches. Each new file takes two
 * or more of them, because the guest has to wait for the server; an idle guest makes none. Private
 * to agent/storage.
 */
struct inode_bound;

/* @files_max: what the server can have open. Both pointers are borrowed. */
int inode_bound_new(struct loop *loop, struct reaper *reaper, uint32_t files_max,
		    struct inode_bound **ret, struct err *e);

/* Accepts NULL. */
void inode_bound_free(struct inode_bound *b);

/* The number of objects of the slab cache @name in the text of /proc/slabinfo, 0 if it is not
 * there. */
uint64_t inode_bound_count(const char *slabinfo, const char *name);
