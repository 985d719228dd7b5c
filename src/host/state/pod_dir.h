#pragma once

#include "base/clock.h"
#include "base/err.h"

/*
 * One folder per running sandbox server, whoever has started it. Its place and the socket's name
 * are upstream's, so that tools find both:
 *
 *	/run/vc/sbs/<sandbox>/	locked (base/claim.h) as long as the server lives
 *	    shim-monitor.sock	the management socket: HTTP, see docs/administration.md
 *	    state		a link to the folder with the server's notes, if it has one
 *
 * Of a caller that may not write to /run it is where run_dir.h says. <sandbox> is the id, or its
 * shortened form (share_name_of() in host/storage/share.h). The second of two servers with the
 * same id, under different --root folders, gets another name.
 */
#define POD_SOCKET "shim-monitor.sock"
#define POD_STATE  "state"

struct pod_dir {
	char *path;
	int lock_fd;
	int listen_fd; /* of the socket */
};

#define POD_DIR_NONE ((struct pod_dir){.lock_fd = -1, .listen_fd = -1})

/* The folder that has them all. Freed by the caller; NULL when out of memory. */
char *pod_dir_base(void);

/* Makes the folder with its socket and link; what a dead server has left there goes. @state_dir may
 * be NULL. */
int pod_dir_make(const char *base, const char *name, const char *state_dir, struct pod_dir *ret,
		 struct err *e);

/* Removes the folder; closes what was not taken out of the struct. Accepts POD_DIR_NONE. */
void pod_dir_remove(struct pod_dir *p);

/* Removes the folder of a dead server. Returns -EWOULDBLOCK when the server still lives at
 * @deadline, -ENOENT when there is no folder. Who has killed the server, or has seen one of its
 * connections close, waits a little, because the kernel closes the descriptors of a process that
 * ends one after the other, and the lock may be the last. */
int pod_dir_bury(const char *base, const char *name, msec_t deadline, struct err *e);

/* Where the notes of the server of @base/@name are. Freed by the caller; NULL: nowhere. */
char *pod_dir_state(const char *base, const char *name);
