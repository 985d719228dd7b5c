#pragma once

/*
 * What a child of the agent finds when it begins:
 *
 *	kata-agent init KIND ID BUNDLE NUMBER
 *
 * NUMBER is the personality for CHILD_INIT and CHILD_EXEC*; for hooks it is the pid of the
 * container's init as the agent sees it, or 0. And these descriptors, of which the optional ones are
 * closed when they are not used.
 */
#define CHILD_CONTROL    3 /* the handshake */
#define CHILD_JOB        4 /* memfd: a packed Grpc__Spec; for CHILD_EXEC a packed Grpc__Process */
#define CHILD_FILTER     5 /* CHILD_EXEC, optional: the container's compiled seccomp program */
#define CHILD_IPC_NS     6 /* CHILD_INIT, optional: the pod's */
#define CHILD_UTS_NS     7 /* CHILD_INIT, optional: the pod's */
#define CHILD_INIT_PIDFD 8 /* CHILD_EXEC: the container's init, whose namespaces are joined */

#define CHILD_FD_MAX 12

/* What it is made for. */
enum child_kind {
	CHILD_INIT,
	CHILD_EXEC,
	CHILD_EXEC_USERNS,  /* the container has a user namespace of its own */
	CHILD_CREATE_HOOKS, /* prestart and createRuntime, in the agent's namespaces */
	CHILD_POSTSTART_HOOKS,
	CHILD_POSTSTOP_HOOKS,
	CHILD_KIND_MAX,
};

const char *child_kind_name(enum child_kind kind);

/* CHILD_KIND_MAX when unknown. */
enum child_kind child_kind_from_name(const char *name);
