#include "tests/test.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/http/http.h"

static int parse(const char *text, struct http_request *q)
{
	int status = 0, r = http_request_parse(text, strlen(text), q, &status, NULL);

	return r < 0 ? -status : r;
}

TEST(a_request_is_read_once_its_head_is_whole)
{
	static const char whole[] =
		"GET /metrics?a=b/c HTTP/1.1\r\nHost: x\r\nAccept:\t*/*\r\n\r\n";
	struct http_request q;

	for (size_t n = 0; n < sizeof whole - 1; n++) {
		int status = 0;

		CHECK_EQ(http_request_parse(whole, n, &q, &status, NULL), 0);
	}
	CHECK_EQ(parse(whole, &q), sizeof whole - 1);
	CHECK_EQ(q.method, HTTP_GET);
	CHECK_STR(q.path, "/metrics");
	CHECK_EQ(parse("PUT /policy HTTP/1.0\n\nbody", &q), 22);
	CHECK_EQ(q.method, HTTP_PUT);
	CHECK_EQ(parse("POST /x HTTP/1.1\r\n\r\n", &q), 20);
	CHECK_EQ(q.method, HTTP_POST);
}

TEST(the_length_of_a_body_is_a_number)
{
	struct http_request q;

	CHECK(parse("POST /x HTTP/1.1\r\ncontent-length:\t 17 \r\nA: b\r\n\r\n", &q) > 0);
	CHECK_EQ(q.content_bytes, 17);
	CHECK(!q.body && q.body_bytes == 0);
	CHECK(parse("POST /x HTTP/1.1\r\nContent-Length-Of: x\r\n\r\n", &q) > 0);
	CHECK_EQ(q.content_bytes, 0);
	CHECK_EQ(parse("POST /x HTTP/1.1\r\nContent-Length: \r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("POST /x HTTP/1.1\r\nContent-Length: -1\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("POST /x HTTP/1.1\r\nContent-Length: 1 2\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("POST /x HTTP/1.1\r\nContent-Length: 18446744073709551617\r\n\r\n", &q),
		 -HTTP_BAD_REQUEST);
}

TEST(a_query_has_values_that_are_decoded)
{
	struct http_request q;
	char value[HTTP_TARGET_MAX];

	CHECK(parse("GET /x?a=1&path=/a%2Fb+c%41&&b=&c=%00&d=%4&e=%zz&ab HTTP/1.1\r\n\r\n", &q) >
	      0);
	CHECK_STR(q.path, "/x");
	CHECK(http_query(&q, "a", value));
	CHECK_STR(value, "1");
	CHECK(http_query(&q, "path", value));
	CHECK_STR(value, "/a/b cA");
	CHECK(http_query(&q, "b", value));
	CHECK_STR(value, "");
	CHECK(!http_query(&q, "c", value));
	CHECK(!http_query(&q, "d", value));
	CHECK(!http_query(&q, "e", value));
	CHECK(!http_query(&q, "ab", value));
	CHECK(!http_query(&q, "pat", value));
	CHECK(parse("GET /x HTTP/1.1\r\n\r\n", &q) > 0);
	CHECK_STR(q.query, "");
	CHECK(!http_query(&q, "a", value));
}

TEST(a_value_of_a_query_comes_back_as_it_was)
{
	static const char text[] = "/a b&c=%+\377\n?";
	struct http_request q;
	char value[HTTP_TARGET_MAX];
	auto_free char *encoded = http_query_value(text);
	auto_free char *request = str_printf("GET /x?path=%s HTTP/1.1\r\n\r\n", encoded);

	CHECK(parse(request, &q) > 0);
	CHECK(http_query(&q, "path", value));
	CHECK_STR(value, text);
}

TEST(what_is_no_request_gets_the_status_that_says_why)
{
	struct http_request q;

	CHECK_EQ(parse("DELETE / HTTP/1.1\r\n\r\n", &q), -HTTP_METHOD_NOT_ALLOWED);
	CHECK_EQ(parse("get / HTTP/1.1\r\n\r\n", &q), -HTTP_METHOD_NOT_ALLOWED);
	CHECK_EQ(parse("\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / \r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET metrics HTTP/1.1\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET /a b HTTP/1.1\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/2.0\r\n\r\n", &q), -HTTP_VERSION_UNKNOWN);
	CHECK_EQ(parse("GET / HTTP/1.2\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/1.1x\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/1.1\r\nno colon\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/1.1\r\n: x\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/1.1\r\nA: \001\r\n\r\n", &q), -HTTP_BAD_REQUEST);
	CHECK_EQ(parse("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", &q), -HTTP_BAD_REQUEST);
}

TEST(a_path_and_a_head_have_a_maximum_also_before_they_are_whole)
{
	struct http_request q;
	char text[HTTP_HEAD_MAX + 1];

	memset(text, 'a', sizeof text);
	memcpy(text, "GET /", 5);
	text[HTTP_TARGET_MAX + 100] = '\0';
	CHECK_EQ(parse(text, &q), -HTTP_URI_TOO_LONG);
	text[HTTP_TARGET_MAX - 10] = '\0';
	CHECK_EQ(parse(text, &q), 0);

	memset(text, 'a', sizeof text);
	memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
	text[HTTP_HEAD_MAX] = '\0';
	CHECK_EQ(parse(text, &q), -HTTP_HEAD_TOO_LARGE);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK_EQ(parse(text, &q), HTTP_HEAD_MAX);
}

TEST(an_answer_is_split_or_refused)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody";
	static const char *const bad[] = {"", "HTTP/1.1 200 OK\r\nA: b\r\n", "\r\n\r\n",
					  "HTTP/1.1 20x\r\n\r\n", "HTTP/2 200 OK\r\n\r\n"};
	const char *body;
	size_t bytes;
	int status;

	CHECK_EQ(http_answer_parse(ok, sizeof ok - 1, &status, &body, &bytes, NULL), 0);
	CHECK_EQ(status, 200);
	CHECK_EQ(bytes, 4);
	CHECK_EQ(memcmp(body, "body", 4), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_EQ(http_answer_parse(bad[i], strlen(bad[i]), &status, &body, &bytes, NULL),
			 -EBADMSG);
}

/* A server and its clients on one loop. */
static struct {
	char folder[32];
	char *path;
	struct loop *loop;
	struct http_server *server;
	struct http_call *kept;
	bool admits;
	unsigned answered;
	int taken; /* what http_take_over() gave */
	int r, status;
	char body[64];
} here;

static bool admits(void *arg, int fd)
{
	(void) arg, (void) fd;
	return here.admits;
}

static void handle(void *arg, struct http_call *call, const struct http_request *q)
{
	(void) arg;
	if (strcmp(q->path, "/later") == 0)
		here.kept = call;
	else if (strcmp(q->path, "/taken") == 0)
		here.taken = http_take_over(call, "another");
	else if (q->body)
		http_reply(call, HTTP_OK, HTTP_TEXT, q->body, q->body_bytes);
	else
		http_reply(call, HTTP_OK, HTTP_TEXT, q->path, strlen(q->path));
}

static void answered(void *arg, const struct http_answer *a)
{
	(void) arg;
	here.answered++;
	here.r = a->r;
	here.status = a->status;
	if (a->r == 0)
		(void) snprintf(here.body, sizeof here.body, "%s", a->body);
}

static int listen_at(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 64), 0);
	return fd;
}

static int dial(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(at.sun_path, here.path);
	CHECK_EQ(connect(fd, (struct sockaddr *) &at, sizeof at), 0);
	return fd;
}

static void up(bool with_server)
{
	strcpy(here.folder, "/tmp/test-http-XXXXXX");
	CHECK(mkdtemp(here.folder) != NULL);
	here.path = str_printf("%s/sock", here.folder);
	here.admits = true;
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
	if (with_server)
		CHECK_EQ(http_server_new(here.loop, listen_at(here.path), admits, handle, NULL,
					 &here.server, NULL),
			 0);
}

static void down(void)
{
	http_server_free(here.server);
	loop_free(here.loop);
	(void) unlink(here.path);
	CHECK_EQ(rmdir(here.folder), 0);
	free(here.path);
}

static struct http_get *get(const char *target, size_t max_bytes, unsigned timeout_ms)
{
	struct http_get *g = NULL;

	CHECK_EQ(http_get(here.loop, here.path, target, max_bytes, clock_deadline(timeout_ms),
			  answered, NULL, &g, NULL),
		 0);
	return g;
}

static void until_answered(unsigned n)
{
	while (here.answered < n)
		CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
}

TEST(requests_are_answered_at_once_and_later)
{
	up(true);
	(void) get("/later", 4096, 60000);
	while (!here.kept)
		CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
	(void) get("/now?x", 4096, 60000);
	until_answered(1);
	CHECK_EQ(here.status, 200);
	CHECK_STR(here.body, "/now");
	http_say(here.kept, HTTP_NOT_IMPLEMENTED, "it is not there");
	until_answered(2);
	CHECK_EQ(here.status, HTTP_NOT_IMPLEMENTED);
	CHECK_STR(here.body, "it is not there\n");
	down();
}

TEST(an_answer_may_come_when_its_client_or_the_server_is_gone)
{
	up(true);
	for (int i = 0; i < 2; i++) {
		struct http_get *g = get("/later", 4096, 60000);

		here.kept = NULL;
		while (!here.kept)
			CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
		if (i == 0) {
			http_get_cancel(g);
			(void) get("/now", 4096, 60000);
			until_answered(1);
		} else {
			http_server_free(here.server);
			here.server = NULL;
			until_answered(2);
			CHECK_EQ(here.r, -EBADMSG);
		}
		http_say(here.kept, HTTP_OK, "too late");
	}
	down();
}

TEST(a_client_that_is_not_admitted_gets_nothing)
{
	up(true);
	here.admits = false;
	(void) get("/now", 4096, 60000);
	until_answered(1);
	CHECK(here.r < 0);
	down();
}

TEST(idle_connections_keep_others_waiting_but_not_for_ever_out)
{
	int idle[HTTP_CONNECTIONS_MAX];

	up(true);
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		idle[i] = dial();
	(void) get("/now", 4096, 60000);
	while (loop_step(here.loop, clock_deadline(50), NULL) == 1)
		;
	CHECK_EQ(here.answered, 0);
	close(idle[3]);
	until_answered(1);
	CHECK_STR(here.body, "/now");
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (i != 3)
			close(idle[i]);
	down();
}

TEST(a_body_is_there_once_it_is_whole)
{
	static const char whole[] = "POST /x HTTP/1.1\r\nContent-Length: 4\r\n\r\nbodymore";
	struct http_get *g = NULL;
	char text[256] = "";
	int fd;

	up(true);
	CHECK_EQ(http_post(here.loop, here.path, "/x", "{\"a\": 1}", 4096, clock_deadline(60000),
			   answered, NULL, &g, NULL),
		 0);
	until_answered(1);
	CHECK_EQ(here.status, 200);
	CHECK_STR(here.body, "{\"a\": 1}");

	fd = dial();
	for (size_t i = 0; i < sizeof whole - 1; i++) {
		CHECK_EQ(send(fd, whole + i, 1, MSG_NOSIGNAL), 1);
		CHECK(loop_step(here.loop, clock_deadline(20), NULL) >= 0);
		/* Before its last byte nobody is answered. */
		if (i == sizeof whole - 1 - sizeof "more")
			CHECK_EQ(recv(fd, text, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	}
	while (recv(fd, text, sizeof text - 1, MSG_DONTWAIT) < 0)
		CHECK(loop_step(here.loop, clock_deadline(1000), NULL) >= 0);
	CHECK(strstr(text, "Content-Length: 4\r\n") != NULL);
	CHECK(strstr(text, "\r\n\r\nbody") != NULL);
	close(fd);
	down();
}

TEST(a_server_without_a_free_descriptor_rests_and_answers_later)
{
	struct rlimit usual, none;
	unsigned steps = 0;
	int r = 1;

	up(true);
	(void) get("/now", 4096, 60000);
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &usual), 0);
	none = usual;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (steps < 100 && (r = loop_step(here.loop, clock_deadline(50), NULL)) == 1)
		steps++;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &usual), 0);
	CHECK_EQ(r, 0);
	CHECK_EQ(here.answered, 0);
	until_answered(1);
	CHECK_STR(here.body, "/now");
	down();
}

TEST(a_large_body_is_thrown_away_and_the_answer_arrives)
{
	static const char head[] = "PUT /big HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
	char body[100000], text[256] = "";
	size_t sent = 0, n = 0;
	int fd;

	up(true);
	memset(body, 'x', sizeof body);
	fd = dial();
	CHECK_EQ(write(fd, head, sizeof head - 1), sizeof head - 1);
	while (sent < sizeof body) {
		ssize_t w = send(fd, body + sent, sizeof body - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		CHECK(w > 0 || errno == EAGAIN);
		sent += w > 0 ? (size_t) w : 0;
		(void) loop_step(here.loop, clock_deadline(0), NULL);
	}
	for (ssize_t r = -1; r != 0; n += r > 0 ? (size_t) r : 0) {
		CHECK(loop_step(here.loop, clock_deadline(0), NULL) >= 0);
		r = recv(fd, text + n, sizeof text - 1 - n, MSG_DONTWAIT);
		CHECK(r >= 0 || errno == EAGAIN);
	}
	CHECK(strncmp(text, "HTTP/1.1 200 OK\r\n", 17) == 0);
	CHECK(strstr(text, "\r\n\r\n/big") != NULL);
	close(fd);
	down();
}

TEST(a_server_that_is_silent_endless_or_no_http_is_given_up)
{
	char text[4096];
	int fd, peer;

	up(false);
	fd = listen_at(here.path);
	(void) get("/", 4096, 20);
	until_answered(1);
	CHECK_EQ(here.r, -ETIMEDOUT);
	peer = accept(fd, NULL, NULL);
	close(peer);

	memset(text, 'x', sizeof text);
	(void) get("/", 1000, 60000);
	peer = accept(fd, NULL, NULL);
	CHECK_EQ(write(peer, text, sizeof text), sizeof text);
	until_answered(2);
	CHECK_EQ(here.r, -EMSGSIZE);
	close(peer);

	(void) get("/", 4096, 60000);
	peer = accept(fd, NULL, NULL);
	CHECK_EQ(write(peer, text, 100), 100);
	close(peer);
	until_answered(3);
	/* It was closed before the request was read, which the kernel tells in its own way. */
	CHECK(here.r == -EBADMSG || here.r == -ECONNRESET);
	close(fd);
	down();
}

TEST(a_connection_that_is_taken_over_is_the_handlers_and_no_other_request_hears_of_it)
{
	char got[128] = "";
	const char *want = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
			   "Upgrade: another\r\n\r\nraw";

	up(true);
	here.taken = -1;

	auto_close int fd = dial();
	const char *request = "GET /taken HTTP/1.1\r\n\r\n";

	CHECK_EQ(fd_write_all(fd, request, strlen(request)), 0);
	while (here.taken < 0)
		CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
	CHECK_EQ(fd_write_all(here.taken, "raw", 3), 0);
	CHECK_EQ(recv(fd, got, strlen(want), MSG_WAITALL), (ssize_t) strlen(want));
	CHECK_STR(got, want);
	CHECK_EQ(fd_write_all(fd, "back", 4), 0);
	(void) get("/now", 4096, 60000);
	until_answered(1);
	CHECK_EQ(here.status, HTTP_OK);
	CHECK_EQ(recv(here.taken, got, 4, MSG_WAITALL), 4);
	fd_close(here.taken);
	down();
}

TEST(a_client_that_is_gone_leaves_nothing_to_take_over)
{
	up(true);

	struct http_get *g = get("/later", 4096, 60000);

	here.kept = NULL;
	while (!here.kept)
		CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
	http_get_cancel(g);
	(void) get("/now", 4096, 60000);
	until_answered(1);
	CHECK_EQ(http_take_over(here.kept, "another"), -EPIPE);
	down();
}
