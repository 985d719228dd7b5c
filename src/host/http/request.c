#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "host/http/http.h"

static const char *const methods[] = {
	[HTTP_GET] = "GET",
	[HTTP_PUT] = "PUT",
	[HTTP_POST] = "POST",
};
TABLE_COVERS(methods, HTTP_METHOD_MAX);

static int refuse(int *ret_status, int status, struct err *e, const char *why)
{
	*ret_status = status;
	return err_say(e, EBADMSG, "%s", why);
}

/* The end of a line that begins at @from: behind its newline; NULL: it is not whole. */
static const char *line_end(const char *from, const char *end)
{
	const char *newline = memchr(from, '\n', (size_t) (end - from));

	return newline ? newline + 1 : NULL;
}

/* Whether nothing but the line's end stands in it. */
static bool is_empty(const char *line, const char *next)
{
	return next - line == 1 || (next - line == 2 && line[0] == '\r');
}

/* Bytes of a token (RFC 9110, 5.6.2) at @at. */
static size_t token(const char *at, const char *end)
{
	const char *p = at;

	while (p<end && * p> ' ' && *p < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", *p))
		p++;
	return (size_t) (p - at);
}

static int read_method(const char **at, const char *end, struct http_request *ret, int *ret_status,
		       struct err *e)
{
	size_t bytes = token(*at, end);

	if (bytes == 0 || *at + bytes == end || (*at)[bytes] != ' ')
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "this is no HTTP request");
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (strlen(methods[i]) == bytes && memcmp(methods[i], *at, bytes) == 0) {
			ret->method = (enum http_method) i;
			*at += bytes + 1;
			return 0;
		}
	return refuse(ret_status, HTTP_METHOD_NOT_ALLOWED, e, "only GET, PUT and POST are served");
}

static int read_target(const char **at, const char *end, struct http_request *ret, int *ret_status,
		       struct err *e)
{
	const char *p = *at;
	size_t path = 0, query = 0;
	bool in_query = false;

	for (; p<end && * p> ' ' && *p < 0x7f; p++) {
		if ((size_t) (p - *at) >= sizeof ret->path - 1)
			return refuse(ret_status, HTTP_URI_TOO_LONG, e, "the path is too long");
		if (in_query)
			ret->query[query++] = *p;
		else if (*p != '?')
			ret->path[path++] = *p;
		in_query = in_query || *p == '?';
	}
	ret->path[path] = '\0';
	ret->query[query] = '\0';
	if (path == 0 || ret->path[0] != '/' || p == end || *p != ' ')
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "the path does not begin with '/'");
	*at = p + 1;
	return 0;
}

static int read_version(const char *at, const char *next, int *ret_status, struct err *e)
{
	if (next - at < 9 || memcmp(at, "HTTP/", 5) != 0)
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "this is no HTTP request");
	if (memcmp(at, "HTTP/1.", 7) != 0)
		return refuse(ret_status, HTTP_VERSION_UNKNOWN, e, "only HTTP/1 is spoken");
	if ((at[7] != '0' && at[7] != '1') || !is_empty(at + 8, next))
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "this is no HTTP request");
	return 0;
}

/* Digits with spaces around them (RFC 9110, 8.6), up to the line's end. */
static int read_length(const char *at, const char *next, uint64_t *ret)
{
	uint64_t n = 0;
	size_t digits = 0;

	while (at < next && (*at == ' ' || *at == '\t'))
		at++;
	for (; at < next && *at >= '0' && *at <= '9'; at++, digits++) {
		if (n > (UINT64_MAX - 9) / 10)
			return -ERANGE;
		n = n * 10 + (uint64_t) (*at - '0');
	}
	while (at < next && (*at == ' ' || *at == '\t'))
		at++;
	*ret = n;
	return digits > 0 && is_empty(at, next) ? 0 : -EINVAL;
}

/* The length of the body is the only field that changes an answer: of the others only the form is
 * judged. */
static int read_field(const char *line, const char *next, struct http_request *ret, int *ret_status,
		      struct err *e)
{
	size_t name = token(line, next);

	if (name == 0 || line[name] != ':')
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "a header field has no name");
	for (const char *p = line + name; p < next - 1; p++)
		if ((unsigned char) *p < ' ' && *p != '\t' && !(*p == '\r' && p == next - 2))
			return refuse(ret_status, HTTP_BAD_REQUEST, e,
				      "a header field holds a control character");
	if (name == strlen("Content-Length") && strncasecmp(line, "Content-Length", name) == 0 &&
	    read_length(line + name + 1, next, &ret->content_bytes) < 0)
		return refuse(ret_status, HTTP_BAD_REQUEST, e, "Content-Length is no number");
	return 0;
}

int http_request_parse(const char *data, size_t bytes, struct http_request *ret, int *ret_status,
		       struct err *e)
{
	const char *end = data + bytes, *at = data, *next = line_end(data, end);
	int r;

	ret->content_bytes = 0;
	ret->body = NULL;
	ret->body_bytes = 0;
	/* Judged before the line is whole, because a path may be as long as its sender likes. */
	if (bytes > 0) {
		const char *stop = next ? next : end;
		bool whole = next || bytes > HTTP_TARGET_MAX + 16;

		r = whole ? read_method(&at, stop, ret, ret_status, e) : 0;
		if (r == 0 && whole)
			r = read_target(&at, stop, ret, ret_status, e);
		if (r == 0 && next)
			r = read_version(at, next, ret_status, e);
		if (r < 0)
			return r;
	}
	for (const char *line = next; line && (next = line_end(line, end)); line = next) {
		if (next - data > HTTP_HEAD_MAX)
			break;
		if (is_empty(line, next))
			return (int) (next - data);
		r = read_field(line, next, ret, ret_status, e);
		if (r < 0)
			return r;
	}
	if (bytes >= HTTP_HEAD_MAX)
		return refuse(ret_status, HTTP_HEAD_TOO_LARGE, e, "the header is too large");
	return 0;
}
