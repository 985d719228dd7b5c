#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "base/worker.h"

/*
 * Why a machine broke. Private to host/sandbox. Three report, and the first report is rarely the
 * cause: when a guest panics or a VMM is killed, the agent's connection and virtiofsd go first, and
 * the VMM, which has the reason, ends an instant later. The best report counts:
 *
 *	VMM		its own end, with the guest's panic or the signal that killed it
 *	file server	its own failure, or that it ended with the VMM: told with what the VMM knows
 *	connection	no more than that it broke
 *
 * Any report but the VMM's waits a moment for a better one. Calls that fail meanwhile wait too, so
 * that all of them are told the same.
 */
struct sandbox;

/* Rising: a later one knows better. */
enum cause_rank { CAUSE_NONE, CAUSE_CONNECTION, CAUSE_FILE_SERVER, CAUSE_VMM };

/* Loop's. */
struct cause {
	bool is_trial;           /* another machine follows one that breaks: no report counts */
	bool trial_broke;        /* there was one */
	bool is_known;           /* the sandbox is broken: no report is listened to any more */
	struct err why;          /* once it is known */
	enum cause_rank best;    /* of the reports so far */
	struct err report;       /* that one */
	struct loop_timer *wait; /* for a better one */
	struct list calls;       /* struct cause_wait: failed meanwhile */
	void (*broke)(struct sandbox *sb); /* called once when it is known */
};

/* Something of the machine has ended by itself. Ignored once the machine is meant to end. Loop. */
void cause_report(struct sandbox *sb, enum cause_rank rank, const struct err *e);

/* The sandbox is given up for a reason of its owner's. Loop. */
void cause_give_up(struct sandbox *sb, const struct err *why);

/* From now on a machine that breaks is no cause, because another one will be made. For its job. */
void cause_begin_trial(struct sandbox *sb, struct worker *w);

/* From now on it is again. Returns whether it is well: neither broken meanwhile nor given up. */
bool cause_end_trial(struct sandbox *sb, struct worker *w);

/* The machine is about to be ended: nothing that ends from now on is a cause. Loop. */
void cause_expect_end(struct sandbox *sb);

/* A failed call on the loop that waits for the cause. */
struct cause_wait {
	struct list link;
	void (*tell)(struct cause_wait *w, const struct err *why);
};

/* For a call that failed: true if @w->tell is called now or in a moment, false if the machine is
 * well and the call failed for its own reasons. Loop. */
bool cause_tells(struct sandbox *sb, struct cause_wait *w);

/* The same for a call of a job, which failed with @r and @e: waits for the cause and puts it into
 * @e. Returns what the call must return. @w: the worker whose job calls. */
int cause_find(struct sandbox *sb, struct worker *w, int r, struct err *e);

/* For a boot that failed with @r and @e: puts what is known better into @e, or adds it. Returns
 * what the boot must return. For the machine's job. */
int cause_of_boot(struct sandbox *sb, int r, struct err *e);
