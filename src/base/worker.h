#pragma once

#include <stdbool.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"

/*
 * The worker: one thread for long jobs, so that each can be written as plain steps.
 *
 *	loop ──worker_run()──► queue ──► job.run(): step, step, step	(worker thread)
 *	  ▲                                  │ worker_on_loop(): a step that the loop must do
 *	  └────── job.done() ◄──loop_post()──┘
 *
 * Jobs run one after the other. The thread begins with the first job. It ends when there is none,
 * or stays as long as the worker: the kernel kills the VMM and its helpers when the thread that
 * started them ends (PR_SET_PDEATHSIG).
 */
struct worker;

struct worker_job;

typedef int (*worker_run_fn)(struct worker_job *job, struct err *e);
typedef void (*worker_done_fn)(struct worker_job *job, int r, struct err *e);

struct worker_job {
	worker_run_fn run;       /* on the worker */
	worker_done_fn done;     /* on the loop; may free the job */
	struct worker_job *next; /* private */
	struct worker *worker;
	int r;
	struct err err;
};

int worker_new(struct loop *loop, bool stays, struct worker **ret, struct err *e);

/* Waits for the job that runs, forgets those that wait, ends the thread. Called on the loop's
 * thread, not from a job. A job in worker_on_loop() needs the loop, so run the loop until
 * worker_is_idle() first. Accepts NULL. */
void worker_free(struct worker *w);
AUTO_PTR(struct worker, worker_free)

bool worker_is_idle(const struct worker *w);

/* Queues a job; it belongs to the worker until its done function is called. If there can be no
 * thread, it has failed then and did not run. */
void worker_run(struct worker *w, struct worker_job *job);

/* For jobs: runs @fn on the loop's thread and waits for it. Returns what it returned. Not on the
 * loop's thread. */
int worker_on_loop(struct worker *w, int (*fn)(void *arg, struct err *e), void *arg, struct err *e);

/* The same for a step that ends later than its function: waits until worker_resume(). */
void worker_await_loop(struct worker *w, loop_fn fn, void *arg);

/* For the loop: what worker_await_loop() asked for is done. */
void worker_resume(struct worker *w);
