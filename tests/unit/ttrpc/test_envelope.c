#include "tests/unit/ttrpc/ttrpc_peer.h"

#include "ttrpc/envelope.h"

/* The hand-written envelope against protobuf-c's reading and writing of the same ttrpc.proto. */

static bool same(struct span s, const void *data, size_t bytes)
{
	return s.bytes == bytes && (bytes == 0 || memcmp(s.data, data, bytes) == 0);
}

/* Both must agree on whether it is a request and on every field. Returns whether it is one. */
static bool agree_on_request(const uint8_t *body, size_t bytes)
{
	struct request_in in;
	bool ours = request_read(body, bytes, &in);
	Ttrpc__Request *theirs = ttrpc__request__unpack(NULL, bytes, body);

	CHECK_EQ(ours, theirs != NULL);
	if (!theirs)
		return false;
	CHECK(same(in.payload, theirs->payload.data, theirs->payload.len));
	CHECK_EQ(in.timeout_ns, theirs->timeout_nano);
	CHECK_EQ(in.n_metadata, theirs->n_metadata);

	/* protobuf-c ends strings at their first NUL. */
	CHECK(in.service.bytes >= strlen(theirs->service));
	CHECK(in.method.bytes >= strlen(theirs->method));
	ttrpc__request__free_unpacked(theirs, NULL);
	return true;
}

static bool agree_on_response(const uint8_t *body, size_t bytes)
{
	struct response_in in;
	bool ours = response_read(body, bytes, &in);
	Ttrpc__Response *theirs = ttrpc__response__unpack(NULL, bytes, body);

	CHECK_EQ(ours, theirs != NULL);
	if (!theirs)
		return false;
	CHECK(same(in.payload, theirs->payload.data, theirs->payload.len));
	CHECK_EQ(in.code, theirs->status ? theirs->status->code : 0);
	CHECK(in.message.bytes >= (theirs->status ? strlen(theirs->status->message) : 0));
	ttrpc__response__free_unpacked(theirs, NULL);
	return true;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

TEST(mutated_requests_are_read_as_protobuf_reads_them)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = {&pair, &pair};
	uint32_t state = 1;
	int good = 0;
	size_t bytes;

	pair.key = (char *) "key";
	pair.value = (char *) "value";
	r.service = (char *) "grpc.AgentService";
	r.method = (char *) "WaitProcess";
	r.payload = (ProtobufCBinaryData){.len = 5,
					  .data = (uint8_t *) "\x0a\x03"
							      "abc"};
	r.timeout_nano = -7;
	r.metadata = pairs;
	r.n_metadata = 2;

	auto_free uint8_t *frame = peer_frame(&r.base, 1, 1, 0, &bytes);
	auto_free uint8_t *mutant = malloc(bytes);

	CHECK(agree_on_request(frame + 10, bytes - 10));
	for (size_t cut = 0; cut < bytes - 10; cut++)
		(void) agree_on_request(frame + 10, cut);
	for (int i = 0; i < 20000; i++) {
		memcpy(mutant, frame, bytes);
		for (uint32_t n = next_random(&state) % 4 + 1; n > 0; n--)
			mutant[10 + next_random(&state) % (bytes - 10)] =
				(uint8_t) next_random(&state);
		good += agree_on_request(mutant + 10, bytes - 10);
	}
	CHECK(good > 1000 && good < 19000);
}

TEST(mutated_responses_are_read_as_protobuf_reads_them)
{
	Ttrpc__Response r = TTRPC__RESPONSE__INIT;
	Ttrpc__Status status = TTRPC__STATUS__INIT;
	uint32_t state = 2;
	int good = 0;
	size_t bytes;

	status.code = 13;
	status.message = (char *) "something happened";
	r.status = &status;
	r.payload = (ProtobufCBinaryData){.len = 5,
					  .data = (uint8_t *) "\x0a\x03"
							      "abc"};

	auto_free uint8_t *frame = peer_frame(&r.base, 1, 2, 0, &bytes);
	auto_free uint8_t *mutant = malloc(bytes);

	CHECK(agree_on_response(frame + 10, bytes - 10));
	for (size_t cut = 0; cut < bytes - 10; cut++)
		(void) agree_on_response(frame + 10, cut);
	for (int i = 0; i < 20000; i++) {
		memcpy(mutant, frame, bytes);
		for (uint32_t n = next_random(&state) % 4 + 1; n > 0; n--)
			mutant[10 + next_random(&state) % (bytes - 10)] =
				(uint8_t) next_random(&state);
		good += agree_on_response(mutant + 10, bytes - 10);
	}
	CHECK(good > 1000 && good < 19000);
}

static void check_written(int64_t timeout_ns, size_t n_metadata, size_t name_bytes)
{
	struct ttrpc_pair pairs[] = {{"key", "value"}, {"", ""}, {"empty", ""}};
	struct ttrpc_pair extra = {FDS_KEY, "2"};
	Grpc__CheckRequest message = GRPC__CHECK_REQUEST__INIT;
	auto_free char *name = calloc(1, name_bytes + 1);
	struct ttrpc_request request = {
		.service = &grpc__health__descriptor,
		.method = "Check",
		.message = &message.base,
		.metadata = pairs,
		.n_metadata = n_metadata,
	};

	memset(name, 'n', name_bytes);
	message.service = name;

	auto_ptr(frame_free) struct frame *f = request_frame(&request, timeout_ns, &extra, 5);
	struct frame_header h = frame_header_read(f->bytes + f->start);
	const uint8_t *body = f->bytes + f->start + FRAME_HEADER_BYTES;

	CHECK_EQ(h.body_bytes, frame_len(f) - FRAME_HEADER_BYTES);
	CHECK_EQ(h.body_bytes, request_bytes(&request, timeout_ns, &extra));
	CHECK_EQ(h.stream, 5);
	CHECK_EQ(h.type, FRAME_REQUEST);

	Ttrpc__Request *r = ttrpc__request__unpack(NULL, h.body_bytes, body);

	CHECK(r);
	CHECK_STR(r->service, "grpc.Health");
	CHECK_STR(r->method, "Check");
	CHECK_EQ(r->timeout_nano, timeout_ns);
	CHECK_EQ(r->n_metadata, n_metadata + 1);
	CHECK_STR(r->metadata[n_metadata]->key, FDS_KEY);
	CHECK_EQ(r->payload.len, protobuf_c_message_get_packed_size(&message.base));
	CHECK_EQ(ttrpc__request__get_packed_size(r), h.body_bytes);
	ttrpc__request__free_unpacked(r, NULL);
}

TEST(what_is_written_is_what_protobuf_would_write)
{
	for (size_t n = 0; n <= 3; n++) {
		check_written(0, n, 0);
		check_written(1, n, 1);
		check_written(INT64_MAX, n, 125);
		check_written(1 << 28, n, 126);
		check_written(1, n, 127);
		check_written(1, n, 128);
		check_written(1, n, 20000);
	}
}

TEST(metadata_with_nuls_in_it_stays_inside_its_copy)
{
	static const uint8_t body[] = {0x2a, 10, 0x0a, 3,    'a', 0,    'b', 0x12, 3,
				       0,    0,  'c',  0x2a, 0,   0x2a, 2,   0x12, 0};
	struct request_in in;
	char copy[16];

	CHECK(request_read(body, sizeof body, &in));
	CHECK_EQ(in.n_metadata, 3);
	CHECK_EQ(in.metadata_bytes, 6);
	request_metadata(body, sizeof body, copy);
	CHECK_EQ(memcmp(copy, "a\0b\0\0\0c\0\0\0\0\0", 12), 0);
}
