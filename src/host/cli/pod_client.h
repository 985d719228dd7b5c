#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * Asks the management socket of a sandbox, whoever has started its server.
 *
 * pod_ask(): @name is that of its folder below pod_dir_base(), @target the path. *@ret_body is
 * NUL-terminated and freed by the caller. Returns -ESRCH when no such sandbox runs, -EIO when it
 * answers with another status than 200, -ETIMEDOUT, or -errno.
 */
int pod_ask(const char *name, const char *target, char **ret_body, size_t *ret_bytes,
	    struct err *e);

/* The same with a POST of @body, JSON; what is answered is not looked at. */
int pod_tell(const char *name, const char *target, const char *body, struct err *e);
