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
 * Threads: any number may call at once; replies find their calls by id. The monitor has no thread
 * of its own: a caller that waits for its reply reads for all, qmp_process() reads when none waits.
 *
 * Distrusts QEMU: its messages are bounded in length and depth and checked for their shape.
 * Nonsense breaks the connection: every call then fails with the same sentence, and nothing more is
 * sent.
 */
struct qmp;

/* An event of QEMU. Called on the thread that happens to read, with the monitor locked: it must
 * call no function of qmp. @data may be NULL; both are borrowed. */
typedef void (*qmp_event_fn)(void *arg, const char *event, const json_t *data);

/* Longest line that is accepted. Replies to the driver's commands have some hundred bytes. */
#define QMP_LINE_MAX (256U << 10)
/* Most calls that wait at one time. */
#define QMP_CALLS_MAX 64

/* Takes @take_fd, a connected stream socket, on success. @fn may be NULL. */
int qmp_open(int take_fd, qmp_event_fn fn, void *arg, struct qmp **ret, struct err *e);

/* No call may be waiting. Accepts NULL. */
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
 * Returns 0, -ETIMEDOUT (a late answer is thrown away), -ECONNRESET, -EPROTO, -EBUSY (too many
 * calls), or -EREMOTEIO: QEMU refused, with its words in @e.
 */
int qmp_call(struct qmp *q, const char *command, json_t *take_args, msec_t deadline, json_t **ret,
	     struct err *e);

/* The same with a descriptor for QEMU (add-fd), which stays the caller's. */
int qmp_call_fd(struct qmp *q, const char *command, json_t *take_args, int send_fd, msec_t deadline,
		json_t **ret, struct err *e);

/* The same for a command whose end QEMU tells by @event with @device in it: returns 0 when both
 * have come. -ETIMEDOUT: the command was taken, the event may still come. */
int qmp_call_until(struct qmp *q, const char *command, json_t *take_args, const char *event,
		   const char *device, msec_t deadline, struct err *e);

/* For poll() and loops; borrowed. */
int qmp_fd(const struct qmp *q);

/* Reads what QEMU has sent, never waits. Returns 0, or the error that broke the connection. */
int qmp_process(struct qmp *q, struct err *e);
