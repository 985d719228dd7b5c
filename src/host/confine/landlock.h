#pragma once

#include <stdint.h>

#include "base/err.h"

/*
 * Landlock: rights that a process takes away from itself, by file and folder, and what the kernel's
 * newer versions add: TCP (4), ioctl of devices (5), abstract sockets and signals outside (6). All
 * that the kernel knows is taken away; a ruleset gives back what is named.
 */
#define CONFINE_MAY_READ    1U /* files and folders */
#define CONFINE_MAY_WRITE   2U /* in files that are there */
#define CONFINE_MAY_EXECUTE 4U
#define CONFINE_MAY_IOCTL   8U  /* of devices */
#define CONFINE_MAY_ALL     16U /* with files as files allow it: a folder that is served */

/* *@ret_fd stays as it is where this kernel has no Landlock, or it is switched off. */
int confine_landlock_new(int *ret_fd, struct err *e);

/* Below @path, or that one file. A path that is not there is nothing to open: no failure. */
int confine_landlock_path(int ruleset, const char *path, unsigned may, struct err *e);

/* An open file or folder; a socket needs no right. */
int confine_landlock_fd(int ruleset, int fd, unsigned may, struct err *e);

/* In the child, which has no_new_privs; @ruleset may be -1. */
int confine_landlock_enter(int ruleset, struct err *e);
