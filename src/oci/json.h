#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * JSON, both ways. Private to oci.
 *
 * Numbers: the specification has unsigned 64-bit integers (an rlimit of 2^64 - 1 is common), but
 * jansson knows only signed ones and would refuse a larger number or round it to a double. So
 * json_numbers_pull() scans the text first: it puts each number that is not a signed 64-bit integer
 * into a list and replaces it by "<place in the list>.5". Because no field of the specification is
 * a real number, every real that comes out of jansson is such a place, whatever the text had.
 */
struct json_numbers {
	char **literals; /* as the text has them */
	size_t n;
};

/* Writes @text with the odd numbers replaced into @out and lists them. @out and @ret are the
 * caller's to free, also on failure. Returns 0 or -ENOMEM. */
int json_numbers_pull(const char *text, size_t bytes, struct buf *out, struct json_numbers *ret,
		      struct err *e);

/* The text's number for which jansson returned the real number @place; NULL when there is none. */
const char *json_numbers_at(const struct json_numbers *numbers, double place);

void json_numbers_fini(struct json_numbers *numbers);

/* The writer needs no library. Each returns 0, -ENOMEM or -EMSGSIZE. */
int json_put_raw(struct buf *out, const char *text);
int json_put_string(struct buf *out, const char *text);
int json_put_i64(struct buf *out, int64_t number);
int json_put_u64(struct buf *out, uint64_t number);
