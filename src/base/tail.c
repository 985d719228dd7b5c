#include "base/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* The most that is read at a time: a guest that writes without end must not block the loop. */
#define PUMP_BYTES (64U << 10)

int tail_init(struct tail *t, size_t capacity, struct err *e)
{
	char *ring = malloc(capacity);

	if (!ring)
		return err_sys(e, ENOMEM, "keep the last %zu bytes", capacity);
	*t = (struct tail){.ring = ring, .capacity = capacity};
	(void) pthread_mutex_init(&t->lock, NULL);
	return 0;
}

void tail_fini(struct tail *t)
{
	if (!t->ring)
		return;
	free(t->ring);
	t->ring = NULL;
	(void) pthread_mutex_destroy(&t->lock);
}

void tail_put(struct tail *t, const void *data, size_t bytes)
{
	const char *p = data;

	pthread_mutex_lock(&t->lock);
	if (bytes > t->capacity) {
		t->total += bytes - t->capacity;
		p += bytes - t->capacity;
		bytes = t->capacity;
	}

	size_t at = (size_t) (t->total % t->capacity);
	size_t first = bytes < t->capacity - at ? bytes : t->capacity - at;

	memcpy(t->ring + at, p, first);
	memcpy(t->ring, p + first, bytes - first);
	t->total += bytes;
	pthread_mutex_unlock(&t->lock);
}

size_t tail_copy(struct tail *t, char *buf, size_t bytes)
{
	if (bytes == 0)
		return 0;
	pthread_mutex_lock(&t->lock);

	size_t n = t->total < t->capacity ? (size_t) t->total : t->capacity;

	if (n > bytes - 1)
		n = bytes - 1;

	size_t at = (size_t) ((t->total - n) % t->capacity);
	size_t first = n < t->capacity - at ? n : t->capacity - at;

	memcpy(buf, t->ring + at, first);
	memcpy(buf + first, t->ring, n - first);
	buf[n] = '\0';
	pthread_mutex_unlock(&t->lock);
	return n;
}

static void end_line(struct tail *t, tail_line_fn fn, void *arg)
{
	char clean[sizeof t->line];

	if (text_printable(t->line, t->line_bytes, clean, sizeof clean) > 0)
		fn(arg, clean);
	t->line_bytes = 0;
}

static void split(struct tail *t, const char *p, size_t bytes, tail_line_fn fn, void *arg)
{
	for (size_t i = 0; i < bytes; i++) {
		if (p[i] == '\n' || t->line_bytes == sizeof t->line)
			end_line(t, fn, arg);
		if (p[i] != '\n')
			t->line[t->line_bytes++] = p[i];
	}
}

int tail_pump(struct tail *t, int fd, tail_line_fn fn, void *arg)
{
	char buf[4096];

	for (size_t done = 0; done < PUMP_BYTES;) {
		ssize_t n = read(fd, buf, sizeof buf);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return 0;
		tail_put(t, buf, (size_t) n);
		if (fn)
			split(t, buf, (size_t) n, fn, arg);
		done += (size_t) n;
	}
	return 1;
}
