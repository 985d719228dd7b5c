#include "base/err.h"

#include <assert.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static_assert(sizeof(struct err) <= PIPE_BUF, "an error must cross a pipe in one atomic write");

__attribute__((format(printf, 4, 0))) static int fill(struct err *e, int code, bool from_kernel,
						      const char *fmt, va_list ap)
{
	assert(code > 0);

	if (e) {
		assert(e->code == 0); /* an older error is still in there */
		e->code = code;
		e->from_kernel = from_kernel;
		(void) vsnprintf(e->text, sizeof e->text, fmt, ap);
	}
	return -code;
}

int(err_sys)(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int r = fill(e, code, true, fmt, ap);
	va_end(ap);
	return r;
}

int(err_say)(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int r = fill(e, code, false, fmt, ap);
	va_end(ap);
	return r;
}

int(err_wrap)(struct err *e, int r, const char *fmt, ...)
{
	char words[ERR_TEXT_MAX];
	va_list ap;

	if (!e || e->code == 0)
		return r;

	va_start(ap, fmt);
	(void) vsnprintf(words, sizeof words, fmt, ap);
	va_end(ap);

	/* The cause is worth more than the context: shorten the new words,
	 * never the old ones. */
	size_t have = strlen(e->text);
	size_t room = sizeof e->text - 1 - have;
	size_t want = strlen(words);

	if (room < 3)
		return r;
	if (want > room - 2)
		want = room - 2;

	memmove(e->text + want + 2, e->text, have + 1);
	memcpy(e->text, words, want);
	memcpy(e->text + want, ": ", 2);
	return r;
}

void err_append(struct err *e, const char *fmt, ...)
{
	char whole[ERR_TEXT_MAX + 128];
	va_list ap;

	if (!e || e->code == 0)
		return;
	/* Write the kernel's text of the cause out now, because err_show() would put it last. */
	(void) err_show(e, whole, sizeof whole);
	e->from_kernel = false;

	size_t n = strnlen(whole, sizeof e->text - 1);

	memcpy(e->text, whole, n);
	va_start(ap, fmt);
	(void) vsnprintf(e->text + n, sizeof e->text - n, fmt, ap);
	va_end(ap);
}

void err_clear(struct err *e)
{
	if (e)
		*e = (struct err){0};
}

const char *err_show(const struct err *e, char *buf, unsigned buf_bytes)
{
	char raw[ERR_TEXT_MAX + 128];
	int n = snprintf(raw, sizeof raw, "%s%s%s", e->text, e->from_kernel ? ": " : "",
			 e->from_kernel ? strerror(e->code) : "");

	/* Filtered, because it may contain text of any source and goes to terminals. */
	(void) text_line(raw, (size_t) n < sizeof raw ? (size_t) n : sizeof raw - 1, buf,
			 buf_bytes);
	return buf;
}
