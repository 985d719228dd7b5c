#include "base/metrics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

void metrics_init(struct metrics *m)
{
	*m = (struct metrics){.prefix = ""};
	buf_init(&m->text, METRICS_MAX_BYTES);
}

int metrics_end(struct metrics *m)
{
	return m->full ? -EMSGSIZE : 0;
}

/* Appends a whole line or nothing of it. */
static __attribute__((format(printf, 2, 3))) void line(struct metrics *m, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);

	int n = vsnprintf(text, sizeof text, fmt, ap);

	va_end(ap);
	if (n < 0 || (size_t) n >= sizeof text || buf_append(&m->text, text, (size_t) n) < 0)
		m->full = true;
}

void metrics_family(struct metrics *m, const char *name, const char *type, const char *help)
{
	line(m, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", m->prefix, name, help, m->prefix, name, type);
}

/* Appends @in to @out as the format wants it in a label; false when it does not fit. */
static bool escape(char *out, size_t room, size_t *n, const char *in)
{
	for (; *in; in++) {
		if (*n + 3 > room)
			return false;
		if (*in == '\\' || *in == '"' || *in == '\n')
			out[(*n)++] = '\\';
		out[(*n)++] = *in == '\n' ? 'n' : *in;
	}
	out[*n] = '\0';
	return true;
}

void metrics_sample(struct metrics *m, const char *name, const struct metrics_label *labels,
		    size_t n_labels, const char *value)
{
	char text[LINE_MAX_BYTES / 2] = "";
	size_t n = 0;

	for (size_t i = 0; i < n_labels; i++) {
		int w = snprintf(text + n, sizeof text - n, "%s%s=\"", i ? "," : "{",
				 labels[i].name);

		if (w < 0 || (n += (size_t) w) >= sizeof text ||
		    !escape(text, sizeof text - 2, &n, labels[i].value)) {
			m->full = true;
			return;
		}
		text[n++] = '"';
		text[n] = '\0';
	}
	line(m, "%s_%s%s%s %s\n", m->prefix, name, text, n_labels ? "}" : "", value);
}

void metrics_item(struct metrics *m, const char *name, const char *item, uint64_t value)
{
	const struct metrics_label label = {"item", item};
	char number[24];

	(void) snprintf(number, sizeof number, "%llu", (unsigned long long) value);
	metrics_sample(m, name, &label, item ? 1 : 0, number);
}

void metrics_single(struct metrics *m, const char *name, const char *type, const char *help,
		    uint64_t value)
{
	metrics_family(m, name, type, help);
	metrics_item(m, name, NULL, value);
}
