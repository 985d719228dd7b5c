#include "oci/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int json_put_raw(struct buf *out, const char *text)
{
	return buf_append(out, text, strlen(text));
}

/* What stands for @c inside a string, NULL when it stands for itself. */
static const char *escape(unsigned char c, char room[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		if (c >= 0x20 && c != 0x7f)
			return NULL;
		(void) snprintf(room, 8, "\\u%04x", c);
		return room;
	}
}

int json_put_string(struct buf *out, const char *text)
{
	const char *start = text;
	char room[8];
	int r = buf_append(out, "\"", 1);

	for (; *text && r == 0; text++) {
		const char *instead = escape((unsigned char) *text, room);

		if (!instead)
			continue;
		r = buf_append(out, start, (size_t) (text - start));
		if (r == 0)
			r = json_put_raw(out, instead);
		start = text + 1;
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
