#pragma once

#include "base/list.h"
#include "base/worker.h"

/*
 * The jobs of a sandbox: what takes long, and therefore runs on a thread. Private to host/sandbox.
 *
 *	about a container	beside those of other containers, so that a slow hook or a slow
 *				create delays nobody else; of one container one at a time, because
 *				the container is busy meanwhile
 *	about its size		and its limits: beside those of containers, one after the other
 *	about the machine	(start, stop) alone, because every other job uses what it makes and
 *				removes
 *
 * Jobs begin in the order in which they were queued: one that must wait holds up those behind it.
 * But the end of the machine lets jobs of containers pass, because it may wait for somebody's hook
 * that takes for ever, and others want to be deleted meanwhile.
 *
 * Threads: the sandbox's worker runs all jobs of the machine, because the VMM ends with the thread
 * that started it, and a job of a container if it is idle: so a lone container needs no second
 * thread. A container whose job finds it busy has a thread of its own, which ends with the job.
 *
 * Everything here is called on the loop.
 */
struct sandbox;
struct guest_container;

struct jobs {
	struct list waiting; /* struct sandbox_job */
	unsigned beside;     /* how many run that may run beside each other */
	bool of_machine;
};

struct sandbox_job {
	struct worker_job job; /* its run function is the owner's */
	worker_done_fn done;   /* on the loop; may free the job */
	bool lets_pass;        /* jobs behind it may begin while it waits for others */
	struct list link;      /* private */
	struct sandbox *sb;
	struct guest_container *container;
	struct worker *worker; /* about the size: who runs it; else NULL */
};

/* Queues a job of @container, or of the machine (NULL). Until it has ended, @container->worker is
 * the one that runs it. */
void job_queue(struct sandbox *sb, struct guest_container *container, struct sandbox_job *j);

bool jobs_are_idle(const struct jobs *jobs);
