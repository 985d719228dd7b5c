/* Bytes in both directions: none is lost, and they are many. */

#include <errno.h>
#include <signal.h>

#include "base/array.h"
#include "tests/agent/box.h"

/* Prints a speed; how much is enough is decided by the benchmarks, not here. */
static void print_speed(const char *what, size_t bytes, uint64_t began_us)
{
	uint64_t us = clock_now_us() - began_us;

	printf("# %s: %.1f MB/s\n", what, (double) bytes / (double) (us ? us : 1));
}

CASE(much_output_arrives_whole_and_before_the_end)
{
	static const size_t bytes = 192 << 20;
	uint64_t began;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "much", "exec dd if=/dev/zero bs=64k count=3072 2>/dev/null", NULL,
			&why));
	run_begin(&r, vm, "much", "");
	began = clock_now_us();
	MUST(box_start(vm, "much", &why));
	run_until_closed(&r);
	print_speed("stdout", bytes, began);
	CHECK_EQ(r.code, 0);
	CHECK_EQ(r.out_bytes, bytes);
	CHECK_EQ(r.out_bytes_at_end, bytes);
	MUST(box_remove(vm, "much", 0, &why));
	run_fini(&r);
}

CASE(small_writes_are_not_slow_either)
{
	static const size_t bytes = 32 << 20;
	uint64_t began;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "small", "exec dd if=/dev/zero bs=4k count=8192 2>/dev/null", NULL,
			&why));
	run_begin(&r, vm, "small", "");
	began = clock_now_us();
	MUST(box_start(vm, "small", &why));
	run_until_closed(&r);
	print_speed("stdout in pieces of 4 KiB", bytes, began);
	CHECK_EQ(r.out_bytes, bytes);
	MUST(box_remove(vm, "small", 0, &why));
	run_fini(&r);
}

struct writer {
	struct vm *vm;
	const char *id;
	size_t left, under_way, failed;
};

#define WRITE_BYTES ((size_t) 1 << 20)
#define WRITE_DEPTH 2

static void write_more(struct writer *w);

static void written(void *arg, struct ttrpc_answer *a)
{
	struct writer *w = arg;

	w->under_way--;
	if (a->r < 0 || ((const Grpc__WriteStreamResponse *) a->response)->len != WRITE_BYTES)
		w->failed++;
	write_more(w);
}

static void write_more(struct writer *w)
{
	static uint8_t data[WRITE_BYTES];

	while (w->left > 0 && w->under_way < WRITE_DEPTH && !w->failed) {
		Grpc__WriteStreamRequest req = GRPC__WRITE_STREAM_REQUEST__INIT;

		req.container_id = (char *) w->id;
		req.data.data = data;
		req.data.len = sizeof data;
		CHECK_EQ(vm_begin(w->vm, "WriteStdin", &req, written, w), 0);
		w->under_way++;
		w->left -= sizeof data;
	}
}

CASE(much_input_arrives_whole)
{
	static const size_t bytes = 128 << 20;
	struct writer w = {.vm = vm, .id = "sink", .left = bytes};
	uint64_t began;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "sink", "exec dd of=/dev/null bs=64k iflag=fullblock", NULL, &why));
	MUST(box_start(vm, "sink", &why));
	run_begin(&r, vm, "sink", "");
	began = clock_now_us();
	write_more(&w);
	while (w.under_way > 0)
		CHECK(loop_step(vm->loop, clock_deadline(VM_PATIENCE_MS), NULL) > 0);
	CHECK_EQ(w.failed, 0);
	MUST(box_close_stdin(vm, "sink", "", &why));
	run_until_closed(&r);
	print_speed("stdin", bytes, began);
	CHECK(strstr(run_err(&r), "2048+0 records in"));
	MUST(box_remove(vm, "sink", 0, &why));
	run_fini(&r);
}

CASE(a_writer_waits_for_a_process_that_does_not_read)
{
	struct writer w = {.vm = vm, .id = "deaf", .left = 8 << 20};
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "deaf", "echo up; read x < /dev/null; exec sleep 1000", NULL, &why));
	run_begin(&r, vm, "deaf", "");
	MUST(box_start(vm, "deaf", &why));
	run_until_output(&r, 3);
	write_more(&w);
	/* The first one fits into the pipe, the second does not, and others are served
	 * meanwhile. */
	for (int i = 0; i < 20; i++) {
		Grpc__GuestDetailsRequest req = GRPC__GUEST_DETAILS_REQUEST__INIT;

		MUST(vm_call(vm, "GetGuestDetails", &req, NULL, &why));
	}
	CHECK(w.under_way > 0);
	CHECK_EQ(w.failed, 0);
	MUST(box_signal(vm, "deaf", "", SIGKILL, &why));
	run_until_closed(&r);
	while (w.under_way > 0)
		CHECK(loop_step(vm->loop, clock_deadline(VM_PATIENCE_MS), NULL) > 0);
	CHECK(w.failed > 0);
	MUST(box_remove(vm, "deaf", 0, &why));
	run_fini(&r);
}

CASE(output_that_nobody_asked_for_is_still_there_after_the_end)
{
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__ReadStreamRequest read = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WaitProcessResponse *end = NULL;
	Grpc__ReadStreamResponse *data = NULL;
	struct err e = {0};

	box_prepare(vm);
	MUST(box_create(vm, "late", "echo kept; exit 4", NULL, &why));
	MUST(box_start(vm, "late", &why));
	wait.container_id = read.container_id = (char *) "late";
	wait.exec_id = (char *) "late";
	for (int i = 0; i < 3; i++) { /* as often as one likes */
		MUST(vm_call(vm, "WaitProcess", &wait, &end, &why));
		CHECK_EQ(end->status, 4);
		ttrpc_message_free(&end->base);
		end = NULL;
	}
	read.len = 3;
	MUST(vm_call(vm, "ReadStdout", &read, &data, &why));
	CHECK_EQ(data->data.len, 3);
	ttrpc_message_free(&data->base);
	data = NULL;
	read.len = 100;
	MUST(vm_call(vm, "ReadStdout", &read, &data, &why));
	CHECK_EQ(data->data.len, 2);
	ttrpc_message_free(&data->base);
	CHECK_EQ(vm_call(vm, "ReadStdout", &read, NULL, &e), -ERANGE);
	CHECK_STR(e.text, "end of file");
	MUST(box_remove(vm, "late", 0, &why));
}

CASE(a_child_left_behind_does_not_hold_back_the_end_of_an_exec)
{
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "host", "exec sleep 1000", NULL, &why));
	MUST(box_start(vm, "host", &why));
	MUST(box_exec(vm, "host", "parent",
		      "(while ! [ -e /tmp/go ]; do sleep 0.05; done; echo late) & echo early",
		      &why));
	run_begin(&r, vm, "host", "parent");
	run_until_end(&r);
	CHECK_EQ(r.code, 0);
	CHECK_STR(run_out(&r), "early\n");
	CHECK(!r.out_ended);
	MUST(box_exec(vm, "host", "release", "echo > /tmp/go", &why));
	run_until_closed(&r);
	CHECK_STR(run_out(&r), "early\nlate\n");
	run_fini(&r);
	MUST(box_remove(vm, "host", 0, &why));
}

CASE(a_reader_that_hangs_up_breaks_the_pipe_of_the_process)
{
	Grpc__ReadStreamRequest hang_up = GRPC__READ_STREAM_REQUEST__INIT;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "yes", "yes; echo $? >&2", NULL, &why));
	run_begin(&r, vm, "yes", "");
	MUST(box_start(vm, "yes", &why));
	run_until_output(&r, 1 << 20);
	hang_up.container_id = (char *) "yes";
	MUST(vm_call(vm, "ReadStdout", &hang_up, NULL, &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 0);
	CHECK(strcmp(run_err(&r), "141\n") == 0 || strstr(run_err(&r), "\n1\n"));
	MUST(box_remove(vm, "yes", 0, &why));
	run_fini(&r);
}

CASE(a_terminal_is_one_and_can_be_resized)
{
	const struct box_options o = {
		.terminal = true,
		.process_extra = ", \"consoleSize\": {\"height\": 40, \"width\": 100}",
	};
	Grpc__TtyWinResizeRequest size = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	struct run r;

	box_prepare(vm);
	MUST(box_create(vm, "term",
			"tty; stty size; read x; stty size; echo \"got $x\"; echo oops >&2; exit 9",
			&o, &why));
	run_begin(&r, vm, "term", "");
	MUST(box_start(vm, "term", &why));
	run_until_output(&r, strlen("/dev/pts/0\r\n40 100\r\n"));
	CHECK(strstr(run_out(&r), "/dev/"));
	CHECK(strstr(run_out(&r), "40 100\r\n"));
	size.container_id = (char *) "term";
	size.row = 50;
	size.column = 132;
	MUST(vm_call(vm, "TtyWinResize", &size, NULL, &why));
	MUST(box_write(vm, "term", "", "word\n", &why));
	run_until_closed(&r);
	CHECK_EQ(r.code, 9);
	CHECK(strstr(run_out(&r), "word\r\n50 132\r\ngot word\r\noops\r\n"));
	CHECK_EQ(r.out_bytes_at_end, r.out_bytes);
	CHECK_EQ(r.err_bytes, 0);
	MUST(box_remove(vm, "term", 0, &why));
	run_fini(&r);
}

CASE(much_output_of_a_terminal_arrives_whole)
{
	const struct box_options o = {.terminal = true};
	struct run r;

	box_prepare(vm);
	CHECK_EQ(box_run(vm, "termmuch", "stty raw; exec seq 1 30000", &o, &r), 0);
	CHECK_EQ(r.out_bytes, 168894);
	CHECK_EQ(r.out_bytes_at_end, r.out_bytes);
	run_fini(&r);
}
