#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "oci/json.h"

/* The state of the reader (oci/read.c), and its functions for single values. Private to oci. */

/* The reader's place in the document, for errors. */
struct place {
	const struct place *up; /* NULL at the top */
	const char *key;        /* NULL for an element of a list, then @index counts */
	size_t index;
	bool quoted; /* the key is the user's own, not the specification's */
};

struct reader {
	struct json_numbers numbers;
	struct err *e;
};

/* Puts the place in front of the error's sentence. Returns @r. */
int reader_at(const struct reader *rd, const struct place *here, int r);

/* "expected a string, not an object". Returns -EINVAL. */
int reader_wrong_kind(const struct reader *rd, const char *expected, const json_t *json);

/* Each returns 0, -EINVAL or -ENOMEM; the error does not name the place. */
int read_signed(const struct reader *rd, const json_t *json, int64_t min, int64_t max,
		int64_t *ret);
int read_u64(const struct reader *rd, const json_t *json, uint64_t *ret);
int read_i32(const struct reader *rd, const json_t *json, int32_t *ret);
int read_u32(const struct reader *rd, const json_t *json, uint32_t *ret);
int read_bool(const struct reader *rd, const json_t *json, protobuf_c_boolean *ret);
int read_string(const struct reader *rd, const json_t *json, char **ret);
