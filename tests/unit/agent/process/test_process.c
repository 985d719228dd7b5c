#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "agent/process/process.h"
#include "base/array.h"
#include "base/fd.h"

/* A process that is not there: its ends of the pipes are in our own hands. */
struct fake {
	struct loop *loop;
	struct process *p;
	int end[3]; /* what the process has as 0, 1, 2 */
};

struct reading {
	struct process_read r;
	uint8_t *room;
	ssize_t n; /* -EINPROGRESS until finished */
	int finishes;
	bool no_memory;
};

struct writing {
	struct process_write w;
	int r;
};

struct waiting {
	struct process_wait w;
	int code;
};

static uint8_t *room(struct process_read *r, size_t bytes)
{
	struct reading *x = container_of(r, struct reading, r);

	CHECK(bytes > 0 && bytes <= r->max_bytes);
	if (x->no_memory)
		return NULL;
	free(x->room);
	x->room = calloc(1, bytes + 1);
	return x->room;
}

static void read_finished(struct process_read *r, ssize_t n)
{
	struct reading *x = container_of(r, struct reading, r);

	x->n = n;
	x->finishes++;
}

static void begin_read(struct fake *f, enum process_stream which, struct reading *x, size_t max)
{
	*x = (struct reading){
		.r = {.max_bytes = max, .room = room, .finish = read_finished},
		.n = -EINPROGRESS,
	};
	process_read(f->p, which, &x->r);
}

static void write_finished(struct process_write *w, int r)
{
	container_of(w, struct writing, w)->r = r;
}

static void begin_write(struct fake *f, struct writing *x, const void *data, size_t bytes)
{
	*x = (struct writing){
		.w = {.data = data, .bytes = bytes, .finish = write_finished},
		.r = -EINPROGRESS,
	};
	process_write(f->p, &x->w);
}

static void wait_finished(struct process_wait *w, int code)
{
	container_of(w, struct waiting, w)->code = code;
}

static void begin_wait(struct fake *f, struct waiting *x)
{
	*x = (struct waiting){.w = {.finish = wait_finished}, .code = -EINPROGRESS};
	process_wait(f->p, &x->w);
}

/* Runs the loop until nothing is due any more. */
static void settle(struct fake *f)
{
	while (loop_step(f->loop, clock_now(), NULL) > 0)
		;
}

/* Few bytes right behind others come a moment later. */
static void await(struct fake *f, const struct reading *x)
{
	while (x->n == -EINPROGRESS)
		CHECK_EQ(loop_step(f->loop, clock_deadline(5000), NULL), 1);
}

static void fake_open(struct fake *f)
{
	struct process_io io = PROCESS_IO_NONE;

	(void) signal(SIGPIPE, SIG_IGN);
	CHECK_EQ(loop_new(&f->loop, NULL), 0);
	CHECK_EQ(process_io_open(0, &io, f->end, NULL), 0);
	CHECK_EQ(process_new(f->loop, &io, &f->p, NULL), 0);
}

static void fake_close(struct fake *f)
{
	process_free(f->p);
	for (int i = 0; i < 3; i++)
		fd_close(f->end[i]);
	loop_free(f->loop);
}

static void say(struct fake *f, const char *text)
{
	CHECK_EQ(fd_write_all(f->end[1], text, strlen(text)), 0);
}

static void hang_up(struct fake *f)
{
	for (int i = 0; i < 3; i++)
		f->end[i] = fd_close(f->end[i]);
}

TEST(a_read_waits_for_output)
{
	struct fake f;
	struct reading x;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	settle(&f);
	CHECK_EQ(x.n, -EINPROGRESS);
	say(&f, "hello");
	settle(&f);
	CHECK_EQ(x.n, 5);
	CHECK_STR((char *) x.room, "hello");
	free(x.room);
	fake_close(&f);
}

TEST(a_read_takes_all_that_is_there_up_to_its_limit)
{
	struct fake f;
	struct reading x;

	fake_open(&f);
	say(&f, "abc");
	say(&f, "def");
	begin_read(&f, PROCESS_STDOUT, &x, 4);
	CHECK_EQ(x.n, 4);
	CHECK_STR((char *) x.room, "abcd");
	free(x.room);
	begin_read(&f, PROCESS_STDOUT, &x, 4);
	await(&f, &x);
	CHECK_EQ(x.n, 2);
	free(x.room);
	fake_close(&f);
}

TEST(the_first_bytes_come_at_once_and_those_behind_together)
{
	struct fake f;
	struct reading x;
	unsigned reads = 0;

	fake_open(&f);
	say(&f, "first");
	begin_read(&f, PROCESS_STDOUT, &x, 1000);
	CHECK_EQ(x.n, 5);
	free(x.room);
	for (size_t got = 0; got < 100; got += (size_t) x.n, reads++) {
		begin_read(&f, PROCESS_STDOUT, &x, 1000);
		for (int i = 0; i < 100 && got == 0; i++)
			say(&f, ".");
		await(&f, &x);
		free(x.room);
	}
	CHECK(reads <= 2); /* the one that waited, and one if it waited no more */
	/* Much does not wait, and neither does what a process leaves behind. */
	for (int i = 0; i < 300; i++)
		say(&f, "more than enough");
	begin_read(&f, PROCESS_STDOUT, &x, 10000);
	CHECK(x.n >= 2048);
	free(x.room);
	say(&f, "last");
	begin_read(&f, PROCESS_STDOUT, &x, 10000);
	process_ended(f.p, 0);
	CHECK(x.n > 0);
	free(x.room);
	fake_close(&f);
}

TEST(reads_are_answered_in_the_order_they_came)
{
	struct fake f;
	struct reading x[3];

	fake_open(&f);
	for (int i = 0; i < 3; i++)
		begin_read(&f, PROCESS_STDOUT, &x[i], 1);
	say(&f, "abc");
	for (int i = 0; i < 3; i++) {
		await(&f, &x[i]);
		CHECK_EQ(x[i].n, 1);
		CHECK_EQ(x[i].room[0], 'a' + i);
		free(x[i].room);
	}
	fake_close(&f);
}

TEST(a_cancelled_read_takes_nothing)
{
	struct fake f;
	struct reading gone, x;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &gone, 10);
	begin_read(&f, PROCESS_STDOUT, &x, 10);
	process_read_cancel(&gone.r);
	say(&f, "x");
	settle(&f);
	CHECK_EQ(gone.finishes, 0);
	CHECK_EQ(x.n, 1);
	free(x.room);
	fake_close(&f);
}

TEST(output_survives_the_process_and_the_lack_of_memory)
{
	struct fake f;
	struct reading x;

	fake_open(&f);
	say(&f, "last words");
	hang_up(&f);
	process_ended(f.p, 3);
	settle(&f);
	x = (struct reading){
		.r = {.max_bytes = 10, .room = room, .finish = read_finished},
		.no_memory = true,
	};
	process_read(f.p, PROCESS_STDOUT, &x.r);
	CHECK_EQ(x.n, -ENOMEM);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	CHECK_EQ(x.n, 10);
	CHECK_STR((char *) x.room, "last words");
	free(x.room);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	CHECK_EQ(x.n, 0);
	fake_close(&f);
}

TEST(the_end_is_told_after_the_output)
{
	struct fake f;
	struct waiting w;
	struct reading out, err;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &out, 4);
	begin_read(&f, PROCESS_STDERR, &err, 4);
	begin_wait(&f, &w);
	say(&f, "123456");
	CHECK_EQ(fd_write_all(f.end[2], "e", 1), 0);
	process_ended(f.p, 7);
	CHECK_EQ(out.n, 4);
	CHECK_EQ(err.n, 1);
	settle(&f);
	CHECK_EQ(w.code, -EINPROGRESS);
	free(out.room);
	begin_read(&f, PROCESS_STDOUT, &out, 4);
	CHECK_EQ(out.n, 2);
	CHECK_EQ(w.code, 7);
	free(out.room);
	free(err.room);
	fake_close(&f);
}

TEST(who_wants_the_end_itself_learns_whether_output_is_left)
{
	struct fake f;
	struct waiting at_end = {.w = {.finish = wait_finished, .at_end = true},
				 .code = -EINPROGRESS};
	struct waiting w, late = at_end;
	struct reading out;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &out, 4);
	process_wait(f.p, &at_end.w);
	begin_wait(&f, &w);
	say(&f, "123456");
	process_ended(f.p, 7);
	CHECK_EQ(at_end.code, 7);
	CHECK(at_end.w.unread);
	CHECK_EQ(w.code, -EINPROGRESS);
	free(out.room);
	begin_read(&f, PROCESS_STDOUT, &out, 4);
	CHECK_EQ(w.code, 7);
	process_wait(f.p, &late.w);
	CHECK_EQ(late.code, 7);
	CHECK(!late.w.unread);
	free(out.room);
	fake_close(&f);
}

TEST(a_child_left_behind_does_not_hold_back_the_end)
{
	struct fake f;
	struct waiting w;
	struct reading x;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	begin_wait(&f, &w);
	process_ended(f.p, 0);
	CHECK_EQ(w.code, 0);
	CHECK_EQ(x.n, -EINPROGRESS);
	CHECK(!process_is_spent(f.p));
	say(&f, "from the child");
	settle(&f);
	CHECK_EQ(x.n, 14);
	free(x.room);
	hang_up(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	CHECK_EQ(x.n, 0);
	begin_read(&f, PROCESS_STDERR, &x, 100);
	CHECK_EQ(x.n, 0);
	CHECK(process_is_spent(f.p));
	fake_close(&f);
}

TEST(a_stream_nobody_reads_does_not_hold_back_the_end)
{
	struct fake f;
	struct waiting w;

	fake_open(&f);
	say(&f, "unheard");
	process_ended(f.p, 137);
	begin_wait(&f, &w);
	CHECK_EQ(w.code, 137);
	fake_close(&f);
}

TEST(a_reader_that_hangs_up_breaks_the_pipe_and_frees_the_end)
{
	struct fake f;
	struct waiting w;
	struct reading x;

	fake_open(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 100);
	process_close_output(f.p, PROCESS_STDOUT);
	CHECK_EQ(x.n, 0);
	CHECK_EQ(write(f.end[1], "x", 1), -1);
	CHECK_EQ(errno, EPIPE);
	begin_read(&f, PROCESS_STDERR, &x, 1);
	CHECK_EQ(write(f.end[2], "ab", 2), 2);
	process_ended(f.p, 1);
	free(x.room);
	begin_wait(&f, &w);
	CHECK_EQ(w.code, -EINPROGRESS);
	process_close_output(f.p, PROCESS_STDERR);
	CHECK_EQ(w.code, 1);
	fake_close(&f);
}

TEST(many_may_wait_before_and_after_the_end)
{
	struct fake f;
	struct waiting before[2], cancelled, after;

	fake_open(&f);
	begin_wait(&f, &before[0]);
	begin_wait(&f, &cancelled);
	begin_wait(&f, &before[1]);
	process_wait_cancel(&cancelled.w);
	process_ended(f.p, 9);
	begin_wait(&f, &after);
	CHECK_EQ(before[0].code, 9);
	CHECK_EQ(before[1].code, 9);
	CHECK_EQ(after.code, 9);
	CHECK_EQ(cancelled.code, -EINPROGRESS);
	fake_close(&f);
}

TEST(too_many_parked_operations_are_refused)
{
	static struct reading reads[PROCESS_PARKED_MAX + 1];
	static struct waiting waits[PROCESS_PARKED_MAX + 1];
	struct fake f;

	fake_open(&f);
	for (int i = 0; i <= PROCESS_PARKED_MAX; i++) {
		begin_read(&f, PROCESS_STDOUT, &reads[i], 1);
		begin_wait(&f, &waits[i]);
		CHECK_EQ(reads[i].n, i < PROCESS_PARKED_MAX ? -EINPROGRESS : -EBUSY);
		CHECK_EQ(waits[i].code, i < PROCESS_PARKED_MAX ? -EINPROGRESS : -EBUSY);
	}
	process_free(take_ptr(f.p));
	CHECK_EQ(reads[0].n, 0);
	CHECK_EQ(waits[0].code, -ESRCH);
	fake_close(&f);
}

static size_t drain(int fd, uint8_t *ret_last)
{
	static uint8_t some[65536];
	size_t all = 0;
	ssize_t n;

	CHECK_EQ(fd_set_nonblock(fd, true), 0);
	while ((n = read(fd, some, sizeof some)) > 0) {
		*ret_last = some[n - 1];
		all += (size_t) n;
	}
	return all;
}

TEST(writes_wait_for_room_and_keep_their_order)
{
	static uint8_t big[3 << 20];
	struct fake f;
	struct writing first, second;
	size_t got = 0;
	uint8_t last = 0;

	fake_open(&f);
	memset(big, 'x', sizeof big);
	begin_write(&f, &first, big, sizeof big);
	begin_write(&f, &second, "yz", 2);
	process_close_stdin(f.p);
	CHECK_EQ(first.r, -EINPROGRESS);
	while (second.r == -EINPROGRESS) {
		got += drain(f.end[0], &last);
		CHECK(second.r == 0 || first.r == 0 || last == 'x');
		settle(&f);
	}
	CHECK_EQ(first.r, 0);
	CHECK_EQ(second.r, 0);
	got += drain(f.end[0], &last);
	CHECK_EQ(got, sizeof big + 2);
	CHECK_EQ(last, 'z');
	CHECK_EQ(read(f.end[0], big, 1), 0);

	struct writing late;

	begin_write(&f, &late, "x", 1);
	CHECK_EQ(late.r, -EPIPE);
	fake_close(&f);
}

TEST(a_write_to_a_closed_stdin_fails_also_when_it_was_parked)
{
	static uint8_t big[3 << 20];
	struct fake f;
	struct writing parked, behind;

	fake_open(&f);
	begin_write(&f, &parked, big, sizeof big);
	begin_write(&f, &behind, big, 1);
	settle(&f);
	CHECK_EQ(parked.r, -EINPROGRESS);
	f.end[0] = fd_close(f.end[0]);
	settle(&f);
	CHECK_EQ(parked.r, -EPIPE);
	CHECK_EQ(behind.r, -EPIPE);
	/* And nobody is woken for ever by the broken pipe. */
	CHECK_EQ(loop_step(f.loop, clock_deadline(20), NULL), 0);
	fake_close(&f);
}

static void fake_open_tty(struct fake *f)
{
	struct process_io io = PROCESS_IO_NONE;

	(void) signal(SIGPIPE, SIG_IGN);
	*f = (struct fake){.end = {-1, -1, -1}};
	CHECK_EQ(openpty(&io.tty, &f->end[1], NULL, NULL, NULL), 0);

	struct termios raw;

	CHECK_EQ(tcgetattr(f->end[1], &raw), 0);
	cfmakeraw(&raw);
	CHECK_EQ(tcsetattr(f->end[1], TCSANOW, &raw), 0);
	CHECK_EQ(loop_new(&f->loop, NULL), 0);
	CHECK_EQ(process_new(f->loop, &io, &f->p, NULL), 0);
}

TEST(a_terminal_gives_everything_before_the_end)
{
	static uint8_t page[60000], all[60000];
	struct fake f;
	struct waiting w;
	struct reading x;
	size_t got = 0, put = 0;

	fake_open_tty(&f);
	for (size_t i = 0; i < sizeof page; i++)
		page[i] = (uint8_t) (i * 7);
	/* As much as the terminal holds. */
	CHECK_EQ(fd_set_nonblock(f.end[1], true), 0);
	for (ssize_t n; put < sizeof page; put += (size_t) n)
		if ((n = write(f.end[1], page + put, sizeof page - put)) < 0)
			break;
	CHECK(put > 4096);
	hang_up(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 1000);
	await(&f, &x);
	CHECK_EQ(x.n, 1000);
	process_ended(f.p, 5);
	begin_wait(&f, &w);
	do {
		CHECK_EQ(w.code, -EINPROGRESS);
		memcpy(all + got, x.room, (size_t) x.n);
		got += (size_t) x.n;
		free(x.room);
		begin_read(&f, PROCESS_STDOUT, &x, 1000);
		settle(&f);
		CHECK(x.n >= 0);
	} while (w.code == -EINPROGRESS);
	if (x.n > 0)
		memcpy(all + got, x.room, (size_t) x.n);
	got += (size_t) x.n;
	CHECK_EQ(w.code, 5);
	CHECK_EQ(got, put);
	CHECK_EQ(memcmp(all, page, put), 0);
	if (x.n > 0) {
		free(x.room);
		begin_read(&f, PROCESS_STDOUT, &x, 10);
		CHECK_EQ(x.n, 0);
	}
	fake_close(&f);
}

TEST(a_terminal_that_nobody_has_open_for_a_while_is_not_at_its_end)
{
	struct fake f;
	struct reading x;
	char name[64];

	fake_open_tty(&f);
	CHECK_EQ(ttyname_r(f.end[1], name, sizeof name), 0);
	hang_up(&f);
	begin_read(&f, PROCESS_STDOUT, &x, 10);
	settle(&f);
	CHECK_EQ(x.n, -EINPROGRESS);
	f.end[1] = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(f.end[1] >= 0);
	say(&f, "back");
	/* The kernel carries it over in its own time. */
	while (x.n == -EINPROGRESS)
		CHECK_EQ(loop_step(f.loop, clock_deadline(5000), NULL), 1);
	CHECK_EQ(x.n, 4);
	free(x.room);
	fake_close(&f);
}

TEST(a_terminal_can_be_resized_and_a_pipe_cannot)
{
	struct fake f;
	struct winsize size;
	struct err e = {0};

	fake_open_tty(&f);
	CHECK_EQ(process_resize(f.p, 50, 132, NULL), 0);
	CHECK_EQ(ioctl(f.end[1], TIOCGWINSZ, &size), 0);
	CHECK_EQ(size.ws_row, 50);
	CHECK_EQ(size.ws_col, 132);
	CHECK_EQ(process_resize(f.p, 70000, 1, NULL), -EINVAL);
	fake_close(&f);
	fake_open(&f);
	CHECK_EQ(process_resize(f.p, 1, 1, &e), -ENOTTY);
	CHECK_STR(e.text, "the process has no terminal");
	fake_close(&f);
}

TEST(a_terminal_takes_input_until_its_process_has_ended)
{
	struct fake f;
	struct writing x, late;
	char got[8] = "";

	fake_open_tty(&f);
	process_close_stdin(f.p); /* means nothing to a terminal */
	begin_write(&f, &x, "ls\n", 3);
	CHECK_EQ(x.r, 0);
	CHECK_EQ(read(f.end[1], got, sizeof got - 1), 3);
	CHECK_STR(got, "ls\n");
	process_ended(f.p, 0);
	begin_write(&f, &late, "x", 1);
	CHECK_EQ(late.r, -EPIPE);
	fake_close(&f);
}
