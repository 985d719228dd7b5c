#pragma once

#include <stdint.h>

/*
 * What a child of the agent finds when it begins: the arguments of container_child_run(), of which
 * the number is the personality for CHILD_INIT and CHILD_EXEC*, for hooks the pid of the
 * container's init as the agent sees it, or 0, and for CHILD_HOLD 1 in a new user namespace; and
 * these descriptors, of which the optional ones are closed when they are not used. No other is
 * open.
 */
#define CHILD_CONTROL    3  /* the handshake */
#define CHILD_JOB        4  /* memfd: a packed Grpc__Spec; for CHILD_EXEC a packed Grpc__Process */
#define CHILD_FILTER     5  /* CHILD_EXEC, optional: the container's compiled seccomp program */
#define CHILD_IPC_NS     6  /* CHILD_INIT, optional: the pod's */
#define CHILD_UTS_NS     7  /* CHILD_INIT, optional: the pod's */
#define CHILD_INIT_PIDFD 8  /* CHILD_EXEC: the container's init, whose namespaces are joined */
#define CHILD_USER_NS    9  /* CHILD_INIT, optional: the pod's, or that of another container */
#define CHILD_PID_NS     10 /* CHILD_INIT, optional: the same; the child is in it already */

#define CHILD_FD_END 11 /* behind the last */

#define CHILD_FD_MAX 12 /* of one child, stdin, stdout and stderr included */

/* What the child is made for. */
enum child_kind {
	CHILD_INIT,
	CHILD_EXEC,
	CHILD_EXEC_USERNS,  /* the container has a user namespace of its own */
	CHILD_CREATE_HOOKS, /* prestart and createRuntime, in the agent's namespaces */
	CHILD_POSTSTART_HOOKS,
	CHILD_POSTSTOP_HOOKS,
	CHILD_HOLD, /* no container's: keeps namespaces; has no CHILD_JOB */
	CHILD_KIND_MAX,
};

/* Runs a child until it has become the workload or ends. Returns its exit code. */
int container_child_run(enum child_kind kind, const char *id, const char *bundle, uint32_t number);
