#pragma once

#include "base/err.h"

/*
 * The /proc of a stand-in's room: engines look the process up there (podman top, cp). Only the room's
 * processes are in it, nobody can write to it, and what is about the kernel and not about processes is
 * covered, for a link that the guest has made can lead a caller who reads or writes "in the container"
 * to it.
 *
 * A container without a folder for it has none; nor has one where the host's own is masked, as in a
 * container.
 */
int room_mount_proc(struct err *e);
