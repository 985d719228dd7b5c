#pragma once

#include <stddef.h>

/*
 * What ps(1) and top(1) show of this process: @args, one blank between two. The words and the
 * environment that the process was started with are gone afterwards, as far as the kernel shows them
 * (/proc/PID/cmdline, environ), and getenv() must not be called any more. As much of @args is kept as
 * there was of those.
 */
void title_set(char *const *args, size_t n);
