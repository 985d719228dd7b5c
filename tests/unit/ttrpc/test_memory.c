#include "tests/unit/ttrpc/ttrpc_peer.h"

#include "host/agent_client/agent_client.h"

/*
 * Out of memory at every allocation in turn: a call may fail or the line may break, but each call
 * is ended, and nothing crashes or leaks. The sanitizers have an allocator of their own.
 */
#if defined(__SANITIZE_ADDRESS__)
#define HAVE_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_OWN_MALLOC 0
#endif
#endif
#ifndef HAVE_OWN_MALLOC
#define HAVE_OWN_MALLOC 1
#endif

#if HAVE_OWN_MALLOC

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void __libc_free(void *p);

static long until_failure = -1; /* allocations that still succeed; negative: all */

static bool fails(void)
{
	if (until_failure < 0)
		return false;
	if (until_failure > 0) {
		until_failure--;
		return false;
	}
	errno = ENOMEM;
	return true;
}

static long live; /* blocks */

static void *count(void *p)
{
	live += p != NULL;
	return p;
}

void *malloc(size_t bytes)
{
	return fails() ? NULL : count(__libc_malloc(bytes));
}

void *calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : count(__libc_calloc(n, bytes));
}

void *realloc(void *p, size_t bytes)
{
	if (fails())
		return NULL;
	return p ? __libc_realloc(p, bytes) : count(__libc_realloc(p, bytes));
}

void free(void *p)
{
	live -= p != NULL;
	__libc_free(p);
}

/* Some allocations succeed, then none: a frame that was refused for lack of memory is followed by a
 * refusal that finds none either. */
#define STEPS 60

static void append_request(struct buf *all, const char *service, const char *method,
			   const ProtobufCMessage *m, uint32_t stream, int64_t timeout_ns)
{
	size_t bytes;
	auto_free uint8_t *frame = peer_request(service, method, m, stream, timeout_ns, &bytes);

	CHECK_EQ(buf_append(all, frame, bytes), 0);
}

static void append_with_metadata(struct buf *all, uint32_t stream)
{
	Ttrpc__Request r = TTRPC__REQUEST__INIT;
	Ttrpc__KeyValue pair = TTRPC__KEY_VALUE__INIT, *pairs[] = {&pair};
	size_t bytes;

	pair.key = (char *) "greeting";
	r.service = (char *) "grpc.Health";
	r.method = (char *) "Check";
	r.metadata = pairs;
	r.n_metadata = 1;

	auto_free uint8_t *frame = peer_frame(&r.base, stream, 1, 0, &bytes);

	CHECK_EQ(buf_append(all, frame, bytes), 0);
}

TEST(a_server_without_memory_refuses_or_hangs_up)
{
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	size_t survived = 0;
	struct buf all;

	read.container_id = (char *) "container";
	read.len = 1000;
	buf_init(&all, 1 << 16);
	append_request(&all, "grpc.AgentService", "ReadStdout", &read.base, 1, 0);
	append_request(&all, "grpc.AgentService", "WaitProcess", NULL, 3, 1000000000);
	append_request(&all, "grpc.AgentService", "StartContainer", NULL, 5, 0);
	append_request(&all, "grpc.Nobody", "Nothing", NULL, 7, 0);
	append_with_metadata(&all, 9);

	for (long n = 0; n < STEPS; n++) {
		struct bench b;
		long before = live;

		bench_open(&b);
		settle(b.loop);
		CHECK_EQ(fd_write_all(b.peer, buf_data(&all), buf_len(&all)), 0);
		until_failure = n;
		settle(b.loop);
		until_failure = -1;
		settle(b.loop);
		survived += b.connections;
		bench_close(&b);
		CHECK_EQ(live, before);
	}
	CHECK(survived > 0 && survived < STEPS);
	buf_fini(&all);
}

static void note(void *arg, struct ttrpc_answer *answer)
{
	size_t *ended = arg;

	CHECK((answer->r == 0) == (answer->response != NULL));
	(*ended)++;
}

TEST(a_client_without_memory_fails_its_calls)
{
	struct ttrpc_request request = {
		.service = &grpc__health__descriptor,
		.method = "Check",
		.deadline = CLOCK_NEVER,
	};
	size_t failed = 0, ended = 0;

	for (long n = 0; n < STEPS; n++) {
		struct bench b;
		long before = live;
		struct agent_client *client = NULL;

		bench_open(&b);
		until_failure = n;

		int r = agent_client_new(b.loop, b.peer, &client, NULL);

		if (r == 0) {
			b.peer = -1;
			request.deadline = n % 2 ? clock_deadline(1000) : CLOCK_NEVER;
			r = ttrpc_call(agent_client_line(client), &request, note, &ended, NULL,
				       NULL);
			CHECK(r == 0 || r == -ENOMEM);
			settle(b.loop);
		} else {
			CHECK_EQ(r, -ENOMEM);
		}
		failed += r < 0;
		until_failure = -1;
		settle(b.loop);
		agent_client_free(client);
		bench_close(&b);
		CHECK_EQ(live, before);
	}
	CHECK(failed > 0);
	CHECK_EQ(failed + ended, STEPS);
}

TEST(agent_call_without_memory_fails)
{
	struct bench b;
	struct agent_client *client = NULL;

	bench_open(&b);
	CHECK_EQ(agent_client_new(b.loop, b.peer, &client, NULL), 0);
	b.peer = -1;
	for (long n = 0; n < 2; n++) {
		until_failure = n;
		CHECK_EQ(agent_call(client, "Check", NULL, CLOCK_NEVER, NULL, NULL), -ENOMEM);
		until_failure = -1;
	}
	agent_client_free(client);
	bench_close(&b);
}
#endif

TEST(memory_can_be_made_to_fail_here)
{
	if (!HAVE_OWN_MALLOC)
		exit(TEST_SKIP);
}
