#pragma once

#include "base/loop.h"
#include "base/tail.h"

/*
 * The guest's console: a stream from the VMM. Its end is kept for explanations, and each line is
 * told as it comes.
 *
 * Threads: open, drain and close belong to the worker, and to the loop's thread when no worker
 * uses the machine; watch and unwatch to the loop's thread; the tail may be copied by any.
 */
struct console {
	struct tail tail;
	int fd; /* -1: none */
	struct loop_watch *watch;
	tail_line_fn fn;
	void *fn_arg;
};

/* @c is zeroed. @fn is called on the loop's thread. On failure console_fini() is due as well. */
int console_init(struct console *c, tail_line_fn fn, void *arg, struct err *e);
void console_fini(struct console *c);

/* Makes the stream. *@ret_far is the VMM's end, and the caller's. */
int console_open(struct console *c, int *ret_far, struct err *e);
void console_close(struct console *c);

/* Reads what is there without waiting and tells no lines: for a VMM that has ended. */
void console_drain(struct console *c);

int console_watch(struct console *c, struct loop *loop);

/* Reads what is there, telling the lines, and watches no longer. */
void console_finish(struct console *c);

/* Appends the last lines to the sentence in @e, printable and bounded, if there are any. */
void console_explain(struct console *c, struct err *e);
