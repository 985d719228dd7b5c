/* Single values out of JSON, and the errors for values of a wrong type or range. */
#include "oci/read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

#define PLACE_BYTES 200

static size_t put_place(const struct place *here, char *buf, size_t bytes)
{
	size_t n = here->up ? put_place(here->up, buf, bytes) : 0;
	int more;

	if (!here->key)
		more = here->up ? snprintf(buf + n, bytes - n, "[%zu]", here->index) : 0;
	else if (here->quoted)
		more = snprintf(buf + n, bytes - n, "['%.64s']", here->key);
	else
		more = snprintf(buf + n, bytes - n, "%s%.64s", n ? "." : "", here->key);
	n += (size_t) more;
	return n < bytes ? n : bytes - 1;
}

/* Puts the place in front of the sentence, made printable because it has the user's own keys. */
int reader_at(const struct reader *rd, const struct place *here, int r)
{
	char where[PLACE_BYTES] = "";

	(void) put_place(here, where, sizeof where);
	for (char *p = where; *p; p++)
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			*p = '?';
	return where[0] ? err_wrap(rd->e, r, "%s", where) : r;
}

static const char *json_kind(const json_t *json)
{
	static const char *const kinds[] = {
		[JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list",  [JSON_STRING] = "a string",
		[JSON_INTEGER] = "an integer", [JSON_REAL] = "a number", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",        [JSON_NULL] = "null",
	};

	return kinds[json_typeof(json)];
}

int reader_wrong_kind(const struct reader *rd, const char *expected, const json_t *json)
{
	return err_say(rd->e, EINVAL, "expected %s, not %s", expected, json_kind(json));
}

static int out_of_range(const struct reader *rd, const char *literal, const char *range)
{
	return err_say(rd->e, EINVAL, "%.40s is out of range (%s)", literal, range);
}

/* Reads a number that is no signed 64-bit integer: valid only if unsigned, for an unsigned
 * field. */
static int read_odd_number(const struct reader *rd, const json_t *json, const char *range,
			   uint64_t *ret_unsigned)
{
	const char *literal = json_numbers_at(&rd->numbers, json_real_value(json));
	uint64_t value;

	if (!literal || strpbrk(literal, ".eE"))
		return err_say(rd->e, EINVAL, "expected an integer, not %.40s",
			       literal ? literal : "a fraction");
	if (!ret_unsigned || num_parse_u64(literal, &value) < 0)
		return out_of_range(rd, literal, range);
	*ret_unsigned = value;
	return 0;
}

int read_signed(const struct reader *rd, const json_t *json, int64_t min, int64_t max, int64_t *ret)
{
	char range[64], literal[24];

	if (!json_is_number(json))
		return reader_wrong_kind(rd, "an integer", json);
	(void) snprintf(range, sizeof range, "%" PRId64 " to %" PRId64, min, max);
	if (json_is_real(json))
		return read_odd_number(rd, json, range, NULL);

	int64_t value = json_integer_value(json);

	(void) snprintf(literal, sizeof literal, "%" PRId64, value);
	if (value < min || value > max)
		return out_of_range(rd, literal, range);
	*ret = value;
	return 0;
}

int read_u64(const struct reader *rd, const json_t *json, uint64_t *ret)
{
	static const char range[] = "0 to 18446744073709551615";
	int64_t value = 0;

	if (json_is_real(json))
		return read_odd_number(rd, json, range, ret);

	int r = read_signed(rd, json, INT64_MIN, INT64_MAX, &value);

	if (r < 0)
		return r;
	if (value < 0) {
		char literal[24];

		(void) snprintf(literal, sizeof literal, "%" PRId64, value);
		return out_of_range(rd, literal, range);
	}
	*ret = (uint64_t) value;
	return 0;
}

int read_i32(const struct reader *rd, const json_t *json, int32_t *ret)
{
	int64_t value;
	int r = read_signed(rd, json, INT32_MIN, INT32_MAX, &value);

	if (r == 0)
		*ret = (int32_t) value;
	return r;
}

int read_u32(const struct reader *rd, const json_t *json, uint32_t *ret)
{
	int64_t value;
	int r = read_signed(rd, json, 0, UINT32_MAX, &value);

	if (r == 0)
		*ret = (uint32_t) value;
	return r;
}

int read_bool(const struct reader *rd, const json_t *json, protobuf_c_boolean *ret)
{
	if (!json_is_boolean(json))
		return reader_wrong_kind(rd, "true or false", json);
	*ret = json_is_true(json);
	return 0;
}

int read_string(const struct reader *rd, const json_t *json, char **ret)
{
	if (!json_is_string(json))
		return reader_wrong_kind(rd, "a string", json);
	*ret = strdup(json_string_value(json));
	return *ret ? 0 : err_sys(rd->e, ENOMEM, "read a string");
}
