#pragma once

/* Containers of this sandbox and their processes, as the host names them. Private to agent/rpc. */

#include "agent/container/container.h"
#include "agent/process/process.h"
#include "agent/rpc/agent.h"
#include "agent/storage/storage.h"
#include "base/list.h"

/* Containers at once, and processes of one container, those that have ended but were not waited for
 * included. */
#define MEMBERS_MAX 1024
#define TASKS_MAX   4096

/* So many processes that have ended, and were waited for, are kept in case the host asks for them
 * again. */
#define TASKS_SPENT_MAX 16

/* A process the host can name: (container id, exec id). */
struct task {
	struct list link; /* in member.execs */
	struct member *member;
	char *exec_id;                /* of the init process too; never NULL */
	struct container_process *cp; /* NULL before it is made, and for an exec after its end */
	struct process *process;      /* NULL until it is made */
	struct ttrpc_call *call;      /* the ExecProcess that is under way, else NULL */
	struct process_io io;         /* our ends, until there is a process */
};

/* A container. */
struct member {
	struct list link; /* in rpc.members */
	struct rpc *rpc;
	char *id;
	struct container *container; /* NULL until its storages and devices are there */
	struct storage_hold *hold;
	struct creation *creation; /* while CreateContainer is under way, else NULL */
	struct task init;
	struct list execs;
	unsigned n_execs;
	bool shares_pid_ns;         /* with the other containers of the pod */
	bool shares_users;          /* the same; then a shared pid namespace is that of the users */
	struct ttrpc_call *removal; /* the RemoveContainer that waits, or NULL */
	struct loop_timer *patience; /* of that call */
	bool removing;
};

/* Makes an entry in the table. Returns 0, -EEXIST, -EINVAL (not an id), or -errno. */
int member_new(struct rpc *rpc, const char *id, const char *exec_id, struct member **ret,
	       struct err *e);

/* Kills the container, releases its storages and frees @m. Answers calls that still wait. Must not
 * be called from a callback of one of its processes' operations. Accepts NULL. */
void member_free(struct member *m);

/* sandbox.c: all of them, those included that are still being made. */
void members_free(struct rpc *rpc);

/* create.c: answers and undoes a CreateContainer that is under way; frees its member. */
void creation_cancel(struct creation *c);

/* exec.c: makes the pipes, unless there will be a terminal. The caller closes @ret. */
int task_open_stdio(struct task *t, bool terminal, struct container_stdio *ret, struct err *e);

/* Returns 0 or -ENOENT. */
int member_find(struct rpc *rpc, const char *id, struct member **ret, struct err *e);

/* The same for a container that has been made. -EBUSY when it is still being made. */
int member_find_made(struct rpc *rpc, const char *id, struct member **ret, struct err *e);

/* A process that has been made. An empty @exec_id, the container's id and the one that
 * CreateContainer gave name the init process. Returns NULL after it has answered @call: -ENOENT, or
 * -EBUSY when the process is still being made. */
struct task *task_find(struct rpc *rpc, const char *id, const char *exec_id,
		       struct ttrpc_call *call);

bool task_is_init(const struct task *t);

/* A new exec of a container. Returns 0, -EEXIST, or -errno. */
int task_new(struct member *m, const char *exec_id, struct task **ret, struct err *e);
void task_free(struct task *t);

/* The process was made: sets up its streams, which can be used from now on. */
int task_attach(struct task *t, struct err *e);

/* For container_config.exited and container_exec(). */
void task_exited(struct task *t, int status);
