#pragma once

#include <stddef.h>

/*
 * Makes ps(1) and top(1) show other words for this process, one blank between two. This overwrites
 * the arguments and the environment that the process was started with (/proc/PID/cmdline, environ),
 * so nobody may call getenv() afterwards; the words are cut to the size of both.
 *
 * In two steps, because a process that was cloned from one with threads cannot do the first.
 */
struct title {
	char *area; /* where the kernel finds the words, and behind them the environment */
	size_t bytes;
	char *text; /* @bytes, what will be there */
};

/* Joins the @n @args, which may lie in the area that is overwritten. Freed with title_fini(). Where
 * this cannot be done, title_show() does nothing. */
void title_make(char *const *args, size_t n, struct title *ret);

/* Overwrites. A copy of memory, no more. */
void title_show(const struct title *t);

void title_fini(struct title *t);
