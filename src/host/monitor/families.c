#include "host/monitor/families.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "host/metrics/exposition.h"

#define LABEL "sandbox_id"

struct family {
	char *name, *type, *help;
	struct buf samples;
	unsigned pod; /* that has told it last */
};

struct families {
	struct family list[FAMILIES_MAX];
	size_t n;
	size_t bytes; /* of all samples */
	unsigned pods;
};

/* Where the text of a pod stands. */
struct reading {
	struct families *f;
	struct family *current;      /* NULL: what comes is left out */
	struct exposition_line help; /* the last one */
	const char *sandbox_id;
};

struct families *families_new(void)
{
	return calloc(1, sizeof(struct families));
}

void families_free(struct families *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		free(f->list[i].name);
		free(f->list[i].type);
		free(f->list[i].help);
		buf_fini(&f->list[i].samples);
	}
	free(f);
}

static bool is(const char *text, const char *other, size_t bytes)
{
	return strlen(text) == bytes && memcmp(text, other, bytes) == 0;
}

static struct family *find(struct families *f, const struct exposition_line *l)
{
	for (size_t i = 0; i < f->n; i++)
		if (is(f->list[i].name, l->name, l->name_bytes))
			return &f->list[i];
	return NULL;
}

static int add_family(struct reading *r, const struct exposition_line *l)
{
	struct families *f = r->f;

	if (f->n == FAMILIES_MAX)
		return -EMSGSIZE;

	struct family *n = &f->list[f->n];
	bool has_help = r->help.name_bytes == l->name_bytes &&
			memcmp(r->help.name, l->name, l->name_bytes) == 0;

	*n = (struct family){
		.name = strndup(l->name, l->name_bytes),
		.type = strndup(l->rest, l->rest_bytes),
		.help = strndup(has_help ? r->help.rest : "", has_help ? r->help.rest_bytes : 0),
	};
	buf_init(&n->samples, FAMILIES_MAX_BYTES);
	f->n++;
	r->current = n;
	return n->name && n->type && n->help ? 0 : -ENOMEM;
}

static int begin_family(struct reading *r, const struct exposition_line *l)
{
	int ret = 0;

	r->current = find(r->f, l);
	if (!r->current)
		ret = add_family(r, l);
	else if (r->current->pod == r->f->pods || !is(r->current->type, l->rest, l->rest_bytes))
		r->current = NULL;
	if (ret < 0)
		r->current = NULL;
	if (r->current)
		r->current->pod = r->f->pods;
	return ret;
}

/* Whether the sample belongs to the family; those of a histogram or a summary have a suffix. */
static bool belongs(const struct family *f, const struct exposition_line *l)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
	size_t n = strlen(f->name);

	if (l->name_bytes < n || memcmp(l->name, f->name, n) != 0)
		return false;
	if (l->name_bytes == n)
		return true;
	if (strcmp(f->type, "histogram") != 0 && strcmp(f->type, "summary") != 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++)
		if (is(suffixes[i], l->name + n, l->name_bytes - n))
			return true;
	return false;
}

static int append(struct buf *b, const char *text)
{
	return buf_append(b, text, strlen(text));
}

/* name{sandbox_id="ID",LABELS} NUMBER */
static int add_sample(struct reading *r, const struct exposition_line *l)
{
	struct buf *b = &r->current->samples;
	size_t before = buf_len(b);
	bool braces = r->sandbox_id || l->labels_bytes > 0;
	int ret = buf_append(b, l->name, l->name_bytes);

	if (ret == 0 && braces)
		ret = append(b, "{");
	if (ret == 0 && r->sandbox_id)
		ret = append(b, LABEL "=\"");
	if (ret == 0 && r->sandbox_id)
		ret = append(b, r->sandbox_id);
	if (ret == 0 && r->sandbox_id)
		ret = append(b, l->labels_bytes > 0 ? "\"," : "\"");
	if (ret == 0)
		ret = buf_append(b, l->labels, l->labels_bytes);
	if (ret == 0)
		ret = append(b, braces ? "} " : " ");
	if (ret == 0)
		ret = buf_append(b, l->rest, l->rest_bytes);
	if (ret == 0)
		ret = append(b, "\n");
	if (ret < 0)
		b->end = b->start + before; /* nothing of the line stays */
	else
		r->f->bytes += buf_len(b) - before;
	return ret;
}

static int add_line(struct reading *r, const struct exposition_line *l)
{
	switch (l->kind) {
	case EXPOSITION_HELP:
		r->help = *l;
		return 0;
	case EXPOSITION_TYPE:
		return begin_family(r, l);
	case EXPOSITION_SAMPLE:
		if (!r->current || !belongs(r->current, l))
			return 0;
		return r->f->bytes < FAMILIES_MAX_BYTES ? add_sample(r, l) : -EMSGSIZE;
	default:
		return 0;
	}
}

int families_add(struct families *f, const char *text, size_t bytes, const char *sandbox_id)
{
	struct reading r = {.f = f, .sandbox_id = sandbox_id};
	const char *end = text + bytes;
	int ret = 0;

	f->pods++;
	for (const char *p = text; p < end && ret == 0;) {
		const char *newline = memchr(p, '\n', (size_t) (end - p));
		size_t n = newline ? (size_t) (newline - p) : (size_t) (end - p);
		struct exposition_line l = exposition_read(p, n, LABEL);

		ret = add_line(&r, &l);
		p += n + 1;
	}
	return ret;
}

static int print_comment(struct buf *out, const char *what, const struct family *f,
			 const char *rest)
{
	int r = append(out, what);

	if (r == 0)
		r = append(out, f->name);
	if (r == 0)
		r = append(out, " ");
	if (r == 0)
		r = append(out, rest);
	return r < 0 ? r : append(out, "\n");
}

int families_print(const struct families *f, struct buf *out)
{
	int r = 0;

	for (size_t i = 0; i < f->n && r == 0; i++) {
		const struct family *one = &f->list[i];

		if (buf_len(&one->samples) == 0)
			continue;
		if (one->help[0])
			r = print_comment(out, "# HELP ", one, one->help);
		if (r == 0)
			r = print_comment(out, "# TYPE ", one, one->type);
		if (r == 0)
			r = buf_append(out, buf_data(&one->samples), buf_len(&one->samples));
	}
	return r;
}
