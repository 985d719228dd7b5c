#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/*
 * Images that are made for a container's root, as a mount whose type begins with "mkfs/" asks for:
 * containerd's mount manager (2.2 and newer), core/mount/manager.
 *
 *	X-containerd.mkfs.fs=ext4	the file system; the type's if it is missing
 *	X-containerd.mkfs.size=BYTES
 *
 * The host's mkfs makes it, because there is none in the guest; it reads nothing that anybody else
 * wrote.
 */

/* Whether @option is one of the above. */
bool root_image_knows(const char *option);

/**
 * root_image_make() - make an image, unless it is there already
 *
 * Returns 0, -EINVAL (no proper size), -ENOTSUP (another file system), -ENOENT (mkfs is missing),
 * or -errno; then there is no image.
 */
int root_image_make(const char *path, const char *fstype, char *const *options, size_t n_options,
		    struct err *e);
