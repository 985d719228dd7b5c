#include "host/storage/root_template.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"

#define TEMPLATE_BYTES 64

/* A template of at most two numbers. */
struct call {
	char word[16];
	size_t numbers[2];
	int n;
};

/* Reads what stands between "{{" and "}}". */
static int parse(const char *text, size_t bytes, struct call *ret)
{
	char copy[TEMPLATE_BYTES], *save = NULL;

	*ret = (struct call){.n = -1};
	if (bytes >= sizeof copy)
		return -EINVAL;
	memcpy(copy, text, bytes);
	copy[bytes] = '\0';
	for (char *w = strtok_r(copy, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		char *end = NULL;

		if (ret->n < 0) {
			if (snprintf(ret->word, sizeof ret->word, "%s", w) >=
			    (int) sizeof ret->word)
				return -EINVAL;
		} else {
			if (ret->n == (int) ARRAY_LEN(ret->numbers) ||
			    !isdigit((unsigned char) *w) || strlen(w) > 4)
				return -EINVAL;
			ret->numbers[ret->n] = strtoul(w, &end, 10);
			if (*end)
				return -EINVAL;
		}
		ret->n++;
	}
	return ret->n < 0 ? -EINVAL : 0;
}

static int check_numbers(const struct call *c, size_t n_places, struct err *e)
{
	for (int i = 0; i < c->n; i++)
		if (c->numbers[i] >= n_places)
			return err_say(e, EINVAL, "there is no mount %zu before this one",
				       c->numbers[i]);
	return 0;
}

static void print_list(FILE *out, const struct call *c, const char *const *places)
{
	size_t i = c->numbers[0], last = c->numbers[1];

	(void) fputs(places[i], out);
	while (i != last) {
		i = i < last ? i + 1 : i - 1;
		(void) fprintf(out, ":%s", places[i]);
	}
}

static int expand_one(FILE *out, const char *text, size_t bytes, const char *const *places,
		      size_t n_places, struct err *e)
{
	struct call c;
	int r = parse(text, bytes, &c);

	if (r == 0 && (strcmp(c.word, "source") == 0 || strcmp(c.word, "target") == 0))
		return err_say(e, ENOTSUP, "'{{%.*s}}' names a file of the host", (int) bytes,
			       text);
	if (r < 0 || !((strcmp(c.word, "mount") == 0 && c.n == 1) ||
		       (strcmp(c.word, "overlay") == 0 && c.n == 2)))
		return err_say(e, EINVAL, "'{{%.*s}}' is no template", (int) bytes, text);
	r = check_numbers(&c, n_places, e);
	if (r < 0)
		return r;
	if (c.n == 1)
		(void) fputs(places[c.numbers[0]], out);
	else
		print_list(out, &c, places);
	return 0;
}

static int expand(FILE *out, const char *text, const char *const *places, size_t n_places,
		  struct err *e)
{
	const char *open;

	while ((open = strstr(text, "{{"))) {
		const char *inside = open + 2, *close = strstr(inside, "}}");
		int r;

		(void) fwrite(text, 1, (size_t) (open - text), out);
		if (!close)
			return err_say(e, EINVAL, "'%s' does not end with '}}'", open);
		r = expand_one(out, inside, (size_t) (close - inside), places, n_places, e);
		if (r < 0)
			return r;
		text = close + 2;
	}
	(void) fputs(text, out);
	return 0;
}

int root_template_expand(const char *text, const char *const *places, size_t n_places, char **ret,
			 struct err *e)
{
	auto_free char *result = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&result, &bytes);
	int r = out ? expand(out, text, places, n_places, e) : -ENOMEM;

	if (out && fclose(out) != 0)
		r = -ENOMEM;
	if (r == -ENOMEM)
		return err_sys(e, ENOMEM, "expand '%s'", text);
	if (r == 0)
		*ret = take_ptr(result);
	return r;
}
