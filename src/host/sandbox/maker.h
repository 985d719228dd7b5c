#pragma once

#include "host/sandbox/model.h"

/* Private to host/sandbox. */

/*
 * Has the template made that this sandbox's machine has missed, if it has missed one and there was
 * no try a moment ago. What fails is logged, because nobody waits for it. @config_path: of the
 * machine's configuration, or NULL.
 *
 * The maker is this program with other arguments (host/shim/make_template.h), and nobody's child.
 * It may outlive the sandbox, so it is in the cgroup in which this process was before it joined the
 * sandbox's, and in the host's mount namespace, and has none of the sandbox's descriptors.
 */
void maker_start(struct sandbox *sb, const char *config_path);
