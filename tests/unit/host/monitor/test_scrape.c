#include "tests/test.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/file.h"
#include "base/log.h"
#include "host/http/http.h"
#include "host/monitor/scrape.h"

/* Pods on the same loop as who asks them. */
static struct {
	char folder[32];
	struct loop *loop;
	struct http_server *servers[4];
	unsigned done;
	size_t pods, failed;
	char *text;
} here;

static bool admits(void *arg, int fd)
{
	(void) arg, (void) fd;
	return true;
}

/* @arg is the text, or NULL for a pod that has none. */
static void handle(void *arg, struct http_call *call, const struct http_request *q)
{
	(void) q;
	if (arg)
		http_reply(call, HTTP_OK, HTTP_METRICS, arg, strlen(arg));
	else
		http_say(call, HTTP_SERVER_ERROR, "broken");
}

static int listen_in(const char *name)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	auto_free char *path = str_printf("%s/%s", here.folder, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_EQ(mkdir(path, 0700), 0);
	(void) snprintf(at.sun_path, sizeof at.sun_path, "%s/shim-monitor.sock", path);
	CHECK_EQ(bind(fd, (struct sockaddr *) &at, sizeof at), 0);
	CHECK_EQ(listen(fd, 8), 0);
	return fd;
}

static void add_pod(unsigned i, const char *name, const char *text)
{
	CHECK_EQ(http_server_new(here.loop, listen_in(name), admits, handle, (void *) text,
				 &here.servers[i], NULL),
		 0);
}

static void up(void)
{
	log_open(-1, LOG_TEXT, LOG_ERROR);
	strcpy(here.folder, "/tmp/test-scrape-XXXXXX");
	CHECK(mkdtemp(here.folder) != NULL);
	CHECK_EQ(loop_new(&here.loop, NULL), 0);
}

static void down(void)
{
	for (unsigned i = 0; i < 4; i++)
		http_server_free(here.servers[i]);
	loop_free(here.loop);
	free(here.text);
	CHECK_EQ(dir_remove(AT_FDCWD, here.folder, NULL), 0);
}

static void scraped(void *arg, const struct families *f, size_t pods, size_t failed)
{
	struct buf out;

	(void) arg;
	buf_init(&out, 1 << 20);
	CHECK_EQ(families_print(f, &out), 0);
	CHECK_EQ(buf_append(&out, "", 1), 0);
	here.text = strdup((const char *) buf_data(&out));
	buf_fini(&out);
	here.pods = pods;
	here.failed = failed;
	here.done++;
}

static void scrape(uint32_t pod_ms)
{
	struct scrape *s;

	CHECK_EQ(scrape_start(here.loop, here.folder, pod_ms, scraped, NULL, &s, NULL), 0);
	while (!here.done)
		CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
}

TEST(without_pods_there_is_an_answer)
{
	up();
	scrape(POD_TIMEOUT_MS);
	CHECK_EQ(here.pods, 0);
	CHECK_STR(here.text, "");
	down();
}

TEST(pods_that_are_silent_broken_or_gone_are_left_out_and_counted)
{
	int silent, gone;

	up();
	add_pod(0, "a", "# TYPE x gauge\nx 1\n");
	add_pod(1, "b", NULL);
	silent = listen_in("c");
	gone = listen_in("d");
	close(gone);
	add_pod(2, "e", "# TYPE x gauge\nx 2\n");
	close(listen_in(".hidden"));
	scrape(1500);
	CHECK_EQ(here.pods, 5);
	CHECK_EQ(here.failed, 3);
	CHECK_STR(here.text, "# TYPE x gauge\nx{sandbox_id=\"a\"} 1\nx{sandbox_id=\"e\"} 2\n");
	close(silent);
	down();
}

TEST(more_pods_than_are_asked_at_once)
{
	char name[16];

	up();
	add_pod(0, "last", "# TYPE x gauge\nx 1\n");
	for (int i = 0; i < PODS_AT_A_TIME * 3; i++) {
		(void) snprintf(name, sizeof name, "dead%03d", i);
		close(listen_in(name));
	}
	scrape(POD_TIMEOUT_MS);
	CHECK_EQ(here.pods, PODS_AT_A_TIME * 3 + 1);
	CHECK_EQ(here.failed, PODS_AT_A_TIME * 3);
	CHECK_STR(here.text, "# TYPE x gauge\nx{sandbox_id=\"last\"} 1\n");
	down();
}

TEST(a_scrape_can_be_given_up)
{
	struct scrape *s;
	int silent;

	up();
	silent = listen_in("a");
	CHECK_EQ(scrape_start(here.loop, here.folder, POD_TIMEOUT_MS, scraped, NULL, &s, NULL), 0);
	CHECK_EQ(loop_step(here.loop, clock_deadline(60000), NULL), 1);
	scrape_cancel(s);
	CHECK_EQ(here.done, 0);
	close(silent);
	down();
}

TEST(a_name_cannot_leave_its_folder)
{
	CHECK(pod_name_is_plain("0a-B_c.d+1"));
	CHECK(!pod_name_is_plain(""));
	CHECK(!pod_name_is_plain(".."));
	CHECK(!pod_name_is_plain("a/b"));
	CHECK(!pod_name_is_plain("a\"b"));
}
