#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/err.h"

/*
 * QEMU's monitor protocol: JSON objects, one a line, over a stream socket.
 *
 *	opened --greeting--> greeted --qmp_capabilities--> ready --end of file, nonsense--> broken
 *
 * Threads: any number may call at once; replies find their callers by id. There is no thread of its
 * own: whoever waits for a reply reads for all, and qmp_process() reads when nobody waits.
 *
 * Distrust: what comes is bounded in length and depth and checked for its shape. Nonsense breaks the
 * line, never us: every call then fails with the same sentence, and nothing more is sent.
 */
struct qmp;

/* An event of QEMU. Called on the thread that happens to read, with the line locked: note it, call
 * nothing of qmp. @data may be NULL; both are borrowed. */
typedef void (*qmp_event_fn)(void *arg, const char *event, const json_t *data);

/* Longest line that is accepted. Answers of the commands we use have some hundred bytes. */
#define QMP_LINE_MAX (256U << 10)
/* Most calls that wait at one time. */
#define QMP_CALLS_MAX 64

/* Takes @take_fd, a connected stream socket, on success. @fn may be NULL. */
int qmp_open(int take_fd, qmp_event_fn fn, void *arg, struct qmp **ret, struct err *e);

/* Nobody may be calling. Accepts NULL. */
void qmp_close(struct qmp *q);
AUTO_PTR(struct qmp, qmp_close)

/* Waits for the greeting and ends the negotiation. @version (of @version_bytes) becomes "7.2.22".
 * QEMU answers only when the machine is built, so this also waits for that. Returns 0, -ETIMEDOUT,
 * -ECONNRESET (QEMU hung up), -EPROTO (it speaks something else), or -errno. */
int qmp_greet(struct qmp *q, msec_t deadline, char *version, size_t version_bytes, struct err *e);

/**
 * qmp_call() - one command, one answer
 * @command:	such as "query-status"
 * @take_args:	an object or NULL; taken in any case
 * @ret:	the value of "return"; the caller's, json_decref(); may be NULL
 *
 * Returns 0, -ETIMEDOUT (a late answer is thrown away), -ECONNRESET, -EPROTO, -EBUSY (too many calls),
 * or -EREMOTEIO: QEMU refused, with its words in @e.
 */
int qmp_call(struct qmp *q, const char *command, json_t *take_args, msec_t deadline, json_t **ret,
	     struct err *e);

/* For poll() and loops; borrowed. */
int qmp_fd(const struct qmp *q);

/* Reads what has come, never waits. Returns 0, or the error that broke the line. */
int qmp_process(struct qmp *q, struct err *e);
