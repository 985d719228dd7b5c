#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/auto.h"
#include "base/fd.h"
#include "host/hypervisor/qemu/monitor.h"

/*
 * A fake QEMU: a thread that plays a list of steps. "<" waits for one line and remembers it, "<fd"
 * also takes the descriptor that comes with it;
 * anything else is sent as it is, with "@1@" replaced by the id of the last line that came, "@2@"
 * by that of the one before.
 */
struct fake {
	int fd;
	const char *const *steps;
	pthread_t thread;
	char line[2][512];
	int got_fd;
};

#define GREETING                                                                           \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, " \
	"\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define AGREED "{\"return\": {}, \"id\": @1@}\r\n"

static void hear(struct fake *f)
{
	size_t n = 0;

	memcpy(f->line[1], f->line[0], sizeof f->line[0]);
	memset(f->line[0], 0, sizeof f->line[0]);
	while (n < sizeof f->line[0] - 1 && read(f->fd, f->line[0] + n, 1) == 1)
		if (f->line[0][n++] == '\n')
			break;
}

/* The descriptor comes with the first byte, which is "{". */
static void hear_fd(struct fake *f)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	char byte;
	struct iovec data = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof control.room,
	};

	if (recvmsg(f->fd, &msg, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&f->got_fd, CMSG_DATA(&control.head), sizeof f->got_fd);
	hear(f);
}

static long id_of(const char *line)
{
	const char *id = strstr(line, "\"id\":");

	return id ? strtol(id + 5, NULL, 10) : -1;
}

static void tell(struct fake *f, const char *step)
{
	const char *at;

	while ((at = strchr(step, '@')) && at[2] == '@') {
		char id[24];
		int n = snprintf(id, sizeof id, "%ld", id_of(f->line[at[1] - '1']));

		(void) fd_write_all(f->fd, step, (size_t) (at - step));
		(void) fd_write_all(f->fd, id, (size_t) n);
		step = at + 3;
	}
	(void) fd_write_all(f->fd, step, strlen(step));
}

static void *play(void *arg)
{
	struct fake *f = arg;

	for (const char *const *s = f->steps; *s; s++) {
		if (strcmp(*s, "<") == 0)
			hear(f);
		else if (strcmp(*s, "<fd") == 0)
			hear_fd(f);
		else
			tell(f, *s);
	}
	(void) shutdown(f->fd, SHUT_RDWR);
	return NULL;
}

struct seen {
	int events;
	char name[32];
	char reason[32];
};

static void on_event(void *arg, const char *event, const json_t *data)
{
	struct seen *s = arg;
	const char *reason = json_string_value(json_object_get(data, "reason"));

	s->events++;
	(void) snprintf(s->name, sizeof s->name, "%s", event);
	(void) snprintf(s->reason, sizeof s->reason, "%s", reason ? reason : "");
}

static struct qmp *talk(struct fake *f, const char *const *steps, struct seen *seen)
{
	int sv[2];
	struct qmp *q = NULL;

	(void) signal(SIGPIPE, SIG_IGN);
	*f = (struct fake){.steps = steps, .got_fd = -1};
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	f->fd = sv[1];
	CHECK_EQ(qmp_open(sv[0], seen ? on_event : NULL, seen, &q, NULL), 0);
	CHECK_EQ(pthread_create(&f->thread, NULL, play, f), 0);
	return q;
}

static void bye(struct fake *f, struct qmp *q)
{
	qmp_close(q);
	CHECK_EQ(pthread_join(f->thread, NULL), 0);
	fd_close(f->fd);
}

static int greet(struct qmp *q, struct err *e)
{
	char version[64];

	return qmp_greet(q, clock_deadline(10000), version, sizeof version, e);
}

/* A QEMU that begins with @greeting and is never ready, for a reason. */
static void greeting_fails(const char *greeting, int r, const char *sentence)
{
	const char *const steps[] = {greeting, NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct err e = {0};

	CHECK_EQ(greet(q, &e), r);
	CHECK_STR(e.text, sentence);
	bye(&f, q);
}

TEST(the_handshake_tells_the_version)
{
	const char *const steps[] = {GREETING, "<", AGREED, "<", NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	char version[64] = "";

	CHECK_EQ(qmp_greet(q, clock_deadline(10000), version, sizeof version, NULL), 0);
	CHECK_STR(version, "7.2.22");
	bye(&f, q);
	CHECK(strstr(f.line[1], "\"execute\":\"qmp_capabilities\""));
}

TEST(what_is_no_greeting_is_refused)
{
	greeting_fails("{\"return\": {}}\n", -EPROTO, "QMP does not begin with a greeting");
	greeting_fails("{\"QMP\": {\"version\": 7}}\n", -EPROTO,
		       "QMP does not begin with a greeting");
	greeting_fails("[1, 2]\n", -EPROTO, "QMP sends something that is no JSON object");
	greeting_fails("SSH-2.0-OpenSSH\n", -EPROTO, "QMP sends something that is no JSON object");
	greeting_fails("", -ECONNRESET, "QEMU closed its monitor");
	greeting_fails("{\"QMP\": ", -ECONNRESET, "QEMU closed its monitor");
}

TEST(silence_has_an_end)
{
	const char *const steps[] = {"<", NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	char version[64];
	struct err e = {0};

	CHECK_EQ(qmp_greet(q, clock_deadline(20), version, sizeof version, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "QEMU's monitor does not answer in time");
	bye(&f, q);
}

TEST(a_line_without_end_is_not_collected)
{
	struct fake f;
	auto_free char *lots = malloc(2 * QMP_LINE_MAX);

	CHECK(lots);
	memset(lots, ' ', 2 * QMP_LINE_MAX);
	lots[2 * QMP_LINE_MAX - 1] = '\0';

	const char *const steps[] = {lots, NULL};
	struct qmp *q = talk(&f, steps, NULL);
	struct err e = {0};

	CHECK_EQ(greet(q, &e), -EPROTO);
	CHECK_STR(e.text, "QMP sends a line longer than 262144 bytes");
	bye(&f, q);
}

TEST(an_answer_is_given_to_its_caller)
{
	const char *const steps[] = {GREETING,
				     "<",
				     AGREED,
				     "<",
				     "{\"return\": {\"status\": \"running\"}, \"id\": @1@}\n",
				     "<",
				     NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	json_t *ret = NULL;

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(qmp_call(q, "query-status", json_pack("{s:i}", "a", 1), clock_deadline(10000),
			  &ret, NULL),
		 0);
	CHECK_STR(json_string_value(json_object_get(ret, "status")), "running");
	json_decref(ret);
	bye(&f, q);
	CHECK(strstr(f.line[1], "\"arguments\":{\"a\":1}"));
}

TEST(a_refusal_comes_with_qemus_words)
{
	const char *const steps[] = {
		GREETING,
		"<",
		AGREED,
		"<",
		"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\\nsuch \\u001b[1mthing\"}, "
		"\"id\": @1@}\n",
		"<",
		"{\"error\": 7, \"id\": @1@}\n",
		"<",
		NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct err e = {0};

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(qmp_call(q, "x", NULL, clock_deadline(10000), NULL, &e), -EREMOTEIO);
	CHECK_STR(e.text, "QEMU refuses 'x': no such thing");
	err_clear(&e);
	CHECK_EQ(qmp_call(q, "y", NULL, clock_deadline(10000), NULL, &e), -EREMOTEIO);
	CHECK_STR(e.text, "QEMU refuses 'y': no reason given");
	bye(&f, q);
}

TEST(events_are_told_whenever_they_come)
{
	const char *const steps[] = {
		GREETING,
		"<",
		"{\"event\": \"NIC_RX_FILTER_CHANGED\"}\n",
		AGREED,
		"<",
		"{\"timestamp\": {}, \"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "
		"\"reason\": \"guest-reset\"}}\n",
		"{\"return\": {}, \"id\": @1@}\n",
		"<",
		NULL};
	struct seen seen = {0};
	struct fake f;
	struct qmp *q = talk(&f, steps, &seen);

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(seen.events, 1);
	CHECK_EQ(qmp_call(q, "stop", NULL, clock_deadline(10000), NULL, NULL), 0);
	CHECK_EQ(seen.events, 2);
	CHECK_STR(seen.name, "SHUTDOWN");
	CHECK_STR(seen.reason, "guest-reset");
	bye(&f, q);
}

TEST(a_late_answer_is_thrown_away)
{
	const char *const steps[] = {
		GREETING, "<", AGREED,
		"<",      "<", "{\"return\": 1, \"id\": @2@}\n{\"return\": 2, \"id\": @1@}\n",
		"<",      NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	json_t *ret = NULL;
	struct err e = {0};

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(qmp_call(q, "slow", NULL, clock_deadline(20), &ret, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "QMP 'slow': QEMU's monitor does not answer in time");
	CHECK(!ret);
	CHECK_EQ(qmp_call(q, "next", NULL, clock_deadline(10000), &ret, NULL), 0);
	CHECK_EQ(json_integer_value(ret), 2);
	json_decref(ret);
	bye(&f, q);
}

TEST(answers_to_nobody_are_ignored)
{
	const char *const steps[] = {GREETING, "<",
				     "{\"return\": 1}\n{\"return\": 1, \"id\": \"x\"}\n\r\n"
				     "{\"return\": 1, \"id\": 99}\n" AGREED,
				     "<", NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);

	CHECK_EQ(greet(q, NULL), 0);
	bye(&f, q);
}

TEST(nonsense_breaks_the_line_for_good)
{
	const char *const steps[] = {GREETING, "<", AGREED, "<", "{\"hello\": 1}\n", "<", NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct err e = {0};

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(qmp_call(q, "x", NULL, clock_deadline(10000), NULL, &e), -EPROTO);
	CHECK_STR(e.text, "QMP 'x': QMP sends neither event nor answer");
	err_clear(&e);
	CHECK_EQ(qmp_call(q, "y", NULL, clock_deadline(10000), NULL, &e), -EPROTO);
	CHECK_STR(e.text, "QMP 'y': QMP sends neither event nor answer");
	CHECK_EQ(qmp_process(q, NULL), -EPROTO);
	bye(&f, q);
}

struct caller {
	struct qmp *q;
	const char *command;
	pthread_t thread;
	long answer;
	int r;
};

static void *call_it(void *arg)
{
	struct caller *c = arg;
	json_t *ret = NULL;

	c->r = qmp_call(c->q, c->command, NULL, clock_deadline(10000), &ret, NULL);
	c->answer = (long) json_integer_value(ret);
	json_decref(ret);
	return NULL;
}

/* The fake answers the second before the first, with their own ids as the value. */
TEST(callers_in_several_threads_get_their_own_answers)
{
	const char *const steps[] = {
		GREETING, "<", AGREED,
		"<",      "<", "{\"return\": @1@, \"id\": @1@}\n{\"return\": @2@, \"id\": @2@}\n",
		"<",      NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct caller c[2] = {{.q = q, .command = "a"}, {.q = q, .command = "b"}};

	CHECK_EQ(greet(q, NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&c[i].thread, NULL, call_it, &c[i]), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(c[i].thread, NULL), 0);
	CHECK_EQ(c[0].r, 0);
	CHECK_EQ(c[1].r, 0);
	CHECK_EQ(c[0].answer + c[1].answer, 2 + 3); /* 1 was the handshake */
	bye(&f, q);
}

TEST(all_who_wait_fail_when_qemu_hangs_up)
{
	const char *const steps[] = {GREETING, "<", AGREED, "<", "<", NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct caller c[2] = {{.q = q, .command = "a"}, {.q = q, .command = "b"}};

	CHECK_EQ(greet(q, NULL), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_create(&c[i].thread, NULL, call_it, &c[i]), 0);
	for (int i = 0; i < 2; i++)
		CHECK_EQ(pthread_join(c[i].thread, NULL), 0);
	CHECK_EQ(c[0].r, -ECONNRESET);
	CHECK_EQ(c[1].r, -ECONNRESET);
	bye(&f, q);
}

TEST(a_reader_on_a_loop_serves_callers_elsewhere)
{
	const char *const steps[] = {GREETING, "<", AGREED, "<", "{\"return\": 5, \"id\": @1@}\n",
				     "<",      NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct caller c = {.q = q, .command = "a"};
	struct pollfd p = {.fd = qmp_fd(q), .events = POLLIN};

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(pthread_create(&c.thread, NULL, call_it, &c), 0);
	CHECK(poll(&p, 1, 10000) >= 0); /* the caller may be faster */
	(void) qmp_process(q, NULL);
	CHECK_EQ(pthread_join(c.thread, NULL), 0);
	CHECK_EQ(c.answer, 5);
	bye(&f, q);
}

TEST(a_descriptor_goes_with_its_command)
{
	const char *const steps[] = {GREETING,
				     "<",
				     AGREED,
				     "<fd",
				     "{\"return\": {\"fdset-id\": 7, \"fd\": 9}, \"id\": @1@}\r\n",
				     NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	auto_close int lent = open("/dev/null", O_RDONLY | O_CLOEXEC);
	json_t *ret = NULL;
	int set = 0;

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(qmp_call_fd(q, "add-fd", NULL, lent, clock_deadline(10000), &ret, NULL), 0);
	CHECK_EQ(json_unpack(ret, "{s:i}", "fdset-id", &set), 0);
	CHECK_EQ(set, 7);
	json_decref(ret);
	CHECK(f.got_fd >= 0 && f.got_fd != lent);
	fd_close(f.got_fd);
	CHECK(fcntl(lent, F_GETFD) >= 0); /* the caller's stays the caller's */
	bye(&f, q);
}

#define GONE(device) "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"" device "\"}}\r\n"

static int unplug(struct qmp *q, uint32_t timeout_ms, struct err *e)
{
	return qmp_call_until(q, "device_del", json_pack("{s:s}", "id", "d1"), "DEVICE_DELETED",
			      "d1", clock_deadline(timeout_ms), e);
}

/* @steps play after the handshake. */
static void unplug_ends(const char *const *rest, int r, const char *sentence)
{
	const char *steps[8] = {GREETING, "<", AGREED};
	struct fake f;
	struct err e = {0};

	for (size_t i = 3; *rest; i++)
		steps[i] = *rest++;

	struct qmp *q = talk(&f, steps, NULL);

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(unplug(q, 10000, &e), r);
	CHECK_STR(e.text, sentence);
	bye(&f, q);
}

TEST(a_command_that_ends_with_an_event_waits_for_both)
{
	unplug_ends((const char *const[]){"<", AGREED, GONE("d1"), NULL}, 0, "");
	/* The guest may be faster than the answer. */
	unplug_ends((const char *const[]){"<", GONE("d1") AGREED, NULL}, 0, "");
	/* Those of others and of other kinds do not count. */
	unplug_ends(
		(const char *const[]){"<", AGREED GONE("d2") "{\"event\": \"RESUME\"}\r\n", NULL},
		-ECONNRESET,
		"QMP 'device_del': wait for 'DEVICE_DELETED': QEMU closed its monitor");
	unplug_ends((const char *const[]){"<", "{\"error\": {\"desc\": \"no\"}, \"id\": @1@}\r\n",
					  NULL},
		    -EREMOTEIO, "QEMU refuses 'device_del': no");
}

TEST(an_event_that_does_not_come_is_waited_for_until_the_deadline)
{
	const char *const steps[] = {GREETING, "<", AGREED, "<", AGREED, "<", AGREED, NULL};
	struct fake f;
	struct qmp *q = talk(&f, steps, NULL);
	struct err e = {0};

	CHECK_EQ(greet(q, NULL), 0);
	CHECK_EQ(unplug(q, 100, &e), -ETIMEDOUT);
	CHECK_STR(e.text, "QMP 'device_del': wait for 'DEVICE_DELETED': QEMU's monitor does not "
			  "answer in time");
	/* The line works as before. */
	CHECK_EQ(qmp_call(q, "query-status", NULL, clock_deadline(10000), NULL, NULL), 0);
	bye(&f, q);
}
