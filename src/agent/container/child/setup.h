#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "agent/container/child.h"
#include "agent/container/child/resolve.h"
#include "agent/container/handshake.h"
#include "base/auto.h"
#include "base/err.h"
#include "oci.pb-c.h"
#include "oci/hook_run.h"

/*
 * The other side of the handshake: a process that the agent has made, and that turns itself into a
 * container's init or into one more process in it. It has all privileges until it gives them up; it
 * is single-threaded; it leaks on purpose, because it soon executes something else or ends.
 *
 * Each file here does one thing to the process. init.c and exec.c say in which order.
 */
struct setup {
	enum child_kind kind;
	const char *id, *bundle;
	uint32_t number;        /* see child.h */
	Grpc__Spec *spec;       /* not for CHILD_EXEC* */
	Grpc__Process *process; /* what it becomes */
	int filter_fd, ipc_ns, uts_ns, user_ns,
		pid_ns;      /* those of child.h that are there, else -1 */
	int proc_fd;         /* the agent's /proc: what the container has there may be hostile */
	struct root *root;   /* the container's, until it is "/" */
	unsigned namespaces; /* CLONE_NEW* that the container does not share with the agent */
	int *sources;        /* per mount: what to bind, opened in advance, or -1 */
	struct late *late;   /* mounts that become read-only last */
	size_t n_late;
	bool setup_dev;             /* devices are to be made in /dev */
	struct sock_filter *filter; /* the compiled seccomp program; NULL for none */
	unsigned short filter_len;
	uint32_t filter_flags;
	struct hook_runner start_hooks; /* HOOK_RUNNER_NONE without them */
	bool in_cwd;
	char *program; /* the path found for process.args[0] */
};

/* A step. Its error names the field of the specification that it is about. */
typedef int (*setup_fn)(struct setup *s, struct err *e);

/* Runs all steps of a child up to executing the workload; returns only on failure. */
int setup_init(struct setup *s, struct err *e);
int setup_exec(struct setup *s, struct err *e);

/* Runs steps in their order until one fails. */
int setup_run(struct setup *s, const setup_fn *steps, size_t n, struct err *e);

/* Sends @step to the agent and waits for GO. */
int setup_ask(enum step step, pid_t pid, int fd, struct err *e);

/* refuse.c: fields that nothing here can honour. */
int refuse_unsupported(struct setup *s, struct err *e);
int refuse_unsupported_process(struct setup *s, struct err *e);

/* namespaces.c */
int enter_namespaces(struct setup *s, struct err *e);
int join_container(struct setup *s, struct err *e);
/* Has the agent write the maps of the user namespace that this process has just got, and becomes
 * its root, with all capabilities in it. */
int begin_user_namespace(struct err *e);

/* hold.c: returns only when it fails. */
int hold_namespaces(struct setup *s, struct err *e);

/* session.c: session and keyring; names of the host; sysctls. */
int start_session(struct setup *s, struct err *e);
int set_names(struct setup *s, struct err *e);
int set_sysctls(struct setup *s, struct err *e);

/* freshen.c: what the engine has written into mounted files until the start is seen. */
int freshen_files(struct setup *s, struct err *e);

/* rootfs.c */
int open_sources(struct setup *s, struct err *e);
int make_root(struct setup *s, struct err *e);
int make_cwd(struct setup *s, struct err *e);
int hide_paths(struct setup *s, struct err *e);
int make_readonly(struct setup *s, struct err *e);
int enter_root(struct setup *s, struct err *e);

/* mounts.c */
int make_mounts(struct setup *s, struct err *e);

/* devices.c */
int make_devices(struct setup *s, struct err *e);

/* console.c */
int open_console(struct setup *s, struct err *e);
int open_exec_console(struct setup *s, struct err *e);

/* limits.c: how the kernel treats the process. */
int set_oom_score(struct setup *s, struct err *e);
int raise_rlimits(struct setup *s, struct err *e);
int set_rlimits(struct setup *s, struct err *e);
int set_scheduling(struct setup *s, struct err *e);
int set_personality(struct setup *s, struct err *e);

/* user.c: environment, user, working folder. */
int set_environment(struct setup *s, struct err *e);
int set_user(struct setup *s, struct err *e);
int enter_cwd(struct setup *s, struct err *e);
int enter_cwd_as_user(struct setup *s, struct err *e);

/* caps.c */
int set_bounding_caps(struct setup *s, struct err *e);
int set_effective_caps(struct setup *s, struct err *e);
int raise_all_caps(struct err *e);
int set_caps(struct setup *s, struct err *e);
int set_no_new_privs(struct setup *s, struct err *e);

/* seccomp.c */
int compile_filter(struct setup *s, struct err *e);
int receive_filter(struct setup *s, struct err *e);
int load_filter(struct setup *s, struct err *e);

/* program.c */
int find_program(struct setup *s, struct err *e);
/* Sends EXECUTING to the agent. */
int tell_executing(struct setup *s, struct err *e);
int execute(struct setup *s, struct err *e);

/* hooks.c */
int run_create_container_hooks(struct setup *s, struct err *e);
int prepare_start_hooks(struct setup *s, struct err *e);
int run_start_hooks(struct setup *s, struct err *e);
int run_agent_hooks(struct setup *s, struct err *e);
