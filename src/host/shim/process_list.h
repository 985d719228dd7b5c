#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/**
 * process_list_print() - a guest's list of processes, made fit for a terminal and for programs
 * @list:	what the agent has answered: a JSON array of numbers, or a table
 * @ret:	freed with free(). Of JSON only the numbers are left, printed anew; of a table lines
 *		of text (base/text.h)
 *
 * Returns 0, -EPROTO for what begins as JSON and is no array of numbers, or -ENOMEM. Private to
 * host/shim.
 */
int process_list_print(const void *list, size_t bytes, char **ret, struct err *e);
