#pragma once

/* The two directions of a relay, stdio_in.c and stdio_out.c. Private to stdio. */

#include "agent.pb-c.h"
#include "base/list.h"
#include "host/stdio/stdio.h"

/* From the guest to the user. */
struct outlet {
	struct stdio *io;
	const char *method; /* "ReadStdout" */
	struct stream *to;  /* NULL: thrown away */
	unsigned asked;     /* reads under way */
	struct list calls;  /* struct read_call, those reads */
	struct list chunks; /* struct chunk, received and not written yet, oldest first */
	unsigned n_chunks;
	bool ended; /* the guest sends no more */
	bool cut;   /* because the connection was cut */
	bool gone;  /* the user does not read any more */
	bool stuck; /* the user's end is full */
	msec_t heard_at;
	bool delivered;     /* the user has, or can read, all output that has arrived */
	msec_t alone_until; /* how long a user who has yet to come is waited for; 0: not yet */
	struct loop_timer *user_timer; /* while one is */
};

void outlet_init(struct outlet *o, struct stdio *io, const char *method, struct stream *take_to);
void outlet_fini(struct outlet *o);
void outlet_start(struct outlet *o);

/* Throws away what waits, and what will come. */
void outlet_discard(struct outlet *o);

/* As if the user had closed its end. */
void outlet_hang_up(struct outlet *o);

/* Looks whether all is delivered, after it or its relay has changed. Closes the user's end when no
 * more can come. stdio_moved() comes next. */
void outlet_settle(struct outlet *o);

/* The user's end took no more when output was written to it last. */
bool outlet_is_stuck(const struct outlet *o);

/* From the user to the guest. */
struct inlet {
	struct stdio *io;
	struct stream *from; /* NULL: none, or at its end */
	struct list calls;   /* struct write_call under way */
	unsigned n_calls;
	bool started;
	bool ended;  /* nothing more will be read from the user */
	bool closed; /* the guest was told */
};

void inlet_init(struct inlet *i, struct stdio *io, struct stream *take_from);
void inlet_fini(struct inlet *i);
void inlet_start(struct inlet *i);
void inlet_stop(struct inlet *i);

struct stdio {
	struct loop *loop;
	struct ttrpc_client *client;
	char *container_id;
	char *exec_id;
	struct stdio_promises promises;
	bool terminal;
	bool connection;
	bool broken;
	bool lingers; /* the process has ended, its children have not */
	struct inlet in;
	struct outlet out, err;
	void (*done)(void *arg); /* set while somebody waits for the end of output */
	void *done_arg;
	struct loop_timer *silence_timer;
	struct loop_timer *hurry_timer;
	uint32_t patience_ms;
	unsigned patiences;               /* left */
	uint64_t written, written_before; /* to the user, and when the timer was set */
};

/* How many messages of one stream may be under way. */
static inline unsigned stdio_depth(const struct stdio *io)
{
	/* Only our agent promises to answer in order. */
	return io->promises.ordered_exit ? STDIO_DEPTH : 1;
}

/* stdio_written.c: called after a change of an outlet: calls back if all output is written. */
void stdio_moved(struct stdio *io);

/* For a call whose answer changes nothing. */
static inline void stdio_ignore(void *arg, struct ttrpc_answer *answer)
{
	(void) arg, (void) answer;
}
