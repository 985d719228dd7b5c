#pragma once

#include "base/err.h"

/*
 * The /proc of a stand-in's room, which engines read (podman top, cp). It shows only the room's
 * processes and is read-only. Entries about the kernel are covered, because a link that the guest
 * made can lead a caller who reads or writes "in the container" there.
 *
 * There is none if the container has no folder /proc, or if the host's own /proc is masked, as it
 * is when the host is a container.
 */
int room_mount_proc(struct err *e);
