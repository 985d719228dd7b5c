#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/text.h"

#define LOG_LINE_MAX 2048
#define FIELD_MAX    320 /* a longer id is cut */

static const char *const level_names[] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warning",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};
TABLE_COVERS(level_names, LOG_LEVEL_MAX);

static const char *const line_formats[] = {
	[LOG_TEXT] = "time=\"%s\" level=%s%s msg=\"%s\"\n",
	[LOG_JSON] = "{\"time\":\"%s\",\"level\":\"%s\"%s,\"msg\":\"%s\"}\n",
};
TABLE_COVERS(line_formats, LOG_FORMAT_MAX);

/* The field of log_set_sandbox(). */
static const char *const field_formats[] = {
	[LOG_TEXT] = " sandbox=\"%s\"",
	[LOG_JSON] = ",\"sandbox\":\"%s\"",
};
TABLE_COVERS(field_formats, LOG_FORMAT_MAX);

static struct {
	int fd;
	enum log_format format;
	enum log_level level;
	const char *sandbox; /* may be NULL */
	unsigned lost;       /* lines since the last one that was written */
	log_sink_fn other;   /* NULL: lines go to the descriptor */
} sink = {.fd = STDERR_FILENO, .format = LOG_TEXT, .level = LOG_INFO};

void log_open(int fd, enum log_format format, enum log_level level)
{
	sink.fd = fd;
	sink.format = format;
	sink.level = level;
	sink.lost = 0;
}

/* Both line formats quote the message with the escapes of JSON, because it contains text of guests
 * and files, which must not begin a new line or steer a terminal. */
static void escape(char *out, size_t out_bytes, const char *text)
{
	size_t n = 0, left = strlen(text), taken;

	for (; left > 0 && n + TEXT_ESCAPE_BYTES < out_bytes; text += taken, left -= taken)
		n += text_escape(text, left, out + n, &taken);
	out[n] = '\0';
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* line_formats[] are literals */
void log_set_sandbox(const char *id)
{
	sink.sandbox = id;
}

void log_divert(log_sink_fn to)
{
	sink.other = to;
}

void log_set_level(enum log_level level)
{
	sink.level = level;
}

/* Writes one line with one write(). If a slow reader makes it fail, this line is lost but the log
 * goes on. */
static bool emit(enum log_level level, const char *text)
{
	char quoted[LOG_LINE_MAX], line[LOG_LINE_MAX + 128 + FIELD_MAX], when[40];
	char id[FIELD_MAX - 24], field[FIELD_MAX] = "";
	struct timespec now;
	struct tm tm;
	ssize_t written;

	escape(quoted, sizeof quoted, text);
	if (sink.sandbox) {
		escape(id, sizeof id, sink.sandbox);
		(void) snprintf(field, sizeof field, field_formats[sink.format], id);
	}

	(void) clock_gettime(CLOCK_REALTIME, &now);
	(void) gmtime_r(&now.tv_sec, &tm);

	size_t n = strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);

	(void) snprintf(when + n, sizeof when - n, ".%06ldZ", now.tv_nsec / 1000);

	int len = snprintf(line, sizeof line, line_formats[sink.format], when, level_names[level],
			   field, quoted);
	do
		written = write(sink.fd, line, (size_t) len);
	while (written < 0 && errno == EINTR);
	if (written < 0 && errno != EAGAIN && errno != ENOSPC)
		sink.fd = -1; /* the log is broken for good, and there is no place to report that */
	return written >= 0;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	if (level > sink.level || (sink.fd < 0 && !sink.other))
		return;

	int saved = errno;
	char text[LOG_LINE_MAX];
	va_list ap;

	if (sink.lost && sink.fd >= 0) {
		(void) snprintf(text, sizeof text, "%u lines of the log are lost", sink.lost);
		if (emit(LOG_WARN, text))
			sink.lost = 0;
	}
	va_start(ap, fmt);
	(void) vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (!(sink.other && sink.other(level, sink.sandbox, text)) && sink.fd >= 0 &&
	    !emit(level, text))
		sink.lost++;
	errno = saved;
}

void log_err(enum log_level level, const struct err *e, const char *words)
{
	char buf[640];

	log_write(level, "%s: %s", words, err_show(e, buf, sizeof buf));
}
