/* A process beside a container's first one whose output a program of the engine's takes. */
#include "tests/unit/host/sandbox/fake_sandbox.h"

#include "oci/oci.h"

static char outside[] = "/tmp/test-exec-logger-XXXXXX"; /* seen from the host's mounts, too */
static int started; /* how the start ended; 1: it is under way */

static void on_started(void *arg, const struct sandbox_answer *a)
{
	(void) arg;
	CHECK_EQ(started, 1);
	started = a->r;
}

/* A container c1 whose process e1 is being started; its logger runs, and is ready when what is
 * returned is closed. */
static int begin(void)
{
	static const char spec[] = "{\"cwd\":\"/\",\"args\":[\"say\",\"hello\"],"
				   "\"user\":{\"uid\":0,\"gid\":0}}";
	Grpc__Process *process = NULL;

	CHECK(mkdtemp(outside) != NULL);

	auto_free char *gate = str_printf("%s/gate", outside);
	auto_free char *path = str_printf("%s/logger", outside);
	auto_free char *name = str_printf("binary-v2://%s", path);
	auto_free char *text = str_printf(
		"#!/bin/sh\ncat <%s\nprintf x >&5\nexec cat <&3 >%s/out\n", gate, outside);
	struct sandbox_stdio stdio = NO_STREAMS;

	up();
	CHECK_EQ(mkfifo(gate, 0600), 0);
	CHECK_EQ(file_replace(AT_FDCWD, path, text, strlen(text), 0755, NULL), 0);
	CHECK_EQ(create("c1", NO_STREAMS), 0);
	CHECK_EQ(start("c1", ""), 0);
	CHECK_EQ(oci_process_parse(spec, strlen(spec), &process, NULL), 0);
	stdio.out = name;
	CHECK_EQ(sandbox_exec(here.sb, "c1", "e1", process, &stdio, NULL), 0);
	started = 1;
	sandbox_start_process(here.sb, "c1", "e1", on_started, NULL);
	return open_when_read(gate);
}

static void end(void)
{
	CHECK_EQ(kill_it("c1", "", SIGKILL), 0);
	CHECK_EQ(wait_for("c1", ""), 137);
	CHECK_EQ(delete_it("c1", ""), 0);
}

static void remove_outside(void)
{
	CHECK_EQ(dir_remove(AT_FDCWD, outside, NULL), 0);
}

TEST(it_starts_once_its_logger_is_ready)
{
	auto_free char *out = NULL;
	int gate = begin();

	CHECK_EQ(started, 1);
	CHECK_EQ(status_of("c1", "e1"), OCI_CREATED);
	CHECK(!fake_find(&here.agent, "c1", "e1"));
	fd_close(gate);
	UNTIL(started != 1);
	CHECK_EQ(started, 0);
	CHECK_EQ(wait_for("c1", "e1"), 0);
	CHECK_EQ(delete_it("c1", "e1"), 0);
	end();
	down(); /* waits for the logger */

	auto_free char *path = str_printf("%s/out", outside);

	CHECK_EQ(file_read(AT_FDCWD, path, 4096, &out, NULL, NULL), 0);
	CHECK_STR(out, "hello");
	remove_outside();
}

TEST(what_is_sent_to_it_meanwhile_reaches_it)
{
	int gate = begin();

	CHECK_EQ(kill_it("c1", "e1", SIGKILL), 0);
	CHECK_EQ(delete_it("c1", "e1"), -EBUSY);
	fd_close(gate);
	UNTIL(started != 1);
	CHECK_EQ(started, 0);
	UNTIL(status_of("c1", "e1") == OCI_STOPPED);
	end();
	down();
	remove_outside();
}

TEST(a_machine_that_is_lost_meanwhile_fails_the_start)
{
	int gate = begin();

	sandbox_abort(here.sb, "given up");
	UNTIL(started != 1);
	CHECK(started < 0);
	fd_close(gate);
	CHECK_EQ(delete_it("c1", ""), 0);
	down();
	remove_outside();
}

TEST(a_container_that_is_deleted_meanwhile_fails_the_start)
{
	int gate = begin();

	end();
	CHECK(started < 0);
	fd_close(gate);
	down();
	remove_outside();
}
