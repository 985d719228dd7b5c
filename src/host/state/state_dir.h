#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * One folder per container below --root: while it exists the id is taken.
 *
 *	spec.json	the checked spec: config.json is read once, by create
 *	state.json	the CLI's record of the container, written when create has succeeded
 *	shim.sock	where the sandbox server answers
 *	sandbox.json	the sandbox server's own notes, for cleaning up after its death
 *
 * The folder is held open and everything in it is named relative to it, because a path with a long
 * id does not fit into a socket address.
 */
struct state_dir {
	int fd;
	char *id;
	char *path;
};

/* Makes the folder. -EEXIST when the id is taken. */
int state_dir_make(const char *root, const char *id, struct state_dir *ret, struct err *e);

/* Opens it, and keeps who cleans up away until it is closed. -ENOENT when there is no such
 * container. */
int state_dir_open(const char *root, const char *id, struct state_dir *ret, struct err *e);

/* Locks it for cleaning up until it is closed. Returns -EWOULDBLOCK while the container is being
 * made, -ENOENT when the folder is gone or another one has its name. */
int state_dir_lock_left(const struct state_dir *dir, struct err *e);

/* Whether the server that has written the notes in the folder @dirfd still runs. */
bool state_server_lives(int dirfd);

/* Removes it with all that is in it. */
int state_dir_remove(const struct state_dir *dir, struct err *e);

/* Accepts a zeroed one with fd -1. */
void state_dir_close(struct state_dir *dir);

#define STATE_DIR_NONE ((struct state_dir){.fd = -1})
#define auto_state_dir __attribute__((cleanup(state_dir_close)))

/**
 * struct record - what the CLI remembers of a container
 * @pid:	of the container's stand-in process, 0 when it was never made
 * @pid_start:	its start time (proc(5), stat field 22), which tells it from a reused pid
 * @created:	RFC 3339
 * @owner:	name of the user who made it
 */
struct record {
	char *bundle;
	char *rootfs;
	char *created;
	char *owner;
	pid_t pid;
	unsigned long long pid_start;
};

int record_write(const struct state_dir *dir, const struct record *r, struct err *e);

/* -ENOENT when the container is still being created (or its creation was interrupted). */
int record_read(const struct state_dir *dir, struct record *ret, struct err *e);

/* Accepts a zeroed one. */
void record_fini(struct record *r);
#define auto_record __attribute__((cleanup(record_fini)))
