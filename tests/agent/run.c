/* A container from its making to its end. */

#include <errno.h>
#include <signal.h>

#include "tests/agent/box.h"

CASE(a_container_says_hello_and_ends)
{
	struct run r;

	box_prepare(vm);
	CHECK_EQ(box_run(vm, "hello", "echo hello; hostname >&2; exit 7", NULL, &r), 7);
	CHECK_STR(run_out(&r), "hello\n");
	CHECK_STR(run_err(&r), "box\n");
	CHECK_EQ(r.out_bytes_at_end, 6);
	run_fini(&r);
}

CASE(the_sandbox_is_made_once)
{
	Grpc__CreateSandboxRequest req = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	struct err e = {0};

	box_prepare(vm);
	CHECK_EQ(vm_call(vm, "CreateSandbox", &req, NULL, &e), -EBUSY);
}

CASE(an_id_is_used_once_and_can_be_used_again)
{
	struct err e = {0};

	box_prepare(vm);
	MUST(box_create(vm, "twice", "true", NULL, &why));
	CHECK_EQ(box_create(vm, "twice", "true", NULL, &e), -EEXIST);
	CHECK_STR(e.text, "there is a container 'twice' already");
	MUST(box_remove(vm, "twice", 0, &why));
	MUST(box_create(vm, "twice", "true", NULL, &why));
	MUST(box_remove(vm, "twice", 0, &why));
	err_clear(&e);
	CHECK_EQ(box_remove(vm, "twice", 0, &e), -ENOENT);
	CHECK_STR(e.text, "there is no container 'twice'");
}

CASE(a_broken_request_breaks_itself_only)
{
	static const char *const ids[] = {"", "../x", "a/b", ".", "..", "a b"};
	Grpc__CreateContainerRequest req = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	struct err e = {0};
	struct run r;

	box_prepare(vm);
	for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
		CHECK_EQ(box_create(vm, ids[i], "true", NULL, NULL), -EINVAL);
	req.container_id = (char *) "x";
	CHECK_EQ(vm_call(vm, "CreateContainer", &req, NULL, &e), -EINVAL);
	CHECK_STR(e.text, "OCI is missing");
	CHECK_EQ(box_run(vm, "after", "exit 3", NULL, &r), 3);
	run_fini(&r);
}

CASE(a_command_that_does_not_exist_ends_with_127)
{
	box_prepare(vm);
	MUST(box_create(vm, "nocmd", "exec /bin/no-such-thing", NULL, &why));
	MUST(box_start(vm, "nocmd", &why));

	struct run r;

	run_begin(&r, vm, "nocmd", "");
	run_until_closed(&r);
	CHECK_EQ(r.code, 127);
	run_fini(&r);
	MUST(box_remove(vm, "nocmd", 0, &why));
}

CASE(standard_input_arrives_in_order_and_ends)
{
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "cat", "cat; echo done", NULL, &why));
	run_begin(&r, vm, "cat", "");
	MUST(box_write(vm, "cat", "", "before the start\n", &why));
	MUST(box_start(vm, "cat", &why));
	MUST(box_write(vm, "cat", "", "one\n", &why));
	MUST(box_write(vm, "cat", "cat", "two\n", &why));
	MUST(box_close_stdin(vm, "cat", "", &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 0);
	CHECK_STR(run_out(&r), "before the start\none\ntwo\ndone\n");
	CHECK_EQ(box_write(vm, "cat", "", "late", NULL), -ECONNRESET);
	MUST(box_remove(vm, "cat", 0, &why));
	run_fini(&r);
}

CASE(signals_end_a_container)
{
	struct run r;

	box_prepare(vm);
	/* Without a handler, TERM to the container becomes KILL. */
	MUST(box_create(vm, "sleeper", "exec sleep 1000", NULL, &why));
	MUST(box_start(vm, "sleeper", &why));
	run_begin(&r, vm, "sleeper", "");
	MUST(box_signal(vm, "sleeper", "", SIGTERM, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 128 + SIGKILL);
	MUST(box_signal(vm, "sleeper", "", SIGTERM, &why)); /* who is gone is no error */
	MUST(box_remove(vm, "sleeper", 0, &why));
	run_fini(&r);

	MUST(box_create(vm, "trapper",
			"trap 'echo term; exit 5' TERM; echo up; while :; do "
			"sleep 0.1; done",
			NULL, &why));
	run_begin(&r, vm, "trapper", "");
	MUST(box_start(vm, "trapper", &why));
	run_until_output(&r, 3);
	MUST(box_signal(vm, "trapper", "", SIGTERM, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 5);
	CHECK_STR(run_out(&r), "up\nterm\n");
	MUST(box_remove(vm, "trapper", 0, &why));
	run_fini(&r);
}

CASE(a_signal_to_an_exec_id_is_sent_as_it_is)
{
	const struct box_options o = {.exec_id = "init"};
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "literal", "exec sleep 1000", &o, &why));
	MUST(box_start(vm, "literal", &why));
	run_begin(&r, vm, "literal", "init");
	MUST(box_signal(vm, "literal", "init", SIGTERM, &why)); /* the kernel ignores it */
	CHECK_EQ(box_signal(vm, "literal", "init", 0, NULL), -EINVAL);
	CHECK_EQ(box_signal(vm, "literal", "init", 65, NULL), -EINVAL);
	CHECK_EQ(box_signal(vm, "literal", "no-such", SIGTERM, NULL), -ENOENT);
	CHECK(!r.ended);
	MUST(box_signal(vm, "literal", "init", SIGKILL, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 128 + SIGKILL);
	MUST(box_remove(vm, "literal", 0, &why));
	run_fini(&r);
}

CASE(a_running_container_can_be_removed)
{
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "busy", "echo up; while :; do :; done", NULL, &why));
	run_begin(&r, vm, "busy", "");
	MUST(box_start(vm, "busy", &why));
	run_until_output(&r, 3);
	MUST(box_remove(vm, "busy", 20, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 128 + SIGKILL);
	run_fini(&r);
}
