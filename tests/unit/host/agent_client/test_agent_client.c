#include "tests/unit/ttrpc/ttrpc_peer.h"

#include <pthread.h>

#include "host/agent_client/agent_client.h"

/* A fake agent (the bench's server) and the client on one loop; the test's main thread is the
 * worker, the loop runs on a thread of its own. */
struct rig {
	struct bench b;
	struct agent_client *client;
	pthread_t thread;
	int lost;
	int agent_end; /* for tests that play the agent by hand */
};

static void *run(void *arg)
{
	CHECK_EQ(loop_run(arg, NULL), 0);
	return NULL;
}

static void rig_open(struct rig *rig)
{
	*rig = (struct rig){.agent_end = -1};
	bench_open(&rig->b);
	CHECK_EQ(agent_client_new(rig->b.loop, rig->b.peer, &rig->client, NULL), 0);
	rig->b.peer = -1;
}

/* A client whose other end nobody serves. */
static void rig_open_by_hand(struct rig *rig)
{
	int sv[2];

	*rig = (struct rig){.b.peer = -1};
	socket_pair(sv);
	rig->agent_end = sv[0];
	CHECK_EQ(loop_new(&rig->b.loop, NULL), 0);
	CHECK_EQ(agent_client_new(rig->b.loop, sv[1], &rig->client, NULL), 0);
}

static void rig_start(struct rig *rig)
{
	CHECK_EQ(pthread_create(&rig->thread, NULL, run, rig->b.loop), 0);
}

static void rig_stop(struct rig *rig)
{
	loop_stop(rig->b.loop);
	CHECK_EQ(pthread_join(rig->thread, NULL), 0);
}

static void rig_close(struct rig *rig)
{
	agent_client_free(rig->client);
	bench_close(&rig->b);
	fd_close(rig->agent_end);
}

TEST(a_thread_gets_its_answer)
{
	struct rig rig;
	Grpc__CheckRequest check = GRPC__CHECK_REQUEST__INIT;
	ProtobufCMessage *response = NULL;
	struct err e = {0};

	check.service = (char *) "agent";
	rig_open(&rig);
	rig_start(&rig);
	for (int i = 0; i < 100; i++) {
		CHECK_EQ(agent_call(rig.client, "Check", &check.base, clock_deadline(20000),
				    &response, &e),
			 0);
		CHECK_EQ(((Grpc__HealthCheckResponse *) response)->status, 1);
		ttrpc_message_free(response);
	}
	CHECK_EQ(agent_call(rig.client, "PauseContainer", NULL, CLOCK_NEVER, NULL, &e), 0);
	rig_stop(&rig);
	rig_close(&rig);
}

TEST(a_refusal_arrives_in_the_agents_words)
{
	struct rig rig;
	ProtobufCMessage *response = NULL;
	struct err e = {0};

	rig_open(&rig);
	rig_start(&rig);
	CHECK_EQ(agent_call(rig.client, "StartContainer", NULL, CLOCK_NEVER, &response, &e),
		 -ENOENT);
	CHECK(!response);
	CHECK_STR(e.text, "agent: find container 'c? 1': No such file or directory");
	CHECK_EQ(agent_call(rig.client, "ResizeVolume", NULL, CLOCK_NEVER, NULL, NULL), -ENOSYS);
	rig_stop(&rig);
	rig_close(&rig);
}

static void *call_many(void *arg)
{
	struct rig *rig = arg;

	for (int i = 0; i < 200; i++)
		CHECK_EQ(agent_call(rig->client, "PauseContainer", NULL, clock_deadline(20000),
				    NULL, NULL),
			 0);
	return NULL;
}

TEST(several_threads_may_ask_at_once)
{
	struct rig rig;
	pthread_t threads[4];

	rig_open(&rig);
	rig_start(&rig);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, call_many, &rig), 0);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
	rig_stop(&rig);
	rig_close(&rig);
}

TEST(a_guest_that_never_answers_costs_no_more_than_the_deadline)
{
	struct rig rig;
	struct err e = {0};

	rig_open(&rig);
	rig_start(&rig);

	msec_t before = clock_now();

	CHECK_EQ(agent_call(rig.client, "WaitProcess", NULL, clock_deadline(30), NULL, &e),
		 -ETIMEDOUT);
	CHECK(clock_now() - before >= 30 && clock_now() - before < 5000);
	CHECK_STR(e.text, "agent: WaitProcess: no answer in time");
	CHECK_EQ(agent_call(rig.client, "PauseContainer", NULL, CLOCK_NEVER, NULL, NULL), 0);
	rig_stop(&rig);
	rig_close(&rig);
}

TEST(the_deadline_holds_even_if_the_loop_does_not_turn)
{
	struct rig rig;
	struct err e = {0};

	rig_open(&rig);
	CHECK_EQ(agent_call(rig.client, "PauseContainer", NULL, clock_deadline(20), NULL, &e),
		 -ETIMEDOUT);
	settle(rig.b.loop); /* what was posted finds that nobody waits */
	rig_close(&rig);
}

static void hang_up(void *arg)
{
	struct rig *rig = arg;

	rig->agent_end = fd_close(rig->agent_end);
}

static void note_lost(void *arg, const struct err *e)
{
	struct rig *rig = arg;

	CHECK_EQ(e->code, ECONNRESET);
	rig->lost++;
}

TEST(a_guest_that_hangs_up_fails_the_call_and_is_reported)
{
	struct rig rig;
	struct loop_timer *timer;
	struct err e = {0};

	rig_open_by_hand(&rig);
	agent_client_on_lost(rig.client, note_lost, &rig);
	CHECK_EQ(loop_timer(rig.b.loop, clock_deadline(20), hang_up, &rig, &timer, NULL), 0);
	rig_start(&rig);
	CHECK_EQ(agent_call(rig.client, "CreateSandbox", NULL, CLOCK_NEVER, NULL, &e), -ECONNRESET);
	CHECK_STR(e.text, "agent: CreateSandbox: the other side hung up");
	err_clear(&e);
	CHECK_EQ(agent_call(rig.client, "CreateSandbox", NULL, CLOCK_NEVER, NULL, &e), -ECONNRESET);
	CHECK_STR(e.text, "agent: CreateSandbox: the connection is closed");
	rig_stop(&rig);
	CHECK_EQ(rig.lost, 1);
	rig_close(&rig);
}

static void talk_nonsense(void *arg)
{
	struct rig *rig = arg;

	CHECK_EQ(write(rig->agent_end, "Kernel panic - not syncing", 26), 26);
}

TEST(a_guest_that_talks_nonsense_fails_the_call)
{
	struct rig rig;
	struct loop_timer *timer;
	struct err e = {0};

	rig_open_by_hand(&rig);
	CHECK_EQ(loop_timer(rig.b.loop, clock_deadline(5), talk_nonsense, &rig, &timer, NULL), 0);
	rig_start(&rig);
	CHECK_EQ(agent_call(rig.client, "CreateSandbox", NULL, CLOCK_NEVER, NULL, &e), -ECONNRESET);
	CHECK_STR(e.text, "agent: CreateSandbox: the other side sent a frame of type 97");
	rig_stop(&rig);
	rig_close(&rig);
}

static void free_client(void *arg)
{
	struct rig *rig = arg;

	agent_client_free(rig->client);
	rig->client = NULL;
}

TEST(freeing_the_client_lets_a_waiting_thread_go)
{
	struct rig rig;
	struct loop_timer *timer;
	struct err e = {0};

	rig_open(&rig);
	CHECK_EQ(loop_timer(rig.b.loop, clock_deadline(20), free_client, &rig, &timer, NULL), 0);
	rig_start(&rig);
	CHECK_EQ(agent_call(rig.client, "WaitProcess", NULL, CLOCK_NEVER, NULL, &e), -ECANCELED);
	rig_stop(&rig);
	rig_close(&rig);
}

struct caller {
	struct rig *rig;
	_Atomic pid_t tid;
	int r;
	char text[ERR_TEXT_MAX];
};

static void *call_once(void *arg)
{
	struct caller *c = arg;
	struct err e = {0};

	c->tid = gettid();
	c->r = agent_call(c->rig->client, "PauseContainer", NULL, CLOCK_NEVER, NULL, &e);
	memcpy(c->text, e.text, sizeof c->text);
	return NULL;
}

/* Until the kernel says that the thread sleeps: then it has posted its call. */
static void wait_until_asleep(const struct caller *c)
{
	char path[64], line[256] = "";
	const char *state;

	do {
		(void) snprintf(path, sizeof path, "/proc/self/task/%d/stat", c->tid);

		FILE *f = c->tid ? fopen(path, "re") : NULL;

		if (f && !fgets(line, sizeof line, f))
			line[0] = '\0';
		if (f)
			(void) fclose(f);
		state = strrchr(line, ')');
	} while (!state || state[2] != 'S');
}

TEST(a_call_that_the_loop_has_not_begun_survives_the_client)
{
	struct rig rig;
	struct caller c = {.rig = &rig};
	pthread_t thread;

	rig_open(&rig);
	CHECK_EQ(pthread_create(&thread, NULL, call_once, &c), 0);
	wait_until_asleep(&c);
	free_client(&rig);
	rig_start(&rig);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	CHECK_EQ(c.r, -ECANCELED);
	CHECK_STR(c.text, "agent: PauseContainer: the line to the guest is closed");
	rig_stop(&rig);
	rig_close(&rig);
}

static void count(void *arg, struct ttrpc_answer *answer)
{
	CHECK_EQ(answer->r, 0);
	(*(int *) arg)++;
}

TEST(the_loop_itself_asks_without_waiting)
{
	struct rig rig;
	int answers = 0;

	rig_open(&rig);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(agent_call_begin(rig.client, i % 2 ? "Check" : "PauseContainer", NULL,
					  CLOCK_NEVER, count, &answers, NULL, NULL),
			 0);
		CHECK_EQ(answers, 0);
	}
	settle(rig.b.loop);
	CHECK_EQ(answers, 10);
	CHECK(!ttrpc_client_closed(agent_client_line(rig.client)));
	rig_close(&rig);
}

TEST(features_are_found_by_their_words)
{
	Grpc__AgentDetails d = GRPC__AGENT_DETAILS__INIT;
	char *words[] = {(char *) "oci-1.2", (char *) "ordered-exit"};

	CHECK(!agent_details_have(NULL, "oci-1.2"));
	CHECK(!agent_details_have(&d, "oci-1.2"));
	d.extra_features = words;
	d.n_extra_features = 2;
	CHECK(agent_details_have(&d, "ordered-exit"));
	CHECK(!agent_details_have(&d, "ordered"));
}
