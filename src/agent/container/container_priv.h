#pragma once

#include "agent/cgroup/cgroup.h"
#include "agent/container/container.h"
#include "agent/container/worker.h"
#include "base/list.h"

/*
 * What the files of the agent's half of this layer share.
 *
 * Callbacks may free the container or the process that they are about. Code that continues after a
 * callback takes a pin before it; the memory is freed with the last pin.
 */
struct container_process {
	struct container *container; /* NULL when that was freed first */
	struct list link;            /* in struct container.execs; the init process is in no list */
	struct worker worker;
	int tty; /* master of the terminal; -1 for none, or when it was taken */
	bool executing, ended;
	int status;             /* once ended */
	struct err err;         /* why it failed; no code while it has not */
	container_done_fn done; /* NULL when nobody waits */
	void *done_arg;
	container_exited_fn exited;
	void *arg;
	unsigned pins;
	bool freed;
};

struct container {
	struct container_host *host;
	enum container_state state;
	char *id, *bundle;
	struct cgroup *cgroup;
	int spec_fd;             /* memfd, packed: what children read */
	int filter_fd;           /* memfd, the compiled seccomp program; -1 for none */
	char *uid_map, *gid_map; /* for a new user namespace; NULL without one */
	bool has_userns;
	bool has_poststart, has_poststop;
	bool was_created;
	uint32_t personality; /* of the init process; exec processes get the same */
	/* What an exec process gets for fields that it leaves out. */
	Grpc__Process *defaults;
	struct container_process init;
	struct list execs;
	struct worker hooks;
	struct err hooks_err;
	void (*hooks_done)(struct container *c);
	void (*oom)(void *arg);
	container_done_fn paused, removed; /* NULL when nobody waits */
	void *paused_arg, *removed_arg;
	bool removing;
	struct err remove_err;
	struct loop_timer *remove_timer;
	unsigned pins;
	bool freed;
};

/* A container_process that does nothing yet. */
void container_process_init(struct container_process *p, struct container *c);

/* Kills the process and closes its descriptors; the memory stays. */
void container_process_fini(struct container_process *p);

/* lifetime.c, process.c */
void container_pin(struct container *c);
void container_process_pin(struct container_process *p);

/* Both return false when the object was freed meanwhile: it must not be used any more. */
bool container_unpin(struct container *c);
bool container_process_unpin(struct container_process *p);

/* Sets p->done to NULL and calls it with p->err. Does nothing when it is NULL already. */
void container_process_tell(struct container_process *p);

/* Sets p->err: the process ended before @before. Keeps an older error. */
void container_process_died(struct container_process *p, const char *before);

/* Packs @message into a new memfd. */
int container_pack(const ProtobufCMessage *message, int *ret_fd, struct err *e);

/* Makes the init process of @c. */
int container_spawn(struct container *c, const struct container_config *config, struct err *e);

/* Runs the hooks of one kind in the agent's own namespaces, then calls @done; c->hooks_err has the
 * failure. */
int container_run_hooks(struct container *c, enum child_kind kind,
			void (*done)(struct container *c), struct err *e);

/* Kills all processes; container_removal_step() does the rest. */
void container_begin_removal(struct container *c);

/* Continues a removal after a process or hooks have ended; may end with callbacks. Does nothing
 * when no removal is under way. */
void container_removal_step(struct container *c);

/* Reads one process from /proc. Returns false when it has ended. */
bool container_read_ps(int proc_fd, pid_t pid, struct container_ps *ret);
