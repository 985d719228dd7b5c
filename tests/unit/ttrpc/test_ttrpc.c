#include "tests/unit/ttrpc/ttrpc_peer.h"

#include <termios.h>

/* Our client and our server on the two ends of one line. */
struct pair {
	struct bench b;
	struct ttrpc_client *client;
	size_t done;
	size_t bytes;
	struct ttrpc_answer last;
};

static void pair_open_on(struct pair *p, int server_fd, int client_fd)
{
	*p = (struct pair){.b.peer = -1};
	CHECK_EQ(loop_new(&p->b.loop, NULL), 0);
	CHECK_EQ(ttrpc_server_new(p->b.loop, bench_services, 2, &p->b, &p->b.server, NULL), 0);
	ttrpc_server_on_connections(p->b.server, bench_connections, &p->b);
	ttrpc_server_allow_fds(p->b.server);
	CHECK_EQ(ttrpc_server_serve(p->b.server, server_fd, NULL), 0);
	CHECK_EQ(ttrpc_client_new(p->b.loop, client_fd, &p->client, NULL), 0);
}

static void pair_open(struct pair *p)
{
	int sv[2];

	socket_pair(sv);
	pair_open_on(p, sv[0], sv[1]);
}

static void pair_close(struct pair *p)
{
	ttrpc_client_free(p->client);
	bench_close(&p->b);
}

static const struct ttrpc_request wait_process = {
	.service = &grpc__agent_service__descriptor,
	.method = "WaitProcess",
	.deadline = CLOCK_NEVER,
};

static void note(void *arg, struct ttrpc_answer *answer)
{
	struct pair *p = arg;

	p->done++;
	p->last = *answer;
	p->last.response = NULL;
	if (answer->r == 0 &&
	    answer->response->descriptor == &grpc__read_stream_response__descriptor)
		p->bytes += ((Grpc__ReadStreamResponse *) answer->response)->data.len;
}

TEST(a_call_can_simply_be_waited_for)
{
	struct pair p;
	Grpc__CheckRequest message = GRPC__CHECK_REQUEST__INIT;
	struct ttrpc_pair greeting = {"greeting", "hello"};
	struct ttrpc_request request = {
		.service = &grpc__health__descriptor,
		.method = "Check",
		.message = &message.base,
		.deadline = clock_deadline(20000),
		.metadata = &greeting,
		.n_metadata = 1,
	};
	auto_ptr(ttrpc_message_free) ProtobufCMessage *response = NULL;
	struct err e = {0};

	pair_open(&p);
	message.service = (char *) "agent";
	CHECK_EQ(ttrpc_call_wait(p.client, &request, &response, &e), 0);
	CHECK(response->descriptor == &grpc__health_check_response__descriptor);
	CHECK_EQ(((Grpc__HealthCheckResponse *) response)->status, 1);
	CHECK_STR(p.b.seen, "agent hello");
	CHECK_EQ(ttrpc_call_wait(p.client, &request, NULL, NULL), 0);

	request = (struct ttrpc_request){
		.service = &grpc__agent_service__descriptor,
		.method = "StartContainer",
		.deadline = CLOCK_NEVER,
	};
	CHECK_EQ(ttrpc_call_wait(p.client, &request, NULL, &e), -ENOENT);
	CHECK_STR(e.text, "find container 'c? 1': No such file or directory");
	err_clear(&e);
	request = wait_process;
	request.deadline = clock_deadline(10);
	CHECK_EQ(ttrpc_call_wait(p.client, &request, NULL, &e), -ETIMEDOUT);
	pair_close(&p);
}

TEST(a_thousand_calls_in_flight_are_answered_in_any_order)
{
	struct pair p;

	pair_open(&p);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(ttrpc_call(p.client, &wait_process, note, &p, NULL, NULL), 0);
	settle(p.b.loop);
	CHECK_EQ(p.b.n_parked, 1000);
	for (size_t i = 0; i < 1000; i++) /* 7 is prime to 1000: each one once */
		ttrpc_reply(p.b.parked[i * 7 % 1000], NULL);
	p.b.n_parked = 0;
	settle(p.b.loop);
	CHECK_EQ(p.done, 1000);
	CHECK_EQ(p.last.r, 0);
	pair_close(&p);
}

static void ask_read(struct pair *p, uint32_t len)
{
	Grpc__ReadStreamRequest message = GRPC__READ_STREAM_REQUEST__INIT;
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "ReadStdout",
		.message = &message.base,
		.deadline = CLOCK_NEVER,
	};

	message.len = len;
	CHECK_EQ(ttrpc_call(p->client, &request, note, p, NULL, NULL), 0);
}

TEST(answers_larger_than_the_sockets_buffer_arrive_whole)
{
	struct pair p;

	pair_open(&p);
	for (int i = 0; i < 20; i++)
		ask_read(&p, 3 << 20);
	while (p.done < 20)
		CHECK_EQ(loop_step(p.b.loop, clock_deadline(20000), NULL), 1);
	CHECK_EQ(p.bytes, 20 * (3 << 20));
	pair_close(&p);
}

TEST(a_tty_line_carries_it_too)
{
	struct pair p;
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios raw;

	CHECK(master >= 0);
	CHECK_EQ(grantpt(master), 0);
	CHECK_EQ(unlockpt(master), 0);

	int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);

	CHECK(slave >= 0);
	CHECK_EQ(tcgetattr(slave, &raw), 0);
	cfmakeraw(&raw);
	CHECK_EQ(tcsetattr(slave, TCSANOW, &raw), 0);
	pair_open_on(&p, slave, master);
	for (int i = 0; i < 10; i++)
		ask_read(&p, 100000);
	CHECK_EQ(ttrpc_call(p.client, &wait_process, note, &p, NULL, NULL), 0);
	while (p.done < 10)
		CHECK_EQ(loop_step(p.b.loop, clock_deadline(20000), NULL), 1);
	CHECK_EQ(p.bytes, 1000000);
	ttrpc_server_free(p.b.server);
	p.b.server = NULL;
	settle(p.b.loop);
	CHECK_EQ(p.done, 11);
	CHECK_EQ(p.last.r, -ECONNRESET);
	pair_close(&p);
}

TEST(descriptors_travel_with_their_request)
{
	struct pair p;
	auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	auto_close int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	int fds[] = {null, zero, null};
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "ExecProcess",
		.deadline = clock_deadline(20000),
		.fds = fds,
		.n_fds = 3,
	};
	struct stat want;

	pair_open(&p);

	int before = test_open_fds();

	for (int i = 0; i < 50; i++) {
		CHECK_EQ(ttrpc_call(p.client, &wait_process, note, &p, NULL, NULL), 0);
		CHECK_EQ(ttrpc_call_wait(p.client, &request, NULL, NULL), 0);
		CHECK_EQ(p.b.n_fds, 2);
		CHECK_EQ(fstat(null, &want), 0);
		CHECK_EQ(p.b.seen_fds[0].st_rdev, want.st_rdev);
		CHECK_EQ(fstat(zero, &want), 0);
		CHECK_EQ(p.b.seen_fds[1].st_rdev, want.st_rdev);
	}
	CHECK_EQ(test_open_fds(), before); /* the third was closed with the call */
	pair_close(&p);
}

TEST(descriptors_wait_with_their_request_for_a_slow_server)
{
	struct pair p;
	int sv[2];
	Grpc__WriteStreamRequest big = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct ttrpc_request fill = {
		.service = &grpc__agent_service__descriptor,
		.method = "WriteStdin", /* not answered by the bench: UNIMPLEMENTED */
		.message = &big.base,
		.deadline = CLOCK_NEVER,
	};
	struct ttrpc_request request = {
		.service = &grpc__agent_service__descriptor,
		.method = "ExecProcess",
		.deadline = CLOCK_NEVER,
		.n_fds = 1,
	};
	struct stat want;

	socket_pair(sv);
	pair_open_on(&p, sv[0], sv[1]);
	big.data.len = 1 << 20;
	big.data.data = calloc(1, big.data.len);
	CHECK_EQ(ttrpc_call(p.client, &fill, note, &p, NULL, NULL), 0);

	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	CHECK_EQ(fstat(null, &want), 0);
	request.fds = &null;
	CHECK_EQ(ttrpc_call(p.client, &request, note, &p, NULL, NULL), 0);
	null = fd_close(null);
	while (p.done < 2)
		CHECK_EQ(loop_step(p.b.loop, clock_deadline(20000), NULL), 1);
	CHECK_EQ(p.last.r, 0);
	CHECK_EQ(p.b.n_fds, 1);
	CHECK_EQ(p.b.seen_fds[0].st_rdev, want.st_rdev);
	free(big.data.data);
	pair_close(&p);
}

TEST(every_errno_that_is_sent_comes_back_as_its_kind)
{
	static const int same[] = {ECANCELED, EREMOTEIO, EINVAL, ETIMEDOUT,  ENOENT,
				   EEXIST,    EPERM,     ENOMEM, EBUSY,      EINTR,
				   ERANGE,    ENOSYS,    EIO,    ECONNRESET, EBADMSG};

	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		CHECK_EQ(ttrpc_errno_of((int32_t) ttrpc_code_of(same[i])), same[i]);
	for (int code = 1; code < 134; code++) {
		enum ttrpc_code status = ttrpc_code_of(code);

		CHECK(status > TTRPC_OK && status < TTRPC_CODE_MAX);
		CHECK_EQ(ttrpc_code_of(ttrpc_errno_of((int32_t) status)), status);
	}
	CHECK_EQ(ttrpc_code_of(ESRCH), TTRPC_NOT_FOUND);
	CHECK_EQ(ttrpc_code_of(EACCES), TTRPC_PERMISSION_DENIED);
	CHECK_EQ(ttrpc_code_of(EOPNOTSUPP), TTRPC_UNIMPLEMENTED);
	CHECK_EQ(ttrpc_errno_of(TTRPC_UNAUTHENTICATED), EACCES);
	CHECK_EQ(ttrpc_errno_of(1234), EREMOTEIO);
	CHECK_EQ(ttrpc_errno_of(-1), EREMOTEIO);
}
