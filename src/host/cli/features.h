#pragma once

#include <stddef.h>

/* Words that `features` promises, where the unit test can hold them against what is understood. */
extern const char *const feature_mount_options[];
extern const size_t n_feature_mount_options;
extern const char *const feature_seccomp_actions[];
extern const size_t n_feature_seccomp_actions;
