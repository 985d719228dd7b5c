#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "agent.pb-c.h"
#include "base/fd.h"
#include "host/stdio/stdio.h"

/*
 * The guest here: hands out @say bytes of a counting pattern on stdout and @moan on stderr, then
 * end of file, keeps what it is given on stdin, and answers later than it is asked if @parks.
 */
static struct {
	struct loop *loop;
	struct ttrpc_server *server;
	struct ttrpc_client *client;
	size_t say, said, moan, moaned;
	bool parks; /* reads wait until guest_wake() */
	struct ttrpc_call *parked[8];
	size_t n_parked;
	unsigned reads, most_reads;
	char got[4 << 20];
	size_t n_got;
	size_t takes; /* bytes that one write takes; 0: all */
	bool closed, shut;
} guest;

static uint8_t pattern(size_t i)
{
	return (uint8_t) (i * 7 + i / 251);
}

static void give(struct ttrpc_call *call, size_t want, size_t total, size_t *done)
{
	size_t n = total - *done < want ? total - *done : want;
	uint8_t *room = n > 0 ? ttrpc_reply_room(call, n) : NULL;

	for (size_t i = 0; i < n; i++)
		room[i] = pattern(*done + i);
	*done += n;
	guest.reads--;
	ttrpc_reply_bytes(call, n);
}

static void guest_wake(void)
{
	for (size_t i = 0; i < guest.n_parked; i++)
		give(guest.parked[i], STDIO_CHUNK_BYTES, guest.say, &guest.said);
	guest.n_parked = 0;
	guest.parks = false;
}

static void read_stdout(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Grpc__ReadStreamRequest *r = (const void *) request;

	(void) arg;
	if (r->len == 0) {
		guest.shut = true;
		ttrpc_reply_bytes(call, 0);
		return;
	}
	guest.reads++;
	if (guest.reads > guest.most_reads)
		guest.most_reads = guest.reads;
	if (guest.parks)
		guest.parked[guest.n_parked++] = call;
	else
		give(call, r->len, guest.say, &guest.said);
}

static void read_stderr(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Grpc__ReadStreamRequest *r = (const void *) request;

	(void) arg;
	guest.reads++;
	give(call, r->len, guest.moan, &guest.moaned);
}

static void write_stdin(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	const Grpc__WriteStreamRequest *r = (const void *) request;
	Grpc__WriteStreamResponse w = GRPC__WRITE_STREAM_RESPONSE__INIT;

	(void) arg;
	CHECK(!guest.closed);
	w.len = (uint32_t) r->data.len;
	if (guest.takes && w.len > guest.takes)
		w.len = (uint32_t) guest.takes;
	CHECK(guest.n_got + w.len <= sizeof guest.got);
	memcpy(guest.got + guest.n_got, r->data.data, w.len);
	guest.n_got += w.len;
	ttrpc_reply(call, &w.base);
}

static void close_stdin(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg)
{
	(void) request, (void) arg;
	guest.closed = true;
	ttrpc_reply(call, NULL);
}

static const struct ttrpc_method methods[] = {
	{"ReadStdout", read_stdout},
	{"ReadStderr", read_stderr},
	{"WriteStdin", write_stdin},
	{"CloseStdin", close_stdin},
};
static const struct ttrpc_service service = {
	.descriptor = &grpc__agent_service__descriptor, .methods = methods, .n_methods = 4};
static const struct ttrpc_service *const services[] = {&service};

static void guest_up(void)
{
	int p[2];

	(void) signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(loop_new(&guest.loop, NULL), 0);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	CHECK_EQ(ttrpc_server_new(guest.loop, services, 1, NULL, &guest.server, NULL), 0);
	CHECK_EQ(ttrpc_server_serve(guest.server, p[0], NULL), 0);
	CHECK_EQ(ttrpc_client_new(guest.loop, p[1], &guest.client, NULL), 0);
}

static void guest_down(struct stdio *io)
{
	stdio_free(io);
	ttrpc_client_free(guest.client);
	ttrpc_server_free(guest.server);
	loop_free(guest.loop);
}

static const struct stdio_promises ours = {.ordered_exit = true, .close_output = true};
static const struct stdio_promises foreign = {0};

/* A relay over pipes; *@far gets the user's ends, -1 where @which has no letter for it. */
static struct stdio *relay(const char *which, struct stdio_promises promises, int far[3])
{
	struct stdio_spec spec = {.container_id = "c", .exec_id = "", .promises = promises};
	struct stream **near[] = {&spec.in, &spec.out, &spec.err};
	struct stdio *io;

	guest_up();
	for (int i = 0; i < 3; i++) {
		int p[2];

		far[i] = -1;
		if (!strchr(which, "ioe"[i]))
			continue;
		CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
		far[i] = i == 0 ? p[1] : p[0];
		CHECK_EQ(stream_open(guest.loop, i == 0 ? p[0] : p[1],
				     i == 0 ? STREAM_IN : STREAM_OUT, near[i], NULL),
			 0);
	}
	CHECK_EQ(stdio_new(guest.loop, guest.client, &spec, &io, NULL), 0);
	return io;
}

static bool finished;

static void on_finish(void *arg)
{
	(void) arg;
	finished = true;
}

/* Turns the loop until @what holds. */
#define UNTIL(what)                                                                \
	do {                                                                       \
		msec_t until_ = clock_deadline(20000);                             \
		while (!(what))                                                    \
			if (loop_step(guest.loop, until_, NULL) != 1)              \
				test_fail(__FILE__, __LINE__, "never: %s", #what); \
	} while (0)

/* Reads from a non-blocking descriptor until its end, turning the loop; checks the pattern. */
static size_t drain(int fd)
{
	static uint8_t data[64 << 10];
	size_t total = 0;
	ssize_t n;

	CHECK_EQ(fd_set_nonblock(fd, true), 0);
	while ((n = read(fd, data, sizeof data)) != 0) {
		if (n < 0) {
			CHECK_EQ(errno, EAGAIN);
			CHECK(loop_step(guest.loop, clock_deadline(20000), NULL) >= 0);
			continue;
		}
		for (ssize_t i = 0; i < n; i++)
			if (data[i] != pattern(total + (size_t) i))
				test_fail(__FILE__, __LINE__, "byte %zu is wrong",
					  total + (size_t) i);
		total += (size_t) n;
	}
	return total;
}

static void big_output(struct stdio_promises promises, unsigned depth)
{
	int far[3];
	struct stdio *io = relay("o", promises, far);

	guest.say = (5 << 20) + 12345;
	stdio_start_output(io);
	CHECK_EQ(drain(far[1]), guest.say);
	CHECK(guest.most_reads <= depth + 1); /* and one of stderr */
	stdio_finish(io, on_finish, NULL);
	UNTIL(finished);
	fd_close(far[1]);
	guest_down(io);
}

TEST(output_of_any_size_arrives_whole)
{
	big_output(ours, 2);
}

TEST(an_agent_that_promises_nothing_is_asked_one_thing_at_a_time)
{
	big_output(foreign, 1);
}

TEST(a_user_who_does_not_read_stops_the_guest)
{
	int far[3];
	struct stdio *io = relay("o", ours, far);

	guest.say = 64 << 20;
	stdio_start_output(io);
	while (loop_step(guest.loop, clock_deadline(50), NULL) == 1)
		;
	CHECK(guest.said <= 3 * STDIO_CHUNK_BYTES);
	fd_close(far[1]);
	guest_down(io);
}

TEST(stderr_is_apart)
{
	int far[3];
	struct stdio *io = relay("oe", ours, far);

	guest.say = 100;
	guest.moan = 200;
	stdio_start_output(io);
	CHECK_EQ(drain(far[1]), 100);
	CHECK_EQ(drain(far[2]), 200);
	fd_close(far[1]);
	fd_close(far[2]);
	guest_down(io);
}

TEST(without_a_reader_output_is_thrown_away_and_the_guest_goes_on)
{
	int far[3];
	struct stdio *io = relay("", ours, far);

	guest.say = 3 << 20;
	stdio_start_output(io);
	UNTIL(guest.said == guest.say);
	guest_down(io);
}

TEST(the_end_is_told_only_when_the_user_has_all_that_came_before)
{
	int far[3];
	struct stdio *io = relay("o", ours, far);

	guest.say = STDIO_DEPTH * STDIO_CHUNK_BYTES;
	stdio_start_output(io);
	while (loop_step(guest.loop, clock_deadline(50), NULL) == 1)
		;
	CHECK_EQ(guest.said, guest.say);
	stdio_finish(io, on_finish, NULL);
	while (loop_step(guest.loop, clock_deadline(50), NULL) == 1)
		;
	CHECK(!finished); /* the pipe holds 64 KiB of it */
	CHECK_EQ(drain(far[1]), guest.say);
	UNTIL(finished);
	fd_close(far[1]);
	guest_down(io);
}

static char fifo[64];

/* A relay whose output goes into a fifo that nobody reads yet. */
static struct stdio *relay_to_fifo(void)
{
	struct stdio_spec spec = {.container_id = "c", .exec_id = "", .promises = ours};
	char folder[] = "/tmp/kata-test-stdio-XXXXXX";
	struct stdio *io;

	guest_up();
	CHECK(mkdtemp(folder));
	(void) snprintf(fifo, sizeof fifo, "%s/out", folder);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(stream_open_fifo(guest.loop, fifo, STREAM_OUT, &spec.out, NULL), 0);
	CHECK_EQ(stdio_new(guest.loop, guest.client, &spec, &io, NULL), 0);
	finished = false;
	return io;
}

static void relay_and_fifo_gone(struct stdio *io)
{
	guest_down(io);
	CHECK_EQ(unlink(fifo), 0);
	*strrchr(fifo, '/') = '\0';
	CHECK_EQ(rmdir(fifo), 0);
}

/* The process prints @bytes and has ended before its user opens the fifo. */
static void user_comes_late(size_t bytes)
{
	struct stdio *io = relay_to_fifo();

	guest.say = bytes;
	stdio_start_output(io);
	stdio_finish(io, on_finish, NULL);
	for (int i = 0; i < 20; i++) /* some of which are looks for the user */
		CHECK(loop_step(guest.loop, clock_deadline(20000), NULL) >= 0);
	CHECK(!finished);

	/* It would wait here for a writer if the fifo were closed. */
	auto_close int reader = open(fifo, O_RDONLY | O_CLOEXEC);

	CHECK_EQ(drain(reader), bytes);
	UNTIL(finished);
	relay_and_fifo_gone(io);
}

TEST(a_user_who_opens_a_fifo_late_gets_all_and_then_the_end_is_told)
{
	user_comes_late(1000);
}

TEST(a_user_who_opens_a_fifo_late_finds_the_end_of_no_output)
{
	user_comes_late(0);
}

TEST(a_user_who_came_and_went_is_not_waited_for)
{
	struct stdio *io = relay_to_fifo();
	char text[1000];

	guest.say = sizeof text;
	stdio_start_output(io);

	int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	UNTIL(guest.said == guest.say);
	UNTIL(read(reader, text, sizeof text) == sizeof text);
	fd_close(reader);
	stdio_finish(io, on_finish, NULL);
	CHECK(finished);
	relay_and_fifo_gone(io);
}

TEST(in_a_hurry_a_user_who_does_not_come_is_left_behind)
{
	struct stdio *io = relay_to_fifo();

	guest.say = 1000;
	stdio_start_output(io);
	stdio_finish(io, on_finish, NULL);
	stdio_hurry(io, 50);
	UNTIL(finished);
	relay_and_fifo_gone(io);
}

TEST(in_a_hurry_a_user_who_does_not_read_is_left_behind)
{
	int far[3];
	struct stdio *io = relay("o", ours, far);

	guest.say = STDIO_DEPTH * STDIO_CHUNK_BYTES;
	stdio_start_output(io);
	while (loop_step(guest.loop, clock_deadline(50), NULL) == 1)
		;
	stdio_finish(io, on_finish, NULL);
	stdio_hurry(io, 50);
	UNTIL(finished);
	fd_close(far[1]);
	guest_down(io);
}

TEST(a_user_who_left_makes_our_agent_close_the_pipe)
{
	int far[3];
	struct stdio *io = relay("o", ours, far);

	fd_close(far[1]);
	guest.say = 64 << 20;
	stdio_start_output(io);
	UNTIL(guest.shut);
	CHECK(guest.said < guest.say);
	guest_down(io);
}

TEST(a_user_who_left_makes_us_read_on_from_a_foreign_agent)
{
	int far[3];
	struct stdio *io = relay("o", foreign, far);

	fd_close(far[1]);
	guest.say = 8 << 20;
	stdio_start_output(io);
	UNTIL(guest.said == guest.say);
	CHECK(!guest.shut);
	guest_down(io);
}

TEST(a_foreign_agent_gets_time_for_its_last_words)
{
	int far[3];
	struct stdio *io = relay("o", foreign, far);

	guest.say = 100;
	guest.parks = true;
	stdio_start_output(io);
	UNTIL(guest.n_parked == 1);
	stdio_finish(io, on_finish, NULL);
	CHECK(!finished);
	guest_wake();
	CHECK_EQ(drain(far[1]), 100);
	UNTIL(finished);
	fd_close(far[1]);
	guest_down(io);
}

static void feed(struct stdio_promises promises, size_t takes, size_t total)
{
	int far[3];
	struct stdio *io = relay("i", promises, far);
	static uint8_t data[64 << 10];
	size_t fed = 0;

	guest.takes = takes;
	CHECK_EQ(fd_set_nonblock(far[0], true), 0);
	stdio_start_input(io);
	while (fed < total) {
		size_t want = total - fed < sizeof data ? total - fed : sizeof data;

		for (size_t i = 0; i < want; i++)
			data[i] = pattern(fed + i);

		ssize_t n = write(far[0], data, want);

		if (n > 0)
			fed += (size_t) n;
		else
			CHECK(loop_step(guest.loop, clock_deadline(20000), NULL) >= 0);
	}
	CHECK(!guest.closed);
	fd_close(far[0]);
	UNTIL(guest.closed);
	CHECK_EQ(guest.n_got, total);
	for (size_t i = 0; i < total; i++)
		if ((uint8_t) guest.got[i] != pattern(i))
			test_fail(__FILE__, __LINE__, "byte %zu is wrong", i);
	guest_down(io);
}

TEST(input_of_any_size_arrives_whole_and_then_its_end)
{
	feed(ours, 0, (3 << 20) + 77);
}

TEST(an_agent_may_take_input_in_parts)
{
	feed(foreign, 1000, 100000);
}

TEST(without_input_the_process_sees_its_end_at_once)
{
	int far[3];
	struct stdio *io = relay("", ours, far);

	stdio_start_input(io);
	UNTIL(guest.closed);
	guest_down(io);
}

TEST(a_line_that_breaks_keeps_what_had_come)
{
	int far[3];
	struct stdio *io = relay("o", ours, far);

	guest.say = STDIO_DEPTH * STDIO_CHUNK_BYTES;
	stdio_start_output(io);
	while (loop_step(guest.loop, clock_deadline(50), NULL) == 1)
		;
	stdio_break(io);
	ttrpc_client_free(guest.client);
	guest.client = NULL;
	stdio_finish(io, on_finish, NULL);
	CHECK_EQ(drain(far[1]), guest.say);
	UNTIL(finished);
	fd_close(far[1]);
	guest_down(io);
}

/* ---- A connection in the place of a process ---- */

/* Both ends of one of TCP. */
static void tcp_pair(int ret[2])
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t bytes = sizeof at;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(bind(listener, (const struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, (struct sockaddr *) &at, &bytes), 0);
	ret[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(ret[0], (const struct sockaddr *) &at, sizeof at), 0);
	ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	CHECK(ret[1] >= 0);
	fd_close(listener);
}

/* ends[0] is the user's, ends[1] the server's. */
static struct stdio *connection(int ends[2])
{
	struct stdio_spec spec = {
		.container_id = "", .exec_id = "one", .promises = ours, .connection = true};
	struct stdio *io;

	guest_up();
	tcp_pair(ends);
	CHECK_EQ(stream_open_connection(guest.loop, ends[1], STREAM_IN, &spec.in, NULL), 0);
	CHECK_EQ(stream_open_connection(guest.loop, ends[1], STREAM_OUT, &spec.out, NULL), 0);
	CHECK_EQ(stdio_new(guest.loop, guest.client, &spec, &io, NULL), 0);
	return io;
}

static void connection_start(struct stdio *io)
{
	stdio_start_output(io);
	stdio_linger(io, on_finish, NULL);
	stdio_start_input(io);
}

static void turn(unsigned ms)
{
	msec_t until = clock_deadline(ms);

	while (loop_step(guest.loop, until, NULL) > 0)
		;
}

TEST(a_connection_goes_on_after_the_guest_has_said_all)
{
	int ends[2];
	struct stdio *io = connection(ends);

	guest.say = 300000;
	connection_start(io);
	CHECK_EQ(drain(ends[0]), guest.say);
	turn(30);
	CHECK(!finished);
	CHECK_EQ(send(ends[0], "late", 4, 0), 4);
	UNTIL(guest.n_got == 4);
	CHECK(!finished);
	CHECK_EQ(shutdown(ends[0], SHUT_WR), 0);
	UNTIL(finished);
	UNTIL(guest.closed);
	fd_close(ends[0]);
	fd_close(ends[1]);
	guest_down(io);
}

TEST(a_connection_goes_on_after_the_user_has_said_all)
{
	int ends[2];
	struct stdio *io = connection(ends);

	guest.say = 300000;
	guest.parks = true;
	connection_start(io);
	CHECK_EQ(send(ends[0], "question", 8, 0), 8);
	CHECK_EQ(shutdown(ends[0], SHUT_WR), 0);
	UNTIL(guest.closed);
	CHECK_EQ(guest.n_got, 8);
	turn(30);
	CHECK(!finished);
	guest_wake();
	CHECK_EQ(drain(ends[0]), guest.say);
	UNTIL(finished);
	fd_close(ends[0]);
	fd_close(ends[1]);
	guest_down(io);
}

TEST(a_user_who_does_not_read_a_connection_stops_the_guest)
{
	int ends[2];
	struct stdio *io = connection(ends);

	guest.say = 64 << 20;
	connection_start(io);
	turn(300);
	CHECK(guest.said < guest.say);
	CHECK(guest.most_reads <= STDIO_DEPTH);
	CHECK_EQ(drain(ends[0]), guest.say);
	fd_close(ends[0]);
	UNTIL(finished);
	fd_close(ends[1]);
	guest_down(io);
}

TEST(a_connection_that_the_guest_cuts_is_cut_for_the_user)
{
	int ends[2];
	struct stdio *io = connection(ends);
	char got[8];

	guest.parks = true;
	connection_start(io);
	UNTIL(guest.n_parked == STDIO_DEPTH);
	ttrpc_fail(guest.parked[0], TTRPC_UNAVAILABLE, "cut");
	UNTIL(finished); /* although the user has not ended its direction, and a read is parked */
	stdio_free(io);
	ttrpc_fail(guest.parked[1], TTRPC_OUT_OF_RANGE, "end of file");
	fd_close(ends[1]);
	CHECK_EQ(recv(ends[0], got, sizeof got, 0), -1);
	CHECK_EQ(errno, ECONNRESET);
	fd_close(ends[0]);
	guest_down(NULL);
}

TEST(a_connection_that_the_guest_ends_is_ended_for_the_user)
{
	int ends[2];
	struct stdio *io = connection(ends);

	guest.parks = true;
	connection_start(io);
	UNTIL(guest.n_parked == STDIO_DEPTH);
	for (size_t i = 0; i < guest.n_parked; i++)
		ttrpc_fail(guest.parked[i], TTRPC_OUT_OF_RANGE, "end of file");
	CHECK_EQ(drain(ends[0]), 0);
	CHECK(!finished);
	fd_close(ends[0]);
	UNTIL(finished);
	fd_close(ends[1]);
	guest_down(io);
}

static void free_it(void *arg)
{
	stdio_free(arg);
	finished = true;
}

TEST(a_relay_of_a_connection_may_be_freed_by_its_end)
{
	int ends[2];
	struct stdio *io = connection(ends);

	stdio_start_output(io); /* the guest has nothing to say, the user the last word */
	stdio_linger(io, free_it, io);
	stdio_start_input(io);
	CHECK_EQ(drain(ends[0]), 0);
	CHECK_EQ(send(ends[0], "last", 4, 0), 4);
	fd_close(ends[0]);
	UNTIL(finished);
	UNTIL(guest.n_got == 4);
	fd_close(ends[1]);
	turn(10);
	guest_down(NULL);
}
