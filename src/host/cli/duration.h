#pragma once

#include <stdint.h>

/**
 * duration_parse() - a time as Go's programs, and so runc's callers, write it
 * @text:	"300ms", "1.5h", "1m30s"; a number alone is seconds, which Go refuses
 * @ret_ms:	rounded up, so that a time that is not 0 stays so
 *
 * Returns 0, -EINVAL (also for a negative time) or -ERANGE.
 */
int duration_parse(const char *text, uint64_t *ret_ms);
