#pragma once

#include <stddef.h>

#include "base/err.h"

/* What config.json may ask for, as the document that runtime-spec features.md describes: printed by
 * `kata-runtime features`, and told to containerd by the shim. */

/* The document as JSON text; freed by the caller. Returns 0 or -ENOMEM. */
int oci_features_print(char **ret, struct err *e);

/* Words of the document; public so that a unit test can compare them with the tables of src/oci. */
extern const char *const feature_mount_options[];
extern const size_t n_feature_mount_options;
extern const char *const feature_seccomp_actions[];
extern const size_t n_feature_seccomp_actions;
