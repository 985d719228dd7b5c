#include <errno.h>
#include <string.h>

#include "host/http/http.h"

#define STATUS_LINE_MIN 12 /* "HTTP/1.1 200" */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

int http_answer_parse(const char *data, size_t bytes, int *ret_status, const char **ret_body,
		      size_t *ret_bytes, struct err *e)
{
	const char *end = bytes ? memmem(data, bytes, "\r\n\r\n", 4) : NULL;

	if (!end || end - data < STATUS_LINE_MIN || memcmp(data, "HTTP/1.", 7) != 0 ||
	    data[8] != ' ' || !is_digit(data[9]) || !is_digit(data[10]) || !is_digit(data[11]))
		return err_say(e, EBADMSG, "the answer is no HTTP");
	*ret_status = (data[9] - '0') * 100 + (data[10] - '0') * 10 + (data[11] - '0');
	*ret_body = end + 4;
	*ret_bytes = bytes - (size_t) (end + 4 - data);
	return 0;
}
