#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * Landlock: a process takes away its own rights to files and folders, and with newer versions of
 * Landlock to TCP (4), ioctl of devices (5), abstract sockets and signals outside (6). It loses
 * every right that the kernel knows except those that the ruleset gives back.
 */
#define CONFINE_MAY_READ    1U /* files and folders */
#define CONFINE_MAY_WRITE   2U /* in files that are there */
#define CONFINE_MAY_EXECUTE 4U
#define CONFINE_MAY_IOCTL   8U  /* of devices */
#define CONFINE_MAY_ALL     16U /* all but to execute: for a folder that is served */

/* If this kernel has no Landlock or has it switched off, returns 0 and leaves *@ret_fd alone. */
int confine_landlock_new(int *ret_fd, struct err *e);

/* Gives @may below @path, or on that one file. A missing path is no failure. */
int confine_landlock_path(int ruleset, const char *path, unsigned may, struct err *e);

/* The same for an open file or folder; a socket needs no right. */
int confine_landlock_fd(int ruleset, int fd, unsigned may, struct err *e);

/* In the child, which has no_new_privs; @ruleset may be -1. */
int confine_landlock_enter(int ruleset, struct err *e);
