#pragma once

#include <stddef.h>

/* Words that `features` lists; public so that a unit test can compare them with the tables of
 * src/oci. */
extern const char *const feature_mount_options[];
extern const size_t n_feature_mount_options;
extern const char *const feature_seccomp_actions[];
extern const size_t n_feature_seccomp_actions;
