#pragma once

/* The two directions of a stream. Private to agent/process. */

#include "agent/process/process.h"

static inline bool parked_full(const struct list *parked)
{
	unsigned n = 0;

	list_for_each (pos, parked)
		n++;
	return n >= PROCESS_PARKED_MAX;
}

/* What a process writes. */
struct output {
	struct loop *loop;
	int fd; /* -1: none, or end of file was seen */
	bool is_tty;
	bool at_once;              /* no bytes wait for more */
	bool wanted;               /* a read has come */
	size_t owed_bytes;         /* to be handed out before the end may be told */
	bool settled;              /* the process has ended */
	struct list parked;        /* struct process_read */
	uint64_t answered_us;      /* when bytes were last handed out */
	struct loop_timer *gather; /* set while more bytes are waited for */
	unsigned gather_ms;        /* how long that is; grows while a flow of few bytes goes on */
	struct loop_watch *watch;
	void (*moved)(struct output *o); /* owed_bytes or the end of file changed */
};

/* @take_fd is swallowed on success. */
int output_init(struct output *o, struct loop *loop, int take_fd, bool is_tty, struct err *e);
void output_fini(struct output *o);
void output_read(struct output *o, struct process_read *r);
void output_close(struct output *o);

/* The process has ended: what is in the stream now is owed. */
void output_settle(struct output *o);

/* What a process reads. */
struct input {
	struct loop *loop;
	int fd; /* -1: none, or closed */
	bool closing;
	struct list parked;       /* struct process_write */
	struct loop_watch *watch; /* only while the process does not take more */
};

void input_init(struct input *i, struct loop *loop, int take_fd);
void input_fini(struct input *i);
void input_write(struct input *i, struct process_write *w);
void input_close_after_writes(struct input *i);
