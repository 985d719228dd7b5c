#include "host/hypervisor/qemu/monitor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/text.h"

/* The most that one reading takes: a QEMU that sends without end must not block the loop. */
#define READ_BYTES (64U << 10)

AUTO_PTR(json_t, json_decref)

struct qmp {
	int fd;
	qmp_event_fn event_fn;
	void *event_arg;

	pthread_mutex_t lock; /* guards all below, and the reading of fd */
	struct buf in;
	bool greeted;
	char version[64];
	struct list calls; /* that wait for their reply or event */
	size_t n_calls;
	json_int_t last_id;
	struct err broken; /* code 0: the connection works */
};

/* On the caller's stack, and in the list while it waits. */
struct call {
	struct list link;
	json_int_t id;     /* of the command */
	const char *event; /* or it waits for this event with @device in it */
	const char *device;
	int wake_fd; /* readable when done */
	bool done;
	json_t *reply; /* the whole object, or NULL when the connection broke */
};

int qmp_open(int take_fd, qmp_event_fn fn, void *arg, struct qmp **ret, struct err *e)
{
	struct qmp *q = calloc(1, sizeof *q);
	int r = q ? fd_set_nonblock(take_fd, true) : -ENOMEM;

	if (r < 0) {
		free(q);
		return err_sys(e, -r, "open QMP");
	}
	q->fd = take_fd;
	q->event_fn = fn;
	q->event_arg = arg;
	list_init(&q->calls);
	buf_init(&q->in, QMP_LINE_MAX + READ_BYTES);
	(void) pthread_mutex_init(&q->lock, NULL);
	*ret = q;
	return 0;
}

void qmp_close(struct qmp *q)
{
	if (!q)
		return;
	(void) pthread_mutex_destroy(&q->lock);
	buf_fini(&q->in);
	fd_close(q->fd);
	free(q);
}

int qmp_fd(const struct qmp *q)
{
	return q->fd;
}

static void finish(struct qmp *q, struct call *c, json_t *take_reply)
{
	uint64_t one = 1;

	list_remove(&c->link);
	q->n_calls--;
	c->reply = take_reply;
	c->done = true;
	(void) !write(c->wake_fd, &one, sizeof one); /* a fresh eventfd has room */
}

/* Breaks the connection: all waiting calls and all later ones fail with @e. */
static int break_line(struct qmp *q, const struct err *e)
{
	if (q->broken.code == 0)
		q->broken = *e;
	list_for_each (pos, &q->calls)
		finish(q, container_of(pos, struct call, link), NULL);
	return -q->broken.code;
}

static int read_greeting(struct qmp *q, const json_t *msg, struct err *e)
{
	int major, minor, micro;

	if (json_unpack((json_t *) msg, "{s:{s:{s:{s:i,s:i,s:i}}}}", "QMP", "version", "qemu",
			"major", &major, "minor", &minor, "micro", &micro) < 0)
		return err_say(e, EPROTO, "QMP does not begin with a greeting");
	(void) snprintf(q->version, sizeof q->version, "%d.%d.%d", major, minor, micro);
	q->greeted = true;
	return 0;
}

static void take_reply(struct qmp *q, json_t *take_msg)
{
	const json_t *id = json_object_get(take_msg, "id");

	if (json_is_integer(id)) {
		list_for_each (pos, &q->calls) {
			struct call *c = container_of(pos, struct call, link);

			if (!c->event && c->id == json_integer_value(id)) {
				finish(q, c, take_msg);
				return;
			}
		}
	}
	/* The call that it answers has given up waiting. */
	json_decref(take_msg);
}

/* Wakes the calls that wait for @event. */
static void match_event(struct qmp *q, const char *event, json_t *msg)
{
	const char *device =
		json_string_value(json_object_get(json_object_get(msg, "data"), "device"));

	if (!device)
		return;
	list_for_each (pos, &q->calls) {
		struct call *c = container_of(pos, struct call, link);

		if (c->event && strcmp(c->event, event) == 0 && strcmp(c->device, device) == 0)
			finish(q, c, json_incref(msg));
	}
}

static int take_line(struct qmp *q, const char *line, size_t bytes, struct err *e)
{
	json_error_t why;
	json_t *msg = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &why);
	const json_t *event = json_object_get(msg, "event");
	int r = 0;

	if (!json_is_object(msg))
		r = err_say(e, EPROTO, "QMP sends something that is no JSON object");
	else if (!q->greeted)
		r = read_greeting(q, msg, e);
	else if (json_is_string(event)) {
		if (q->event_fn)
			q->event_fn(q->event_arg, json_string_value(event),
				    json_object_get(msg, "data"));
		match_event(q, json_string_value(event), msg);
	} else if (json_object_get(msg, "return") || json_object_get(msg, "error")) {
		take_reply(q, msg);
		return 0;
	} else {
		r = err_say(e, EPROTO, "QMP sends neither event nor answer");
	}
	json_decref(msg);
	return r;
}

/* Whole lines out of the buffer. */
static int take_lines(struct qmp *q, struct err *e)
{
	for (;;) {
		const char *start = (const char *) buf_data(&q->in);
		size_t have = buf_len(&q->in);
		const char *end = have ? memchr(start, '\n', have) : NULL;

		if (!end && have > QMP_LINE_MAX)
			return err_say(e, EPROTO, "QMP sends a line longer than %u bytes",
				       QMP_LINE_MAX);
		if (!end)
			return 0;

		size_t bytes = (size_t) (end - start);
		bool blank = bytes == 0 || (bytes == 1 && start[0] == '\r');
		int r = blank ? 0 : take_line(q, start, bytes, e);

		if (r < 0)
			return r;
		buf_consume(&q->in, bytes + 1);
	}
}

static int process_locked(struct qmp *q)
{
	struct err e = {0};

	if (q->broken.code)
		return -q->broken.code;

	for (size_t done = 0; done < READ_BYTES;) {
		ssize_t n = buf_read_from(&q->in, q->fd, 4096);

		if (n == -EAGAIN)
			return 0;
		if (n == 0)
			(void) err_say(&e, ECONNRESET, "QEMU closed its monitor");
		else if (n < 0)
			(void) err_sys(&e, (int) -n, "read from QEMU's monitor");
		else
			(void) take_lines(q, &e);
		if (e.code)
			return break_line(q, &e);
		done += (size_t) n;
	}
	return 0;
}

static int give_broken(struct qmp *q, struct err *e)
{
	if (e && q->broken.code)
		*e = q->broken;
	return -q->broken.code;
}

int qmp_process(struct qmp *q, struct err *e)
{
	pthread_mutex_lock(&q->lock);
	(void) process_locked(q);

	int r = give_broken(q, e);

	pthread_mutex_unlock(&q->lock);
	return r;
}

/* Waits until QEMU may have sent something, or another reader has finished the call (@wake_fd, or
 * -1). */
static int wait_for_more(struct qmp *q, int wake_fd, msec_t deadline, struct err *e)
{
	struct pollfd p[] = {
		{.fd = q->fd, .events = POLLIN},
		{.fd = wake_fd, .events = POLLIN},
	};
	int n;

	do
		n = poll(p, 2, clock_poll_ms(deadline));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, errno, "wait for QEMU's monitor");
	return n > 0 ? 0 : err_say(e, ETIMEDOUT, "QEMU's monitor does not answer in time");
}

static bool is_greeted(struct qmp *q)
{
	pthread_mutex_lock(&q->lock);
	bool greeted = q->greeted;

	pthread_mutex_unlock(&q->lock);
	return greeted;
}

int qmp_greet(struct qmp *q, msec_t deadline, char *version, size_t version_bytes, struct err *e)
{
	while (!is_greeted(q)) {
		int r = wait_for_more(q, -1, deadline, e);

		if (r == 0)
			r = qmp_process(q, e);
		if (r < 0)
			return r;
	}
	(void) snprintf(version, version_bytes, "%s", q->version);
	return qmp_call(q, "qmp_capabilities", NULL, deadline, NULL, e);
}

/* Sends @text with @fd, or none if that is -1. Returns as send(2). */
static ssize_t send_text(int socket, const char *text, size_t bytes, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct iovec data = {.iov_base = (char *) text, .iov_len = bytes};
	struct msghdr msg = {.msg_iov = &data, .msg_iovlen = 1};

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof control.room;
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* With the monitor locked. */
static int enlist(struct qmp *q, struct call *c, struct err *e)
{
	if (q->n_calls == QMP_CALLS_MAX)
		return err_say(e, EBUSY, "%d commands wait for QEMU's monitor", QMP_CALLS_MAX);
	list_add(&q->calls, &c->link);
	q->n_calls++;
	return 0;
}

static void strike_off(struct qmp *q, struct call *c)
{
	list_remove(&c->link);
	q->n_calls--;
	c->done = true;
}

/* With the monitor locked: puts @c into the list and sends @text, whose NUL becomes a newline.
 * Commands are short and the socket's buffer is large: if a command does not fit, QEMU has stopped
 * reading long ago. */
static int send_command(struct qmp *q, struct call *c, char *text, int fd, struct err *e)
{
	size_t bytes = strlen(text);
	struct err broken = {0};
	int r = enlist(q, c, e);

	if (r < 0)
		return r;
	text[bytes++] = '\n';

	ssize_t n = send_text(q->fd, text, bytes, fd);

	if (n == (ssize_t) bytes)
		return 0;
	strike_off(q, c);
	(void) err_sys(&broken, n < 0 && errno != EAGAIN ? errno : EPIPE,
		       "write to QEMU's monitor");
	(void) break_line(q, &broken);
	return give_broken(q, e);
}

static int submit(struct qmp *q, struct call *c, const char *command, json_t *args, int fd,
		  struct err *e)
{
	int r;

	pthread_mutex_lock(&q->lock);
	c->id = ++q->last_id;
	auto_ptr(json_decref) json_t *msg =
		json_pack("{s:s,s:I,s:O*}", "execute", command, "id", c->id, "arguments", args);
	auto_free char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;

	if (q->broken.code)
		r = give_broken(q, e);
	else if (!text)
		r = err_sys(e, ENOMEM, "write a command");
	else
		r = send_command(q, c, text, fd, e);
	pthread_mutex_unlock(&q->lock);
	return r;
}

/* Waits until @c is done, the connection broken or the time over; @c is out of the list then. */
static int await(struct qmp *q, struct call *c, msec_t deadline, struct err *e)
{
	int r = 0;

	for (;;) {
		pthread_mutex_lock(&q->lock);
		if (!c->done)
			(void) process_locked(q);
		if (c->done && !c->reply)
			r = give_broken(q, e);
		if (!c->done && r < 0)
			strike_off(q, c);

		bool done = c->done;

		pthread_mutex_unlock(&q->lock);
		if (done)
			return r;
		r = wait_for_more(q, c->wake_fd, deadline, e);
	}
}

static int judge(const json_t *reply, const char *command, json_t **ret, struct err *e)
{
	json_t *value = json_object_get(reply, "return");
	const char *desc =
		json_string_value(json_object_get(json_object_get(reply, "error"), "desc"));
	char words[256];

	if (!value) {
		if (!desc)
			desc = "no reason given";
		(void) text_printable(desc, strlen(desc), words, sizeof words);
		return err_say(e, EREMOTEIO, "QEMU refuses '%s': %s", command, words);
	}
	if (ret)
		*ret = json_incref(value);
	return 0;
}

int qmp_call_fd(struct qmp *q, const char *command, json_t *take_args, int send_fd, msec_t deadline,
		json_t **ret, struct err *e)
{
	auto_ptr(json_decref) json_t *args = take_args;
	auto_close int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct call c = {.wake_fd = wake};

	list_init(&c.link);
	if (wake < 0)
		return err_sys(e, errno, "QMP '%s'", command);

	int r = submit(q, &c, command, args, send_fd, e);

	if (r == 0)
		r = await(q, &c, deadline, e);

	auto_ptr(json_decref) json_t *reply = c.reply;

	if (r < 0)
		return err_wrap(e, r, "QMP '%s'", command);
	return judge(reply, command, ret, e);
}

int qmp_call(struct qmp *q, const char *command, json_t *take_args, msec_t deadline, json_t **ret,
	     struct err *e)
{
	return qmp_call_fd(q, command, take_args, -1, deadline, ret, e);
}

int qmp_call_until(struct qmp *q, const char *command, json_t *take_args, const char *event,
		   const char *device, msec_t deadline, struct err *e)
{
	auto_close int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct call c = {.wake_fd = wake, .event = event, .device = device};
	int r = 0;

	list_init(&c.link);
	pthread_mutex_lock(&q->lock);
	if (wake < 0)
		r = err_sys(e, errno, "wait for '%s'", event);
	else if (q->broken.code)
		r = give_broken(q, e);
	else
		r = enlist(q, &c, e); /* before the command, because the event may be fast */
	pthread_mutex_unlock(&q->lock);
	if (r < 0) {
		json_decref(take_args);
		return r;
	}
	r = qmp_call(q, command, take_args, deadline, NULL, e);
	if (r == 0) {
		r = await(q, &c, deadline, e);
		if (r < 0)
			(void) err_wrap(e, r, "QMP '%s': wait for '%s'", command, event);
	} else {
		pthread_mutex_lock(&q->lock);
		if (!c.done)
			strike_off(q, &c);
		pthread_mutex_unlock(&q->lock);
	}
	json_decref(c.reply);
	return r;
}
