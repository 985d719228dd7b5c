#include "oci/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int json_put_raw(struct buf *out, const char *text)
{
	return buf_append(out, text, strlen(text));
}

/* The escape of the character at @text inside a string; 0 when it needs none. Characters that do
 * not show as themselves on a terminal are escaped too, because users read state documents. */
static size_t escape(const char *text, char room[static TEXT_ESCAPE_BYTES], size_t *ret_bytes)
{
	const unsigned char c = (unsigned char) *text;

	*ret_bytes = 1;
	if (c == '\r' || c == '\t') {
		room[0] = '\\';
		room[1] = c == '\r' ? 'r' : 't';
		return 2;
	}
	if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
		return 0;

	size_t n = text_escape(text, strnlen(text, 4), room, ret_bytes);

	return room[0] == '\\' ? n : 0;
}

int json_put_string(struct buf *out, const char *text)
{
	const char *start = text;
	char room[TEXT_ESCAPE_BYTES];
	int r = buf_append(out, "\"", 1);

	for (size_t taken; *text && r == 0; text += taken) {
		size_t n = escape(text, room, &taken);

		if (n == 0)
			continue;
		r = buf_append(out, start, (size_t) (text - start));
		if (r == 0)
			r = buf_append(out, room, n);
		start = text + taken;
	}
	if (r == 0)
		r = buf_append(out, start, (size_t) (text - start));
	return r < 0 ? r : buf_append(out, "\"", 1);
}

int json_put_i64(struct buf *out, int64_t number)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%" PRId64, number);
	return json_put_raw(out, text);
}

int json_put_u64(struct buf *out, uint64_t number)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%" PRIu64, number);
	return json_put_raw(out, text);
}
