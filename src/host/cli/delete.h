#pragma once

#include <stdbool.h>

#include "host/cli/verb.h"
#include "host/state/state_dir.h"

/**
 * delete_container() - end a container and leave nothing behind
 * @dir:	its folder, removed at the end; stays open
 * @force:	kill it if it runs; otherwise that is -EBUSY
 *
 * If the sandbox server does not answer, this runs its clean-up ("containerd-shim-kata-v2 delete"),
 * which works whatever the server was doing when it died.
 */
int delete_container(const struct cli *cli, const struct state_dir *dir, bool force, struct err *e);
