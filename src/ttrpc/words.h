#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * words_copy() - copy foreign text so that it can be shown, or sent in a protobuf string
 * @to:		@room bytes (at least one), NUL-terminated afterwards; what does not fit is cut
 * @one_line:	also replace control characters: line ends and tabs by blanks, others by '?'
 *
 * Bytes that are no UTF-8 become '?': a peer that checks would refuse the whole message for one.
 * Returns the bytes copied, without the NUL. Private to ttrpc.
 */
size_t words_copy(char *to, size_t room, const void *text, size_t bytes, bool one_line);
