#pragma once

#include <sys/types.h>

#include "base/err.h"

/* Writes @pid as decimal text without a newline, as runc does: a reader sees all of it or
 * nothing. */
int pid_file_write(const char *path, pid_t pid, struct err *e);
