#pragma once

#include <sys/types.h>

/**
 * device_node_path() - find the path at which this host's kernel has put a device's node
 * @type:	S_IFBLK or S_IFCHR
 * @rdev:	its numbers
 * @ret:	freed by the caller
 *
 * From DEVNAME in /sys/dev/{block,char}/MAJOR:MINOR/uevent (Documentation/ABI/testing/sysfs-uevent
 * of Linux), not from a path that somebody gave. Whether the node is there is not looked at.
 * Returns 0, -ENODEV (this host has no such device, or it has no name), or -ENOMEM.
 */
int device_node_path(mode_t type, dev_t rdev, char **ret);
