#include "tests/unit/ttrpc/ttrpc_peer.h"

#include <sys/resource.h>
#include <sys/un.h>

#include "base/array.h"

#define AGENT  "grpc.AgentService"
#define HEALTH "grpc.Health"

static void ask_check(int fd, uint32_t stream)
{
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;

	check.service = (char *) "agent";
	peer_ask(fd, HEALTH, "Check", &check.base, stream);
}

static void ask_read(int fd, uint32_t stream, uint32_t len)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;

	read.len = len;
	peer_ask(fd, AGENT, "ReadStdout", &read.base, stream);
}

/* The server is alive and in step. */
static void expect_alive(struct bench *b, uint32_t stream)
{
	ask_check(b->peer, stream);
	CHECK_EQ(peer_answer(b->loop, b->peer, stream, NULL, NULL), 0);
}

TEST(a_request_is_answered_on_its_stream)
{
	struct bench b;
	size_t payload;

	bench_open(&b);
	ask_check(b.peer, 7);
	CHECK_EQ(peer_answer(b.loop, b.peer, 7, NULL, &payload), 0);
	CHECK_EQ(payload, 2);
	CHECK_STR(b.seen, "agent -");
	bench_close(&b);
}

TEST(a_request_may_come_byte_by_byte)
{
	struct bench b;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	size_t bytes;

	bench_open(&b);

	auto_free uint8_t *frame = peer_request(HEALTH, "Check", &check.base, 1, 0, &bytes);

	for (size_t i = 0; i < bytes; i++) {
		CHECK_STR(b.seen, "");
		CHECK_EQ(write(b.peer, frame + i, 1), 1);
		settle(b.loop);
	}
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), 0);
	bench_close(&b);
}

TEST(many_requests_may_come_in_one_write)
{
	struct bench b;
	struct buf all;

	bench_open(&b);
	buf_init(&all, 1 << 20);
	for (uint32_t i = 0; i < 300; i++) {
		Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
		size_t bytes;
		auto_free uint8_t *frame =
			peer_request(HEALTH, "Check", &check.base, 2 * i + 1, 0, &bytes);

		CHECK_EQ(buf_append(&all, frame, bytes), 0);
	}
	CHECK_EQ(fd_write_all(b.peer, buf_data(&all), buf_len(&all)), 0);
	for (uint32_t i = 0; i < 300; i++)
		CHECK_EQ(peer_answer(b.loop, b.peer, 2 * i + 1, NULL, NULL), 0);
	buf_fini(&all);
	bench_close(&b);
}

TEST(a_failure_carries_code_and_words_and_is_utf8)
{
	struct bench b;
	auto_free char *message = NULL;

	bench_open(&b);
	peer_ask(b.peer, AGENT, "StartContainer", NULL, 1);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, &message, NULL), TTRPC_NOT_FOUND);
	CHECK_STR(message, "find container 'c? 1': No such file or directory");
	bench_close(&b);
}

TEST(an_unknown_service_or_method_is_unimplemented)
{
	struct bench b;

	bench_open(&b);
	peer_ask(b.peer, "grpc.Nothing", "Check", NULL, 1);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_UNIMPLEMENTED);
	peer_ask(b.peer, HEALTH, "Chec", NULL, 3);
	CHECK_EQ(peer_answer(b.loop, b.peer, 3, NULL, NULL), TTRPC_UNIMPLEMENTED);
	peer_ask(b.peer, AGENT, "ResizeVolume", NULL, 5); /* known to the .proto, not answered */
	CHECK_EQ(peer_answer(b.loop, b.peer, 5, NULL, NULL), TTRPC_UNIMPLEMENTED);
	peer_ask(b.peer, "", "", NULL, 7);
	CHECK_EQ(peer_answer(b.loop, b.peer, 7, NULL, NULL), TTRPC_UNIMPLEMENTED);
	expect_alive(&b, 9);
	bench_close(&b);
}

TEST(what_is_wrong_with_a_request_is_said_and_the_line_goes_on)
{
	struct bench b;
	uint8_t header[10];
	size_t bytes;

	bench_open(&b);
	ask_check(b.peer, 2);
	CHECK_EQ(peer_answer(b.loop, b.peer, 2, NULL, NULL), TTRPC_INVALID_ARGUMENT);
	ask_check(b.peer, 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 0, NULL, NULL), TTRPC_INVALID_ARGUMENT);

	put_header(header, 3, 5, 1, 0);
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	CHECK_EQ(fd_write_all(b.peer, "\xff\xff\xff", 3), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 5, NULL, NULL), TTRPC_INVALID_ARGUMENT);

	/* A good envelope around a payload that is no CheckRequest. */
	Ttrpc__Request r = TTRPC__REQUEST__INIT;

	r.service = (char *) HEALTH;
	r.method = (char *) "Check";
	r.payload = (ProtobufCBinaryData){.len = 2, .data = (uint8_t *) "\x0a\x09"};

	auto_free uint8_t *frame = peer_frame(&r.base, 7, 1, 0, &bytes);

	CHECK_EQ(fd_write_all(b.peer, frame, bytes), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 7, NULL, NULL), TTRPC_INVALID_ARGUMENT);
	expect_alive(&b, 9);
	bench_close(&b);
}

TEST(streams_are_refused_data_and_unknown_types_are_passed_over)
{
	struct bench b;
	uint8_t header[10];

	bench_open(&b);
	put_header(header, 0, 1, 1, 2); /* a request that opens a stream */
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_UNIMPLEMENTED);
	put_header(header, 4, 1, 3, 1); /* its data, with the end */
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	CHECK_EQ(fd_write_all(b.peer, "data", 4), 0);
	put_header(header, 0, 1, 2, 0); /* an answer that nobody waits for */
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	put_header(header, 0, 1, 200, 255);
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	expect_alive(&b, 3);
	bench_close(&b);
}

TEST(a_request_above_the_limit_is_refused_and_thrown_away)
{
	struct bench b;
	uint8_t header[10];
	auto_free char *junk = calloc(1, 1 << 20);

	bench_open(&b);
	put_header(header, (5 << 20) + 1, 1, 1, 0);
	CHECK_EQ(fd_write_all(b.peer, header, 10), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_RESOURCE_EXHAUSTED);
	CHECK_EQ(fd_set_nonblock(b.peer, true), 0);
	for (size_t left = (5 << 20) + 1; left > 0;) {
		ssize_t n = write(b.peer, junk, left < 1 << 20 ? left : 1 << 20);

		settle(b.loop);
		left -= n > 0 ? (size_t) n : 0;
	}
	expect_alive(&b, 3);
	bench_close(&b);
}

TEST(a_request_of_the_limit_is_served_and_an_answer_above_it_refused)
{
	struct bench b;
	Grpc__SetIPTablesRequest set = GRPC__SET_IPTABLES_REQUEST__INIT;
	auto_free uint8_t *data = calloc(1, TTRPC_MESSAGE_MAX);
	size_t bytes, payload;

	bench_open(&b);
	set.data = (ProtobufCBinaryData){.len = 1 << 20, .data = data};
	for (uint32_t stream = 1; stream < 20; stream += 2) {
		bool above = stream % 4 == 3;

		set.data.len = above ? TTRPC_MESSAGE_MAX - 64 : 1 << 20;

		auto_free uint8_t *frame =
			peer_request(AGENT, "SetIPTables", &set.base, stream, 0, &bytes);

		CHECK(bytes <= TTRPC_MESSAGE_MAX + 10);
		CHECK_EQ(fd_set_nonblock(b.peer, true), 0);
		for (size_t at = 0; at < bytes;) {
			ssize_t n = write(b.peer, frame + at, bytes - at);

			settle(b.loop);
			at += n > 0 ? (size_t) n : 0;
		}
		CHECK_EQ(fd_set_nonblock(b.peer, false), 0);
		CHECK_EQ(peer_answer(b.loop, b.peer, stream, NULL, &payload),
			 above ? TTRPC_RESOURCE_EXHAUSTED : 0);
		CHECK_EQ(payload, above ? 0 : (2 << 20) + 5);
	}
	bench_close(&b);
}

TEST(a_message_that_grows_too_much_when_unpacked_is_refused)
{
	struct bench b;
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	auto_free uint8_t *payload = malloc(2 << 20);
	size_t bytes;

	bench_open(&b);
	for (size_t i = 0; i < 2 << 20; i += 2) /* field 4, a Device without anything: 2 bytes */
		memcpy(payload + i, "\x22", 2);
	r.service = (char *) AGENT;
	r.method = (char *) "PauseContainer"; /* knows no field 4: 1 M unknown fields */
	r.payload = (ProtobufCBinaryData){.len = 2 << 20, .data = payload};

	auto_free uint8_t *frame = peer_frame(&r.base, 1, 1, 0, &bytes);

	CHECK_EQ(fd_set_nonblock(b.peer, true), 0);
	for (size_t at = 0; at < bytes;) {
		ssize_t n = write(b.peer, frame + at, bytes - at);

		settle(b.loop);
		at += n > 0 ? (size_t) n : 0;
	}
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_RESOURCE_EXHAUSTED);
	expect_alive(&b, 3);
	bench_close(&b);
}

TEST(a_parked_call_is_answered_later_and_out_of_order)
{
	struct bench b;
	Grpc__WaitProcessResponse r = GRPC__WAIT_PROCESS_RESPONSE__INIT;

	bench_open(&b);
	peer_ask(b.peer, AGENT, "WaitProcess", NULL, 1);
	peer_ask(b.peer, AGENT, "WaitProcess", NULL, 3);
	expect_alive(&b, 5);
	CHECK_EQ(b.n_parked, 2);
	CHECK_STR(ttrpc_call_method(b.parked[0]), "WaitProcess");
	CHECK(ttrpc_call_deadline(b.parked[0]) == CLOCK_NEVER);
	ttrpc_reply(b.parked[1], &r.base);
	CHECK_EQ(peer_answer(b.loop, b.peer, 3, NULL, NULL), 0);
	ttrpc_drop(b.parked[0]);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_CANCELLED);
	CHECK_EQ(b.gone, 0);
	b.n_parked = 0;
	bench_close(&b);
}

TEST(a_stream_in_use_cannot_be_used_again_until_it_is_answered)
{
	struct bench b;

	bench_open(&b);
	peer_ask(b.peer, AGENT, "WaitProcess", NULL, 1);
	ask_check(b.peer, 1);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_INVALID_ARGUMENT);
	ttrpc_reply(b.parked[0], NULL);
	b.n_parked = 0;
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), 0);
	expect_alive(&b, 1);
	bench_close(&b);
}

TEST(a_peer_that_hangs_up_makes_its_parked_calls_gone)
{
	struct bench b;

	bench_open(&b);
	CHECK_EQ(b.connections, 1);
	for (uint32_t i = 0; i < 10; i++)
		peer_ask(b.peer, AGENT, "WaitProcess", NULL, 2 * i + 1);
	settle(b.loop);
	CHECK_EQ(b.n_parked, 10);
	CHECK_EQ(b.gone, 0);
	b.peer = fd_close(b.peer);
	settle(b.loop);
	CHECK_EQ(b.gone, 10);
	CHECK_EQ(b.connections, 0);
	CHECK(ttrpc_call_gone(b.parked[3]));
	/* Each way to end it is harmless. */
	ttrpc_reply(b.parked[0], NULL);
	ttrpc_fail(b.parked[1], TTRPC_INTERNAL, "too late");
	ttrpc_fail_err(b.parked[2], &(struct err){.code = EIO});
	for (size_t i = 3; i < b.n_parked; i++)
		ttrpc_drop(b.parked[i]);
	b.n_parked = 0;
	bench_close(&b);
}

static void drop_all(void *arg)
{
	struct bench *b = arg;

	for (size_t i = 0; i < b->n_parked; i++)
		ttrpc_drop(b->parked[i]);
	b->n_parked = 0;
}

TEST(whoever_is_told_of_one_gone_call_may_end_the_others)
{
	struct bench b;

	bench_open(&b);
	for (uint32_t i = 0; i < 10; i++)
		peer_ask(b.peer, AGENT, "WaitProcess", NULL, 2 * i + 1);
	settle(b.loop);
	ttrpc_call_on_gone(b.parked[4], drop_all, &b);
	b.peer = fd_close(b.peer);
	settle(b.loop);
	CHECK_EQ(b.gone, 4);
	CHECK_EQ(b.n_parked, 0);
	bench_close(&b);
}

TEST(freeing_the_server_makes_calls_gone_but_leaves_them_valid)
{
	struct bench b;

	bench_open(&b);
	peer_ask(b.peer, AGENT, "WaitProcess", NULL, 1);
	settle(b.loop);
	ttrpc_server_free(b.server);
	b.server = NULL;
	CHECK_EQ(b.gone, 1);
	CHECK_EQ(b.n_parked, 1);
	bench_close(&b);
}

TEST(a_deadline_that_passes_is_answered_for_the_handler)
{
	struct bench b;
	size_t bytes;

	bench_open(&b);

	auto_free uint8_t *frame =
		peer_request(AGENT, "WaitProcess", NULL, 1, 5 * 1000 * 1000, &bytes);

	CHECK_EQ(fd_write_all(b.peer, frame, bytes), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_DEADLINE_EXCEEDED);
	CHECK_EQ(b.gone, 1);
	CHECK(ttrpc_call_gone(b.parked[0]));
	ttrpc_reply(b.parked[0], NULL); /* sends nothing */
	b.n_parked = 0;
	expect_alive(&b, 3);
	bench_close(&b);
}

TEST(a_negative_timeout_is_none_and_a_huge_one_is_far_away)
{
	struct bench b;
	size_t bytes;

	bench_open(&b);

	auto_free uint8_t *negative = peer_request(AGENT, "WaitProcess", NULL, 1, -1, &bytes);

	CHECK_EQ(fd_write_all(b.peer, negative, bytes), 0);

	auto_free uint8_t *huge = peer_request(AGENT, "WaitProcess", NULL, 3, INT64_MAX, &bytes);

	CHECK_EQ(fd_write_all(b.peer, huge, bytes), 0);
	expect_alive(&b, 5);
	CHECK_EQ(b.gone, 0);
	CHECK(ttrpc_call_deadline(b.parked[0]) == CLOCK_NEVER);
	CHECK(ttrpc_call_deadline(b.parked[1]) > clock_now() + 1000000);
	bench_close(&b);
}

TEST(a_bytes_answer_is_what_protobuf_makes_of_it)
{
	static const uint32_t sizes[] = {0, 1, 111, 112, 113, 127, 128, 16383, 16384, 65536};
	struct bench b;

	bench_open(&b);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct peer_frame f;

		ask_read(b.peer, 1, sizes[i]);
		CHECK(peer_read_frame(b.loop, b.peer, &f));

		Ttrpc__Response *r = ttrpc__response__unpack(NULL, f.bytes, f.body);

		CHECK(r);
		CHECK(!r->status);

		Grpc__ReadStreamResponse *data =
			grpc__read_stream_response__unpack(NULL, r->payload.len, r->payload.data);

		CHECK(data);
		CHECK_EQ(data->data.len, sizes[i]);
		CHECK(sizes[i] == 0 || data->data.data[sizes[i] - 1] == 'r');
		CHECK_EQ(grpc__read_stream_response__get_packed_size(data), r->payload.len);
		grpc__read_stream_response__free_unpacked(data, NULL);
		ttrpc__response__free_unpacked(r, NULL);
		free(f.body);
	}
	bench_close(&b);
}

TEST(a_room_above_the_limit_is_not_given)
{
	struct bench b;
	size_t payload;

	bench_open(&b);
	ask_read(b.peer, 1, TTRPC_ROOM_MAX);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, &payload), 0);
	CHECK_EQ(payload, TTRPC_ROOM_MAX + 5);
	ask_read(b.peer, 3, TTRPC_ROOM_MAX + 1);
	CHECK_EQ(peer_answer(b.loop, b.peer, 3, NULL, NULL), TTRPC_RESOURCE_EXHAUSTED);
	bench_close(&b);
}

TEST(a_peer_that_does_not_read_is_not_read_from)
{
	struct bench b;
	struct buf all;

	bench_open(&b);
	buf_init(&all, 8 << 20);
	for (uint32_t i = 0; i < 1000; i++) {
		Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
		size_t bytes;

		read.len = 64 << 10;

		auto_free uint8_t *frame =
			peer_request(AGENT, "ReadStdout", &read.base, 2 * i + 1, 0, &bytes);

		CHECK_EQ(buf_append(&all, frame, bytes), 0);
	}
	CHECK_EQ(fd_write_all(b.peer, buf_data(&all), buf_len(&all)), 0);
	settle(b.loop);

	/* It has stopped at the first megabyte of answers, 16 of them, and what the socket took. */
	CHECK(b.reads < 100);
	for (uint32_t i = 0; i < 1000; i++)
		CHECK_EQ(peer_answer(b.loop, b.peer, 2 * i + 1, NULL, NULL), 0);
	buf_fini(&all);
	bench_close(&b);
}

TEST(a_peer_that_never_reads_is_given_up)
{
	struct bench b;

	bench_open(&b);
	for (uint32_t i = 0; i < 20; i++)
		peer_ask(b.peer, AGENT, "WaitProcess", NULL, 2 * i + 1);
	settle(b.loop);
	CHECK_EQ(b.n_parked, 20);

	Grpc__WaitProcessResponse r = GRPC__WAIT_PROCESS_RESPONSE__INIT;
	ProtobufCMessageUnknownField big = {
		.tag = 9,
		.wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
		.len = (4 << 20) - 100,
	};

	big.data = calloc(1, big.len);
	memcpy(big.data, "\x98\xff\xff\x01", 4);
	r.base.n_unknown_fields = 1;
	r.base.unknown_fields = &big;
	for (size_t i = 0; i < 20; i++)
		ttrpc_reply(b.parked[i], &r.base);
	free(big.data);
	b.n_parked = 0;
	settle(b.loop);
	CHECK_EQ(b.connections, 0);
	bench_close(&b);
}

TEST(too_many_calls_in_flight_are_refused)
{
	struct bench b;

	bench_open(&b);
	for (uint32_t i = 0; i < TTRPC_CALLS_MAX; i++) {
		peer_ask(b.peer, AGENT, "WaitProcess", NULL, 2 * i + 1);
		settle(b.loop);
	}
	CHECK_EQ(b.n_parked, TTRPC_CALLS_MAX);
	ask_check(b.peer, 9999);
	CHECK_EQ(peer_answer(b.loop, b.peer, 9999, NULL, NULL), TTRPC_RESOURCE_EXHAUSTED);
	ttrpc_drop(b.parked[--b.n_parked]);
	CHECK_EQ(peer_answer(b.loop, b.peer, 2 * TTRPC_CALLS_MAX - 1, NULL, NULL), TTRPC_CANCELLED);
	expect_alive(&b, 9999);
	bench_close(&b);
}

TEST(metadata_reaches_the_handler_and_too_much_is_refused)
{
	struct bench b;
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT;
	Ttrpc__KeyValue *pairs[TTRPC_METADATA_PAIRS_MAX + 1];
	size_t bytes;

	bench_open(&b);
	pair.key = (char *) "greeting";
	pair.value = (char *) "hello";
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
		pairs[i] = &pair;
	r.service = (char *) HEALTH;
	r.method = (char *) "Check";
	r.metadata = pairs;
	r.n_metadata = TTRPC_METADATA_PAIRS_MAX;

	auto_free uint8_t *some = peer_frame(&r.base, 1, 1, 0, &bytes);

	CHECK_EQ(fd_write_all(b.peer, some, bytes), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), 0);
	CHECK_STR(b.seen, " hello");
	r.n_metadata++;

	auto_free uint8_t *many = peer_frame(&r.base, 3, 1, 0, &bytes);

	CHECK_EQ(fd_write_all(b.peer, many, bytes), 0);
	CHECK_EQ(peer_answer(b.loop, b.peer, 3, NULL, NULL), TTRPC_RESOURCE_EXHAUSTED);
	expect_alive(&b, 5);
	bench_close(&b);
}

TEST(descriptors_are_not_accepted_unless_allowed)
{
	struct bench b;
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = {&pair};
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t bytes;

	bench_open(&b);
	pair.key = (char *) "kata-fds";
	pair.value = (char *) "1";
	r.service = (char *) AGENT;
	r.method = (char *) "ExecProcess";
	r.metadata = pairs;
	r.n_metadata = 1;

	auto_free uint8_t *frame = peer_frame(&r.base, 1, 1, 0, &bytes);
	int before = test_open_fds();

	CHECK_EQ(fd_send(b.peer, frame, bytes, &null, 1), (ssize_t) bytes);
	CHECK_EQ(peer_answer(b.loop, b.peer, 1, NULL, NULL), TTRPC_INVALID_ARGUMENT);
	CHECK_EQ(test_open_fds(), before);
	expect_alive(&b, 3);
	bench_close(&b);
}

TEST(a_request_that_claims_descriptors_it_did_not_send_is_refused)
{
	static const char *const counts[] = {"1", "4", "-1", "", "x", "99999999999999999999"};
	struct bench b;
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = {&pair};
	int sv[2];

	bench_open(&b);
	ttrpc_server_allow_fds(b.server);
	socket_pair(sv);
	CHECK_EQ(ttrpc_server_serve(b.server, sv[1], NULL), 0);
	pair.key = (char *) "kata-fds";
	r.service = (char *) AGENT;
	r.method = (char *) "ExecProcess";
	r.metadata = pairs;
	r.n_metadata = 1;
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		size_t bytes;

		pair.value = (char *) counts[i];

		auto_free uint8_t *frame = peer_frame(&r.base, 1, 1, 0, &bytes);

		CHECK_EQ(fd_write_all(sv[0], frame, bytes), 0);
		CHECK_EQ(peer_answer(b.loop, sv[0], 1, NULL, NULL), TTRPC_INVALID_ARGUMENT);
	}
	fd_close(sv[0]);
	bench_close(&b);
}

TEST(descriptors_nobody_claims_do_not_pile_up)
{
	struct bench b;
	int sv[2], before;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[FD_PASS_MAX / 2 + 1]; /* twice as many are too many */

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = null;

	bench_open(&b);
	ttrpc_server_allow_fds(b.server);
	socket_pair(sv);
	CHECK_EQ(ttrpc_server_serve(b.server, sv[1], NULL), 0);
	before = test_open_fds();
	CHECK_EQ(fd_send(sv[0], "\0", 1, fds, ARRAY_LEN(fds)), 1);
	settle(b.loop);
	CHECK_EQ(test_open_fds(), before + (int) ARRAY_LEN(fds));
	CHECK_EQ(fd_send(sv[0], "\0", 1, fds, ARRAY_LEN(fds)), 1);
	settle(b.loop);
	CHECK_EQ(b.connections, 1);
	CHECK_EQ(test_open_fds(), before - 1);
	fd_close(sv[0]);
	bench_close(&b);
}

static int listen_at(struct sockaddr_un *ret)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void) snprintf(ret->sun_path + 1, sizeof ret->sun_path - 1, "test-ttrpc-%d", getpid());
	CHECK_EQ(bind(fd, (struct sockaddr *) ret, sizeof *ret), 0);
	CHECK_EQ(listen(fd, 64), 0);
	return fd;
}

static int connect_to(const struct sockaddr_un *to)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(fd, (const struct sockaddr *) to, sizeof *to), 0);
	return fd;
}

TEST(a_listening_server_serves_many_connections)
{
	struct bench b;
	struct sockaddr_un at;

	bench_open(&b);
	CHECK_EQ(ttrpc_server_listen(b.server, listen_at(&at), NULL), 0);

	int one = connect_to(&at), two = connect_to(&at);

	ask_check(one, 1);
	ask_check(two, 1);
	CHECK_EQ(peer_answer(b.loop, two, 1, NULL, NULL), 0);
	CHECK_EQ(peer_answer(b.loop, one, 1, NULL, NULL), 0);
	CHECK_EQ(b.connections, 3);
	fd_close(one);
	settle(b.loop);
	CHECK_EQ(b.connections, 2);
	ttrpc_server_stop_listening(b.server);
	ask_check(two, 3);
	CHECK_EQ(peer_answer(b.loop, two, 3, NULL, NULL), 0);

	auto_close int three = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(connect(three, (struct sockaddr *) &at, sizeof at), -1);
	fd_close(two);
	bench_close(&b);
}

TEST(connections_above_the_limit_wait_their_turn)
{
	struct bench b;
	struct sockaddr_un at;
	int fds[TTRPC_CONNECTIONS_MAX + 1];

	bench_open(&b);
	CHECK_EQ(ttrpc_server_listen(b.server, listen_at(&at), NULL), 0);
	for (size_t i = 0; i < TTRPC_CONNECTIONS_MAX - 1; i++) {
		fds[i] = connect_to(&at);
		settle(b.loop);
	}
	CHECK_EQ(b.connections, TTRPC_CONNECTIONS_MAX);
	fds[TTRPC_CONNECTIONS_MAX - 1] = connect_to(&at);
	ask_check(fds[TTRPC_CONNECTIONS_MAX - 1], 1);
	settle(b.loop);
	CHECK_EQ(b.connections, TTRPC_CONNECTIONS_MAX);
	fd_close(fds[0]);
	CHECK_EQ(peer_answer(b.loop, fds[TTRPC_CONNECTIONS_MAX - 1], 1, NULL, NULL), 0);
	for (size_t i = 1; i < TTRPC_CONNECTIONS_MAX; i++)
		fd_close(fds[i]);
	bench_close(&b);
}

TEST(without_a_descriptor_left_a_connection_waits_and_the_server_does_not_spin)
{
	struct bench b;
	struct sockaddr_un at;
	struct rlimit limit, none;
	int spins = 0;

	bench_open(&b);
	CHECK_EQ(ttrpc_server_listen(b.server, listen_at(&at), NULL), 0);

	auto_close int fd = connect_to(&at);
	auto_close int next = open("/dev/null", O_RDONLY | O_CLOEXEC);

	ask_check(fd, 1);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){.rlim_cur = (rlim_t) next, .rlim_max = limit.rlim_max};
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (msec_t end = clock_deadline(50); clock_now() < end; spins++)
		CHECK(loop_step(b.loop, end, NULL) >= 0);
	CHECK(spins < 10);
	CHECK_EQ(b.connections, 1);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
	CHECK_EQ(peer_answer(b.loop, fd, 1, NULL, NULL), 0);
	bench_close(&b);
}

TEST(a_peer_that_hangs_up_while_it_is_not_read_from_is_noticed)
{
	struct bench b;

	bench_open(&b);
	for (uint32_t i = 0; i < 4; i++)
		ask_read(b.peer, 2 * i + 1, 1 << 20);
	ask_check(b.peer, 9);
	settle(b.loop);
	CHECK_STR(b.seen, ""); /* stopped before the last request */
	b.peer = fd_close(b.peer);
	settle(b.loop);
	CHECK_EQ(b.connections, 0);
	bench_close(&b);
}

TEST(a_socket_that_is_no_stream_is_refused)
{
	struct bench b;
	struct err e = {0};
	int sv[2];

	bench_open(&b);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	CHECK_EQ(ttrpc_server_serve(b.server, sv[0], &e), -EINVAL);
	CHECK_STR(e.text, "a socket for ttRPC must be a stream");
	fd_close(sv[0]);
	fd_close(sv[1]);
	bench_close(&b);
}

TEST(flush_writes_what_waits_or_gives_up_in_time)
{
	struct bench b;

	bench_open(&b);
	ask_read(b.peer, 1, 2 << 20);
	settle(b.loop);
	CHECK_EQ(ttrpc_server_flush(b.server, clock_deadline(20)), -ETIMEDOUT);

	pid_t reader = fork();

	if (reader == 0) {
		auto_free char *data = malloc(1 << 20);

		for (size_t left = 2 << 20; left > 0;) {
			ssize_t n = read(b.peer, data, 1 << 20);

			if (n <= 0)
				_exit(1);
			left -= (size_t) n < left ? (size_t) n : left;
		}
		_exit(0);
	}
	CHECK_EQ(ttrpc_server_flush(b.server, clock_deadline(20000)), 0);

	int status;

	CHECK_EQ(waitpid(reader, &status, 0), reader);
	CHECK_EQ(status, 0);
	bench_close(&b);
}
