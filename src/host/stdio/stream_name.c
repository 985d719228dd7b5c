#include "host/stdio/stream_name.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

static const struct {
	const char *prefix;
	enum stream_kind kind;
} kinds[] = {
	{"fifo://", STREAM_FIFO},         {"file://", STREAM_FILE},
	{"binary://", STREAM_BINARY},     {"binary-v2://", STREAM_BINARY_V2},
	{"ttrpc+unix://", STREAM_REMOTE},
};

static int hex_digit(char c)
{
	if (!isxdigit((unsigned char) c))
		return -1;
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

/* Decodes @bytes of @text; NULL with errno EINVAL or ENOMEM. A NUL would end the text early. */
static char *decode(const char *text, size_t bytes, bool plus_is_space)
{
	char *out = malloc(bytes + 1);
	size_t n = 0;

	for (size_t i = 0; out && i < bytes; i++) {
		char c = text[i];

		if (c == '+' && plus_is_space) {
			c = ' ';
		} else if (c == '%') {
			bool is_whole = bytes - i > 2;
			int high = is_whole ? hex_digit(text[i + 1]) : -1;
			int low = is_whole ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0 || (high | low) == 0) {
				free(out);
				errno = EINVAL;
				return NULL;
			}
			c = (char) (high << 4 | low);
			i += 2;
		}
		out[n++] = c;
	}
	if (out)
		out[n] = '\0';
	return out;
}

static int add_word(struct stream_name *n, const char *word, size_t bytes, struct err *e)
{
	if (n->n_args == STREAM_ARGS_MAX)
		return err_say(e, E2BIG, "more than %d arguments", STREAM_ARGS_MAX);
	n->args[n->n_args] = decode(word, bytes, true);
	if (!n->args[n->n_args])
		return err_sys(e, errno, "read its arguments");
	n->n_args++;
	return 0;
}

/* "key=value&key=value": each key and its value become two arguments. */
static int parse_args(const char *query, struct stream_name *n, struct err *e)
{
	int r = 0;

	while (r == 0 && *query) {
		size_t pair = strcspn(query, "&");
		size_t key = strcspn(query, "=&");

		if (pair > 0) {
			r = add_word(n, query, key, e);
			if (r == 0)
				r = add_word(n, query + key + (key < pair),
					     pair - key - (key < pair), e);
		}
		query += pair + (query[pair] == '&');
	}
	return r;
}

static int find_id(struct stream_name *n, struct err *e)
{
	for (size_t i = 0; i + 1 < n->n_args; i += 2)
		if (strcmp(n->args[i], "streaming_id") == 0)
			n->id = n->args[i + 1];
	return n->id && n->id[0] ? 0 : err_say(e, EINVAL, "it has no streaming_id");
}

static int parse(const char *text, struct stream_name *n, struct err *e)
{
	const char *path = NULL;

	for (size_t i = 0; !path && i < ARRAY_LEN(kinds); i++) {
		if (strncmp(text, kinds[i].prefix, strlen(kinds[i].prefix)) != 0)
			continue;
		n->kind = kinds[i].kind;
		path = text + strlen(kinds[i].prefix);
	}
	if (!path && text[0] != '/')
		return err_say(e, ENOTSUP,
			       "not supported: a path, fifo://, file://, binary://, "
			       "binary-v2:// and ttrpc+unix:// are");
	/* A bare path is taken as it is. */
	if (!path) {
		n->kind = STREAM_FIFO;
		n->path = strdup(text);
		return n->path ? 0 : err_sys(e, ENOMEM, "read it");
	}

	size_t bytes = strcspn(path, "?#");
	const char *query = path[bytes] == '?' ? path + bytes + 1 : "";

	n->path = decode(path, bytes, false);
	if (!n->path)
		return err_sys(e, errno, "read its path");
	if (n->path[0] != '/')
		return err_say(e, EINVAL, "its path is not absolute");

	int r = parse_args(query, n, e);

	return r == 0 && n->kind == STREAM_REMOTE ? find_id(n, e) : r;
}

int stream_name_parse(const char *text, struct stream_name *ret, struct err *e)
{
	*ret = (struct stream_name){0};

	int r = parse(text, ret, e);

	return r < 0 ? err_wrap(e, r, "stream '%.200s'", text) : 0;
}

void stream_name_fini(struct stream_name *n)
{
	free(n->path);
	for (size_t i = 0; i < n->n_args; i++)
		free(n->args[i]);
	*n = (struct stream_name){0};
}
