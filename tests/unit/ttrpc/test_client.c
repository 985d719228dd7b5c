#include "tests/unit/ttrpc/ttrpc_peer.h"

/* The client against a server that is written here by hand, and hostile where it likes. */
struct rig {
	struct loop *loop;
	struct ttrpc_client *client;
	int peer;
	int done;
	int closed;
	struct ttrpc_answer last; /* without its response */
	uint32_t status;          /* of the last response */
	bool free_in_done;
	bool call_in_done;
};

static void rig_open(struct rig *rig)
{
	int sv[2];

	*rig = (struct rig){.peer = -1};
	socket_pair(sv);
	rig->peer = sv[0];
	CHECK_EQ(loop_new(&rig->loop, NULL), 0);
	CHECK_EQ(ttrpc_client_new(rig->loop, sv[1], &rig->client, NULL), 0);
}

static void rig_close(struct rig *rig)
{
	ttrpc_client_free(rig->client);
	loop_free(rig->loop);
	rig->peer = fd_close(rig->peer);
}

static const struct ttrpc_request check = {
	.service = &grpc__health__descriptor,
	.method = "Check",
	.deadline = CLOCK_NEVER,
};

static void note(void *arg, struct ttrpc_answer *answer)
{
	struct rig *rig = arg;

	CHECK((answer->r == 0) == (answer->response != NULL));
	CHECK_EQ(answer->r, -answer->err.code);
	rig->done++;
	rig->last = *answer;
	rig->last.response = NULL;
	if (answer->response)
		rig->status = ((Grpc__HealthCheckResponse *) answer->response)->status;
	if (rig->free_in_done) {
		ttrpc_client_free(rig->client);
		rig->client = NULL;
	}
	if (rig->call_in_done) {
		rig->call_in_done = false;
		(void) ttrpc_call(rig->client, &check, note, rig, NULL, NULL);
	}
}

static void note_closed(void *arg, const struct err *e)
{
	struct rig *rig = arg;

	CHECK(e->code > 0);
	rig->closed++;
}

static void begin(struct rig *rig)
{
	CHECK_EQ(ttrpc_call(rig->client, &check, note, rig, NULL, NULL), 0);
}

/* Reads a request off the line and returns its stream. */
static uint32_t expect_request(struct rig *rig, Ttrpc__Request **ret)
{
	struct peer_frame f;

	CHECK(peer_read_frame(rig->loop, rig->peer, &f));
	CHECK_EQ(f.type, 1);
	CHECK_EQ(f.flags, 0);

	Ttrpc__Request *r = ttrpc__request__unpack(NULL, f.bytes, f.body);

	free(f.body);
	CHECK(r);
	CHECK_STR(r->service, "grpc.Health");
	CHECK_STR(r->method, "Check");
	if (ret)
		*ret = r;
	else
		ttrpc__request__free_unpacked(r, NULL);
	return f.stream;
}

static void send_frame(struct rig *rig, uint32_t stream, int type, const void *body, size_t bytes)
{
	uint8_t header[10];

	put_header(header, (uint32_t) bytes, stream, type, 0);
	CHECK_EQ(fd_write_all(rig->peer, header, 10), 0);
	CHECK_EQ(fd_write_all(rig->peer, body, bytes), 0);
}

static void send_status(struct rig *rig, uint32_t stream, int code, const char *words)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	size_t bytes;

	status.code = code;
	status.message = (char *) words;
	r.status = &status;

	auto_free uint8_t *frame = peer_frame(&r.base, stream, 2, 0, &bytes);

	CHECK_EQ(fd_write_all(rig->peer, frame, bytes), 0);
	settle(rig->loop);
}

/* Response { payload: HealthCheckResponse { status: SERVING } } */
static void serve(struct rig *rig, uint32_t stream)
{
	send_frame(rig, stream, 2, "\x12\x02\x08\x01", 4);
}

TEST(an_answer_reaches_the_one_who_asked)
{
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	CHECK_EQ(expect_request(&rig, NULL), 1);
	begin(&rig);
	CHECK_EQ(expect_request(&rig, NULL), 3);
	serve(&rig, 3);
	settle(rig.loop);
	CHECK_EQ(rig.done, 1);
	CHECK_EQ(rig.last.r, 0);
	CHECK_EQ(rig.status, 1);
	serve(&rig, 1);
	settle(rig.loop);
	CHECK_EQ(rig.done, 2);
	rig_close(&rig);
	CHECK_EQ(rig.done, 2);
}

TEST(an_answer_may_come_byte_by_byte)
{
	static const uint8_t frame[] = {0, 0, 0, 4, 0, 0, 0, 1, 2, 0, 0x12, 2, 8, 1};
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	for (size_t i = 0; i < sizeof frame; i++) {
		CHECK_EQ(rig.done, 0);
		CHECK_EQ(write(rig.peer, frame + i, 1), 1);
		settle(rig.loop);
	}
	CHECK_EQ(rig.done, 1);
	CHECK_EQ(rig.last.r, 0);
	rig_close(&rig);
}

TEST(a_request_says_deadline_and_metadata)
{
	struct rig rig;
	struct ttrpc_pair pairs[] = {{"greeting", "hello"}, {"empty", ""}};
	struct ttrpc_request request = check;
	Ttrpc__Request *r;

	rig_open(&rig);
	request.deadline = clock_deadline(60000);
	request.metadata = pairs;
	request.n_metadata = 2;
	CHECK_EQ(ttrpc_call(rig.client, &request, note, &rig, NULL, NULL), 0);
	CHECK_EQ(expect_request(&rig, &r), 1);
	CHECK(r->timeout_nano > 50 * INT64_C(1000000000));
	CHECK(r->timeout_nano <= 60 * INT64_C(1000000000));
	CHECK_EQ(r->n_metadata, 2);
	CHECK_STR(r->metadata[0]->key, "greeting");
	CHECK_STR(r->metadata[0]->value, "hello");
	CHECK_STR(r->metadata[1]->key, "empty");
	ttrpc__request__free_unpacked(r, NULL);
	rig_close(&rig);
	CHECK_EQ(rig.last.r, -ECANCELED);
}

TEST(the_servers_words_arrive_on_one_line_under_its_code)
{
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	send_status(&rig, 1, TTRPC_NOT_FOUND, "no container 'x'\n\x1b[31mroot# \xff\xc3\xa4");
	CHECK_EQ(rig.last.r, -ENOENT);
	CHECK_EQ(rig.last.code, TTRPC_NOT_FOUND);
	CHECK_STR(rig.last.err.text, "no container 'x' ?[31mroot# ?\xc3\xa4");
	begin(&rig);
	send_status(&rig, 3, 77, "");
	CHECK_EQ(rig.last.r, -EREMOTEIO);
	CHECK_EQ(rig.last.code, TTRPC_UNKNOWN);
	CHECK_STR(rig.last.err.text, "refused without a reason");
	begin(&rig);
	send_status(&rig, 5, -5, "minus");
	CHECK_EQ(rig.last.code, TTRPC_UNKNOWN);
	rig_close(&rig);
}

TEST(very_long_words_are_cut)
{
	struct rig rig;
	auto_free char *words = malloc(100001);

	memset(words, 'w', 100000);
	words[100000] = '\0';
	rig_open(&rig);
	begin(&rig);
	send_status(&rig, 1, TTRPC_INTERNAL, words);
	CHECK_EQ(rig.last.r, -EIO);
	CHECK_EQ(strlen(rig.last.err.text), ERR_TEXT_MAX - 1);
	rig_close(&rig);
}

TEST(an_answer_nobody_waits_for_is_thrown_away)
{
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	serve(&rig, 3);
	serve(&rig, 2);
	serve(&rig, 0);
	serve(&rig, UINT32_MAX);
	send_frame(&rig, 99, 3, "data", 4);
	serve(&rig, 1);
	serve(&rig, 1);
	settle(rig.loop);
	CHECK_EQ(rig.done, 1);
	CHECK(!ttrpc_client_closed(rig.client));
	rig_close(&rig);
}

TEST(an_answer_that_is_none_fails_its_call_alone)
{
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	send_frame(&rig, 1, 2, "\xff\xff", 2);
	settle(rig.loop);
	CHECK_EQ(rig.last.r, -EPROTO);
	begin(&rig);
	send_frame(&rig, 3, 2, "\x12\x02\x0a\x09", 4); /* a payload of another kind */
	settle(rig.loop);
	CHECK_EQ(rig.last.r, -EPROTO);
	CHECK_STR(rig.last.err.text, "Check: the answer is no grpc.HealthCheckResponse");
	begin(&rig);
	send_frame(&rig, 5, 3, "data", 4);
	settle(rig.loop);
	CHECK_EQ(rig.last.r, -EPROTO);
	begin(&rig);
	serve(&rig, 7);
	settle(rig.loop);
	CHECK_EQ(rig.last.r, 0);
	CHECK_EQ(rig.done, 4);
	rig_close(&rig);
}

TEST(an_answer_above_the_limit_fails_its_call_and_is_skipped)
{
	struct rig rig;
	uint8_t header[10];
	auto_free char *junk = calloc(1, 1 << 20);

	rig_open(&rig);
	begin(&rig);
	begin(&rig);
	put_header(header, TTRPC_MESSAGE_MAX + 1, 1, 2, 0);
	CHECK_EQ(fd_write_all(rig.peer, header, 10), 0);
	settle(rig.loop);
	CHECK_EQ(rig.done, 1);
	CHECK_EQ(rig.last.r, -EMSGSIZE);
	CHECK_EQ(fd_set_nonblock(rig.peer, true), 0);
	for (size_t left = TTRPC_MESSAGE_MAX + 1; left > 0;) {
		ssize_t n = write(rig.peer, junk, left < 1 << 20 ? left : 1 << 20);

		settle(rig.loop);
		left -= n > 0 ? (size_t) n : 0;
	}
	serve(&rig, 3);
	settle(rig.loop);
	CHECK_EQ(rig.done, 2);
	CHECK_EQ(rig.last.r, 0);
	rig_close(&rig);
}

TEST(garbage_breaks_the_line)
{
	struct rig rig;

	rig_open(&rig);
	ttrpc_client_on_closed(rig.client, note_closed, &rig);
	begin(&rig);
	CHECK_EQ(fd_write_all(rig.peer, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 0);
	settle(rig.loop);
	CHECK_EQ(rig.done, 1);
	CHECK_EQ(rig.closed, 1);
	CHECK_EQ(rig.last.r, -ECONNRESET);
	CHECK_STR(rig.last.err.text, "Check: the other side sent a frame of type 32");
	CHECK(ttrpc_client_closed(rig.client));

	struct err e = {0};

	CHECK_EQ(ttrpc_call(rig.client, &check, note, &rig, NULL, &e), -ECONNRESET);
	CHECK_STR(e.text, "Check: the connection is closed");
	rig_close(&rig);
	CHECK_EQ(rig.done, 1);
}

TEST(a_broken_line_is_told_and_fails_all_calls)
{
	struct rig rig;

	rig_open(&rig);
	ttrpc_client_on_closed(rig.client, note_closed, &rig);
	for (int i = 0; i < 1000; i++)
		begin(&rig);
	rig.call_in_done = true;
	serve(&rig, 5);
	rig.peer = fd_close(rig.peer);
	settle(rig.loop);
	CHECK_EQ(rig.done, 1001);
	CHECK_EQ(rig.closed, 1);
	CHECK_EQ(rig.last.r, -ECONNRESET);
	CHECK_STR(rig.last.err.text, "Check: the other side hung up");
	rig_close(&rig);
}

TEST(what_the_server_said_before_it_went_is_not_lost_to_a_failed_write)
{
	struct rig rig;

	rig_open(&rig);
	begin(&rig);
	serve(&rig, 1);
	rig.peer = fd_close(rig.peer);
	begin(&rig); /* this write fails, the answer above is still unread */
	CHECK_EQ(rig.done, 0);
	CHECK_EQ(loop_step(rig.loop, clock_deadline(1000), NULL), 1);
	settle(rig.loop);
	CHECK_EQ(rig.done, 2);
	CHECK_EQ(rig.status, 1);
	CHECK_EQ(rig.last.r, -ECONNRESET);
	rig_close(&rig);
}

TEST(a_deadline_is_kept_without_the_servers_help)
{
	struct rig rig;
	struct ttrpc_request request = check;

	rig_open(&rig);
	request.deadline = clock_deadline(5);
	CHECK_EQ(ttrpc_call(rig.client, &request, note, &rig, NULL, NULL), 0);
	while (rig.done == 0)
		CHECK_EQ(loop_step(rig.loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(rig.last.r, -ETIMEDOUT);
	CHECK_STR(rig.last.err.text, "Check: no answer in time");
	serve(&rig, 1); /* late */
	begin(&rig);
	serve(&rig, 3);
	settle(rig.loop);
	CHECK_EQ(rig.done, 2);
	CHECK_EQ(rig.last.r, 0);
	request.deadline = clock_now();
	CHECK_EQ(ttrpc_call(rig.client, &request, note, &rig, NULL, NULL), -ETIMEDOUT);
	rig_close(&rig);
}

TEST(a_cancelled_call_is_forgotten)
{
	struct rig rig;
	struct ttrpc_pending *pending = NULL;

	rig_open(&rig);
	CHECK_EQ(ttrpc_call(rig.client, &check, note, &rig, &pending, NULL), 0);
	ttrpc_cancel(pending);
	serve(&rig, 1);
	settle(rig.loop);
	rig_close(&rig);
	CHECK_EQ(rig.done, 0);
}

TEST(the_client_may_be_freed_by_whoever_is_answered)
{
	struct rig rig;

	rig_open(&rig);
	for (int i = 0; i < 10; i++)
		begin(&rig);
	rig.free_in_done = true;
	serve(&rig, 7);
	serve(&rig, 9);
	settle(rig.loop);
	CHECK(!rig.client);
	CHECK_EQ(rig.done, 10); /* the others were cancelled */
	rig_close(&rig);
}

TEST(the_client_may_be_freed_while_the_line_breaks)
{
	struct rig rig;

	rig_open(&rig);
	ttrpc_client_on_closed(rig.client, note_closed, &rig);
	for (int i = 0; i < 10; i++)
		begin(&rig);
	rig.free_in_done = true;
	rig.peer = fd_close(rig.peer);
	settle(rig.loop);
	CHECK_EQ(rig.done, 10);
	CHECK_EQ(rig.closed, 1);
	rig_close(&rig);
}

static void free_on_closed(void *arg, const struct err *e)
{
	struct rig *rig = arg;

	(void) e;
	ttrpc_client_free(rig->client);
	rig->client = NULL;
	rig->closed++;
}

TEST(the_client_may_be_freed_when_told_of_the_break)
{
	struct rig rig;

	rig_open(&rig);
	ttrpc_client_on_closed(rig.client, free_on_closed, &rig);
	for (int i = 0; i < 3; i++)
		begin(&rig);
	rig.peer = fd_close(rig.peer);
	settle(rig.loop);
	CHECK_EQ(rig.closed, 1);
	CHECK_EQ(rig.done, 3);
	CHECK_EQ(rig.last.r, -ECANCELED);
	rig_close(&rig);
}

TEST(calls_to_a_server_that_does_not_read_fail_before_memory_does)
{
	struct rig rig;
	Grpc__CheckRequest message = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_request request = check;
	int begun = 0, r;

	rig_open(&rig);
	message.service = malloc(1 << 20);
	memset(message.service, 's', (1 << 20) - 1);
	message.service[(1 << 20) - 1] = '\0';
	request.message = &message.base;
	while ((r = ttrpc_call(rig.client, &request, note, &rig, NULL, NULL)) == 0)
		begun++;
	CHECK_EQ(r, -ENOBUFS);
	CHECK(begun > 16 && begun < 64);
	settle(rig.loop);
	CHECK_EQ(rig.done, 0);
	free(message.service);
	rig_close(&rig);
	CHECK_EQ(rig.done, begun);
}

TEST(a_request_above_the_limit_is_not_sent)
{
	struct rig rig;
	Grpc__CheckRequest message = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_request request = check;
	struct err e = {0};

	rig_open(&rig);
	message.service = malloc((4 << 20) + 1);
	memset(message.service, 's', 4 << 20);
	message.service[4 << 20] = '\0';
	request.message = &message.base;
	CHECK_EQ(ttrpc_call(rig.client, &request, note, &rig, NULL, &e), -EMSGSIZE);
	CHECK_STR(e.text, "Check: the request has 4194334 bytes, more than 4194304");
	begin(&rig);
	serve(&rig, expect_request(&rig, NULL));
	settle(rig.loop);
	CHECK_EQ(rig.last.r, 0);
	free(message.service);
	rig_close(&rig);
}

TEST(descriptors_need_a_unix_socket)
{
	struct rig rig;
	struct ttrpc_client *client = NULL;
	struct ttrpc_request request = check;
	int fds[] = {0, 1, 2, 2}, master, r;

	rig_open(&rig);
	request.fds = fds;
	request.n_fds = 4;
	CHECK_EQ(ttrpc_call(rig.client, &request, note, &rig, NULL, NULL), -EINVAL);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(master >= 0);
	CHECK_EQ(ttrpc_client_new(rig.loop, master, &client, NULL), 0);
	request.n_fds = 1;
	r = ttrpc_call(client, &request, note, &rig, NULL, NULL);
	CHECK_EQ(r, -EINVAL);
	ttrpc_client_free(client);
	rig_close(&rig);
}
