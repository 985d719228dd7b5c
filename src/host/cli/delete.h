#pragma once

#include <stdbool.h>

#include "host/cli/verb.h"
#include "host/state/state_dir.h"

/**
 * delete_container() - end a container and leave nothing behind
 * @dir:	its folder, removed at the end; stays open
 * @force:	kill it if it runs; otherwise that is -EBUSY
 *
 * A sandbox server that does not answer any more is cleaned up after (containerd-shim-kata-v2
 * delete), whatever it was doing when it died.
 */
int delete_container(const struct cli *cli, const struct state_dir *dir, bool force, struct err *e);
