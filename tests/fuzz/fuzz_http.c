/*
 * What may come to the management socket, and what its client may be answered: no bytes crash, hang
 * or leak; what is accepted is as promised, and a head that is whole is the same when more follows.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct http_request q, again;
	struct err e = {0};
	const char *text = (const char *) data, *end = text + bytes, *body;
	int status = 0;
	int r = http_request_parse(text, bytes, &q, &status, &e);

	require(r <= (int) bytes && (r >= 0 || r == -EBADMSG));
	if (r < 0)
		require(status >= 400 && status < 600 && e.text[0]);
	if (r == 0)
		require(bytes < HTTP_HEAD_MAX);
	if (r > 0) {
		require(r <= HTTP_HEAD_MAX && q.path[0] == '/' && q.method < HTTP_METHOD_MAX);
		require(strlen(q.path) < HTTP_TARGET_MAX);
		require(http_request_parse(text, (size_t) r, &again, &status, NULL) == r);
		require(strcmp(q.path, again.path) == 0);

		char value[HTTP_TARGET_MAX];

		require(!http_query(&q, "path", value) || strlen(value) <= strlen(q.query));
	}
	if (http_answer_parse(text, bytes, &status, &body, &bytes, NULL) == 0)
		require(status >= 0 && status < 1000 && body >= text && body + bytes == end);
	return 0;
}
