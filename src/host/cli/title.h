#pragma once

#include <stddef.h>

/*
 * Makes ps(1) and top(1) show @args for this process, one blank between two. This overwrites the
 * arguments and the environment that the process was started with (/proc/PID/cmdline, environ), so
 * nobody may call getenv() afterwards; @args is cut to the size of both.
 */
void title_set(char *const *args, size_t n);
