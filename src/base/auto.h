#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * Ownership, spelled out in the declaration.
 *
 *	auto_free char *path = NULL;
 *	auto_close int fd = -1;
 *	auto_ptr(sandbox_free) struct sandbox *sb = NULL;
 *
 * A variable marked auto_* owns what it holds and lets go of it when its block
 * ends. It must be initialised on the line that declares it. To hand the thing
 * to somebody else, take it out: *ret = take_ptr(sb); return take_fd(&fd);
 */
#define auto_free        __attribute__((cleanup(auto_free_slot)))
#define auto_close       __attribute__((cleanup(auto_close_slot)))
#define auto_ptr(freefn) __attribute__((cleanup(auto_slot_##freefn)))

/* Teaches auto_ptr() about a type. @freefn must accept NULL. */
#define AUTO_PTR(type, freefn)                             \
	static inline void auto_slot_##freefn(type **slot) \
	{                                                  \
		freefn(*slot);                             \
	}

static inline void auto_free_slot(void *slot)
{
	void *p;

	memcpy(&p, slot, sizeof p); /* because a char ** must not be read as a void ** */
	free(p);
}

/* Closes @fd if it is one, keeps errno, returns -1: "fd = fd_close(fd)".
 * Linux has freed the number even when close() reports EINTR, so a retry
 * could close a descriptor that another thread has just been given. */
static inline int fd_close(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		(void) close(fd);
		errno = saved;
	}
	return -1;
}

static inline void auto_close_slot(int *fd)
{
	*fd = fd_close(*fd);
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define take_ptr(p)                         \
	({                                  \
		__typeof__(p) taken_ = (p); \
		(p) = NULL;                 \
		taken_;                     \
	})
