#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/container/child.h"
#include "base/child.h"
#include "base/err.h"

/*
 * A helper that makes the agent's children: the agent's program, executed again as "kata-agent
 * zygote" when the first child is wanted. It clones one child a request. Each is a child of the
 * agent, not of the helper.
 *
 *	agent                                    zygote
 *	              ◄── READY ──────────────
 *	  zygote_request, descriptors ─────────►   joins the pid namespace, clones, leaves it
 *	              ◄── PID_MADE (pidfd) ─────
 *	                  or FAILED
 *
 * A child needs the agent's program, but must not have its memory, because that holds requests for
 * the other containers of a pod, and a workload may have the right to trace a process that joins
 * it. Executing the program again for each child would do, too, but is a quarter of all that a
 * guest does for an exec. The zygote has executed it once, and holds one request at a time.
 *
 * Threads: none. The agent waits for the answer; no workload can delay it, because the zygote is in
 * no container's cgroup, and a child enters one only when it is cloned.
 */
struct zygote {
	int exe_fd;  /* the agent's own file, on a mount that nobody else can reach */
	int null_fd; /* the zygote's stdio; a child keeps what its spec does not replace */
	int sock;    /* -1: not started, or lost */
	int pidfd;
};

/**
 * struct worker_spec - how to make a child; all borrowed
 * @kind:	with @id, @bundle and @number what the child gets, see child.h
 * @new_ns:	CLONE_NEW... of the namespaces that it is cloned into
 * @pid_ns:	namespace or pidfd whose pid namespace the child is made in; -1: the agent's
 * @cgroup_fd:	-1: the agent's
 * @fds:	CHILD_JOB ... and 0, 1, 2 for those not /dev/null; -1 entries are skipped
 */
struct worker_spec {
	enum child_kind kind;
	const char *id, *bundle;
	uint32_t number;
	uint32_t new_ns;
	int pid_ns;
	int cgroup_fd;
	struct child_fd fds[CHILD_FD_MAX];
	size_t n_fds;
};

void worker_spec_add_fd(struct worker_spec *spec, int fd, int as);

/* Opens what it needs, starts nothing. */
int zygote_init(struct zygote *z, struct err *e);

/* Starts it, if there is none, and waits until it can be asked; zygote_make() does so, too. */
int zygote_start(struct zygote *z, struct err *e);

/* Ends it; the children live on. Accepts one that zygote_init() failed for. */
void zygote_fini(struct zygote *z);

/* Makes a child, and before it the zygote if there is none. @control becomes its CHILD_CONTROL.
 * *@ret_pidfd belongs to the caller. Errors: -EBUSY when the cgroup takes no processes, -ESRCH when
 * the pid namespace has ended, or -errno. */
int zygote_make(struct zygote *z, const struct worker_spec *spec, int control, pid_t *ret_pid,
		int *ret_pidfd, struct err *e);

/*
 * The request as it goes over the socket, cut off behind the text: the id and the bundle, each with
 * its NUL. The descriptors are the child's, then the pid namespace, then the cgroup.
 */
#define ZYGOTE_TEXT_MAX 6144

struct zygote_request {
	uint32_t kind; /* enum child_kind */
	uint32_t number;
	uint32_t new_ns; /* CLONE_NEW... */
	bool has_pid_ns, has_cgroup;
	uint32_t n_fds;
	int32_t as[CHILD_FD_MAX]; /* their numbers in the child */
	char text[ZYGOTE_TEXT_MAX];
};
