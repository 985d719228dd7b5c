#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * Templates in the mounts of a root file system, as containerd's mount manager (2.2 and newer)
 * reads them in mounts whose type begins with "format/": core/mount/manager.
 *
 *	{{ mount N }}		the place where entry N of the list is mounted
 *	{{ overlay F L }}	the places of the entries from F to L, with ':' between them
 *
 * {{ source N }} and {{ target N }}, which name files of the host, are refused.
 */

/**
 * root_template_expand() - replace the templates in @text
 * @places:	of the entries before this one; borrowed
 * @ret:	freed by the caller
 *
 * Returns 0, -EINVAL (no such template, no such entry), -ENOTSUP, or -ENOMEM.
 */
int root_template_expand(const char *text, const char *const *places, size_t n_places, char **ret,
			 struct err *e);
