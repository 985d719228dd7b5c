#include "host/cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"

#define BOOTED_FOLDER  "/run/systemd/system"
#define PRIVATE_SOCKET "/run/systemd/private"
#define LINE_MAX_BYTES 512
#define MESSAGE_MAX    (64 << 10)
#define HEADER_BYTES   16
#define RETRY_MS       10

enum { CALL = 1, REPLY = 2, REFUSAL = 3 };
enum {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_REPLY_SERIAL = 5,
	FIELD_TO,
	FIELD_SIGNATURE = 8
};

bool systemd_is_there(void)
{
	return geteuid() == 0 && access(BOOTED_FOLDER, F_OK) == 0 &&
	       access(PRIVATE_SOCKET, F_OK) == 0;
}

/* ---- writing; a buffer that is full or out of memory is noticed at the end ---- */

struct writer {
	struct buf buf;
	bool failed;
};

static void put(struct writer *w, const void *data, size_t bytes)
{
	w->failed |= buf_append(&w->buf, data, bytes) < 0;
}

static void align(struct writer *w, size_t to)
{
	static const uint8_t zeroes[8];
	size_t over = buf_len(&w->buf) % to;

	if (over)
		put(w, zeroes, to - over);
}

static void put_u32(struct writer *w, uint32_t n)
{
	uint8_t bytes[4] = {(uint8_t) n, (uint8_t) (n >> 8), (uint8_t) (n >> 16),
			    (uint8_t) (n >> 24)};

	align(w, 4);
	put(w, bytes, sizeof bytes);
}

static void put_u64(struct writer *w, uint64_t n)
{
	align(w, 8);
	put_u32(w, (uint32_t) n);
	put_u32(w, (uint32_t) (n >> 32));
}

static void put_string(struct writer *w, const char *text)
{
	put_u32(w, (uint32_t) strlen(text));
	put(w, text, strlen(text) + 1);
}

static void put_signature(struct writer *w, const char *text)
{
	uint8_t bytes = (uint8_t) strlen(text);

	put(w, &bytes, 1);
	put(w, text, bytes + 1U);
}

/* Begins an array of what is aligned to @to; returns where, for end_array(). */
static size_t begin_array(struct writer *w, size_t to)
{
	put_u32(w, 0);
	align(w, to);
	return buf_len(&w->buf);
}

/* @at_length: where its length is, in front of what begin_array() has skipped to align. */
static void end_array(struct writer *w, size_t begin, size_t at_length)
{
	uint32_t n = (uint32_t) (buf_len(&w->buf) - begin);
	uint8_t *to = (uint8_t *) buf_data(&w->buf) + at_length;

	if (w->failed)
		return;
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t) (n >> (8 * i));
}

static void begin_property(struct writer *w, const char *name, const char *signature)
{
	align(w, 8);
	put_string(w, name);
	put_signature(w, signature);
}

static void put_header_field(struct writer *w, uint8_t code, const char *signature,
			     const char *value)
{
	align(w, 8);
	put(w, &code, 1);
	put_signature(w, signature);
	if (strcmp(signature, "g") == 0)
		put_signature(w, value);
	else
		put_string(w, value);
}

/* A whole message in @ret, around a body. */
static void put_call(struct writer *ret, const char *member, const char *signature,
		     const struct writer *body, uint32_t serial)
{
	static const uint8_t begin[4] = {'l', CALL, 0, 1};
	size_t at_length, fields;

	put(ret, begin, sizeof begin);
	put_u32(ret, (uint32_t) buf_len(&body->buf));
	put_u32(ret, serial);
	at_length = buf_len(&ret->buf);
	fields = begin_array(ret, 8);
	put_header_field(ret, FIELD_PATH, "o", "/org/freedesktop/systemd1");
	put_header_field(ret, FIELD_INTERFACE, "s", "org.freedesktop.systemd1.Manager");
	put_header_field(ret, FIELD_MEMBER, "s", member);
	put_header_field(ret, FIELD_TO, "s", "org.freedesktop.systemd1");
	put_header_field(ret, FIELD_SIGNATURE, "g", signature);
	end_array(ret, fields, at_length);
	align(ret, 8);
	put(ret, buf_data(&body->buf), buf_len(&body->buf));
	ret->failed |= body->failed;
}

/* ---- reading ---- */

static size_t aligned(size_t at, size_t to)
{
	return (at + to - 1) / to * to;
}

/* The numbers of the header that begins every message. */
struct header {
	uint8_t type;
	size_t body_bytes, fields_bytes;
	size_t bytes; /* of all; 0: it is no message that we read */
};

static struct header header_read(const uint8_t data[HEADER_BYTES])
{
	struct cursor c = cursor_over(data, HEADER_BYTES);
	bool is_little = cursor_u8(&c) == 'l';
	struct header h = {.type = cursor_u8(&c)};

	(void) cursor_le16(&c);
	h.body_bytes = cursor_le32(&c);
	(void) cursor_le32(&c);
	h.fields_bytes = cursor_le32(&c);
	if (is_little && h.body_bytes <= MESSAGE_MAX && h.fields_bytes <= MESSAGE_MAX)
		h.bytes = aligned(HEADER_BYTES + h.fields_bytes, 8) + h.body_bytes;
	if (h.bytes > MESSAGE_MAX)
		h.bytes = 0;
	return h;
}

/* @all is what the cursor began with, which is aligned itself. */
static void skip_to(struct cursor *c, size_t all, size_t to)
{
	size_t at = all - cursor_left(c);

	(void) cursor_bytes(c, aligned(at, to) - at);
}

/* Walks over the header's fields, of which a reply has only such that are a string, a signature or
 * a number. Returns whether it answers @serial. */
static bool answers(const uint8_t *fields, size_t bytes, uint32_t serial)
{
	struct cursor c = cursor_over(fields, bytes);

	while (cursor_ok(&c) && cursor_left(&c) > 0) {
		skip_to(&c, bytes, 8);

		uint8_t code = cursor_u8(&c), n = cursor_u8(&c), kind = cursor_u8(&c);

		(void) cursor_u8(&c);
		if (n != 1)
			return false;
		if (kind == 'g') {
			(void) cursor_bytes(&c, cursor_u8(&c) + 1U);
			continue;
		}
		skip_to(&c, bytes, 4);

		uint32_t value = cursor_le32(&c);

		if (code == FIELD_REPLY_SERIAL)
			return cursor_ok(&c) && kind == 'u' && value == serial;
		if (kind != 'u')
			(void) cursor_bytes(&c, (size_t) value + 1);
	}
	return false;
}

const char *systemd_reply_read(const void *message, size_t bytes, uint32_t serial,
			       bool *ret_is_reply, char words[256])
{
	const uint8_t *data = message;
	struct header h = {0};

	*ret_is_reply = false;
	if (bytes >= HEADER_BYTES)
		h = header_read(data);
	if (h.bytes != bytes || (h.type != REPLY && h.type != REFUSAL) ||
	    !answers(data + HEADER_BYTES, h.fields_bytes, serial))
		return NULL;
	*ret_is_reply = true;
	if (h.type == REPLY)
		return NULL;

	struct cursor c = cursor_over(data + (bytes - h.body_bytes), h.body_bytes);
	uint32_t n = cursor_le32(&c);
	const uint8_t *text = cursor_bytes(&c, n);

	(void) snprintf(words, 256, "%.*s", cursor_ok(&c) ? (int) n : 0,
			text ? (const char *) text : "");
	return words;
}

/* ---- the connection ---- */

static int wait_for(int fd, short events, msec_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int r = poll(&p, 1, clock_poll_ms(deadline));

	return r > 0 ? 0 : r == 0 ? -ETIMEDOUT : -errno;
}

static int read_all(int fd, uint8_t *data, size_t bytes, msec_t deadline)
{
	while (bytes > 0) {
		int r = wait_for(fd, POLLIN, deadline);
		ssize_t n = r < 0 ? r : read(fd, data, bytes);

		if (r < 0)
			return r;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		data += n;
		bytes -= (size_t) n;
	}
	return 0;
}

/* Who we are the kernel tells; the number in the line is that of root in hexadecimal ASCII. BEGIN
 * goes along, as systemd's own programs send it, because a message that systemd reads together with
 * BEGIN stays in its buffer until something else comes. */
static int authenticate(int fd, msec_t deadline)
{
	static const char hello[] = "\0AUTH EXTERNAL 30\r\nBEGIN\r\n";
	char line[LINE_MAX_BYTES] = "";
	size_t n = 0;
	int r = (int) fd_write_all(fd, hello, sizeof hello - 1);

	while (r >= 0 && n < sizeof line - 1) {
		r = read_all(fd, (uint8_t *) line + n, 1, deadline);
		if (r == 0 && line[n++] == '\n')
			break;
	}
	if (r < 0)
		return r;
	return strncmp(line, "OK ", 3) == 0 ? 0 : -EACCES;
}

/* Has what sends to @fd, and connects it, end at the deadline with EAGAIN (socket(7), SO_SNDTIMEO).
 * A connect() that does not block would not do, because poll() does not tell when there is room in
 * the queue of who listens at a path. */
static int limit_sending(int fd, msec_t deadline)
{
	int left_ms = clock_poll_ms(deadline);
	/* All zeroes would be without an end. */
	const struct timeval left = {
		.tv_sec = left_ms < 0 ? 0 : left_ms / 1000,
		.tv_usec = left_ms < 0 ? 0 : left_ms % 1000 * 1000 + 1,
	};

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof left) < 0 ? -errno : 0;
}

int systemd_dial(const char *path, msec_t deadline, struct err *e)
{
	struct sockaddr_un at;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : fd_unix_address(path, &at);

	if (r == 0)
		r = limit_sending(fd, deadline);
	if (r == 0 && connect(fd, (struct sockaddr *) &at, sizeof at) < 0)
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (r == 0)
		r = authenticate(fd, deadline);
	return r < 0 ? err_sys(e, -r, "ask systemd at '%s'", path) : take_fd(&fd);
}

/* Reads until the reply has come; signals are not for us. */
static int await_reply(int fd, uint32_t serial, const char *unit, msec_t deadline, struct err *e)
{
	auto_free uint8_t *data = malloc(MESSAGE_MAX);
	const char *refusal = NULL;
	bool is_reply = false;
	char words[256];
	int r = data ? 0 : -ENOMEM;

	while (r == 0 && !is_reply) {
		r = read_all(fd, data, HEADER_BYTES, deadline);

		size_t bytes = r == 0 ? header_read(data).bytes : 0;

		if (r == 0 && bytes < HEADER_BYTES)
			r = -EBADMSG;
		if (r == 0)
			r = read_all(fd, data + HEADER_BYTES, bytes - HEADER_BYTES, deadline);
		if (r == 0)
			refusal = systemd_reply_read(data, bytes, serial, &is_reply, words);
	}
	if (r < 0)
		return err_sys(e, -r, "ask systemd for unit '%s'", unit);
	return refusal ? err_say(e, EIO, "systemd refuses unit '%s': %s", unit, refusal) : 0;
}

static int call(const char *member, const char *signature, const struct writer *body,
		const char *unit, msec_t deadline, struct err *e)
{
	const uint32_t serial = 1;
	struct writer message = {0};
	auto_close int fd = systemd_dial(PRIVATE_SOCKET, deadline, e);
	int r = fd;

	if (fd < 0)
		return fd;
	buf_init(&message.buf, MESSAGE_MAX);
	put_call(&message, member, signature, body, serial);
	if (message.failed)
		r = err_sys(e, ENOMEM, "ask systemd for unit '%s'", unit);
	if (r >= 0) {
		r = (int) fd_write_all(fd, buf_data(&message.buf), buf_len(&message.buf));
		r = r < 0 ? err_sys(e, -r, "ask systemd for unit '%s'", unit)
			  : await_reply(fd, serial, unit, deadline, e);
	}
	buf_fini(&message.buf);
	return r;
}

/* ---- the calls ---- */

static void put_text(struct writer *w, const char *name, const char *value)
{
	begin_property(w, name, "s");
	put_string(w, value);
}

static void put_flag(struct writer *w, const char *name, bool value)
{
	begin_property(w, name, "b");
	put_u32(w, value);
}

/* Whether the process is in the unit, in one hierarchy at least. */
static bool is_in(pid_t pid, const char *unit)
{
	auto_free char *text = NULL;
	auto_free char *wanted = str_printf("/%s\n", unit);
	char path[32];

	(void) snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
	return wanted && file_read(AT_FDCWD, path, MESSAGE_MAX, &text, NULL, NULL) >= 0 &&
	       strstr(text, wanted);
}

/* systemd answers when it has queued the job. */
static int await_scope(const char *unit, pid_t pid, msec_t deadline, struct err *e)
{
	while (!is_in(pid, unit)) {
		if (clock_now() >= deadline)
			return err_say(e, ETIMEDOUT, "systemd has not started unit '%s'", unit);
		(void) poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

int systemd_scope_start(const char *unit, const char *slice, pid_t pid, msec_t deadline,
			struct err *e)
{
	struct writer body = {0};
	size_t at, properties, pids, at_pids;

	buf_init(&body.buf, MESSAGE_MAX);
	put_string(&body, unit);
	put_string(&body, "fail");
	align(&body, 4);
	at = buf_len(&body.buf);
	properties = begin_array(&body, 8);
	put_text(&body, "Description", "Kata Containers sandbox");
	put_text(&body, "Slice", slice);
	put_text(&body, "CollectMode", "inactive-or-failed");
	put_flag(&body, "Delegate", true);
	put_flag(&body, "DefaultDependencies", false);
	begin_property(&body, "PIDs", "au");
	align(&body, 4);
	at_pids = buf_len(&body.buf);
	pids = begin_array(&body, 4);
	put_u32(&body, (uint32_t) pid);
	end_array(&body, pids, at_pids);
	end_array(&body, properties, at);
	put_u32(&body, 0); /* no other units */
	align(&body, 8);

	int r = call("StartTransientUnit", "ssa(sv)a(sa(sv))", &body, unit, deadline, e);

	buf_fini(&body.buf);
	return r < 0 ? r : await_scope(unit, pid, deadline, e);
}

int systemd_unit_set(const char *unit, const struct unit_property *list, size_t n, msec_t deadline,
		     struct err *e)
{
	struct writer body = {0};
	size_t at, properties;

	buf_init(&body.buf, MESSAGE_MAX);
	put_string(&body, unit);
	put_u32(&body, true); /* as long as it is there */
	align(&body, 4);
	at = buf_len(&body.buf);
	properties = begin_array(&body, 8);
	for (size_t i = 0; i < n; i++) {
		begin_property(&body, list[i].name, "t");
		put_u64(&body, list[i].value);
	}
	end_array(&body, properties, at);

	int r = call("SetUnitProperties", "sba(sv)", &body, unit, deadline, e);

	buf_fini(&body.buf);
	return r;
}

/* Calls a method that takes the name of a unit, and perhaps a mode. Returns -ENOENT when there is
 * no such unit. */
static int call_about(const char *member, const char *unit, const char *mode, msec_t deadline,
		      struct err *e)
{
	struct writer body = {0};
	struct err why = {0};

	buf_init(&body.buf, MESSAGE_MAX);
	put_string(&body, unit);
	if (mode)
		put_string(&body, mode);

	int r = call(member, mode ? "ss" : "s", &body, unit, deadline, &why);

	buf_fini(&body.buf);
	if (r == -EIO && strstr(why.text, "not loaded"))
		return -ENOENT;
	if (r < 0 && e)
		*e = why;
	return r;
}

/* systemd answers when it has queued the job. */
int systemd_unit_stop(const char *unit, msec_t deadline, struct err *e)
{
	int r = call_about("StopUnit", unit, "replace", deadline, e);

	while (r == 0 && (r = call_about("GetUnit", unit, NULL, deadline, e)) == 0) {
		if (clock_now() >= deadline)
			return err_say(e, ETIMEDOUT, "systemd has not ended unit '%s'", unit);
		(void) poll(NULL, 0, RETRY_MS);
	}
	return r == -ENOENT ? 0 : r;
}
