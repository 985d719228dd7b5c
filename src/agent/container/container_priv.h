#pragma once

#include "agent/cgroup/cgroup.h"
#include "agent/container/container.h"
#include "agent/container/worker.h"
#include "base/list.h"

/*
 * What the files of the agent's half of this layer share.
 *
 * Callbacks of the caller may free what they are about. Whoever has something to do after one pins it:
 * then it is only taken apart, and the memory goes with the last pin.
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
	uint32_t personality; /* of the init process; those that join get the same */
	/* What a process that joins gets where it says nothing itself. */
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

/* Kills, closes and forgets; the memory stays. */
void container_process_fini(struct container_process *p);

void container_pin(struct container *c);
void container_process_pin(struct container_process *p);

/* Both return false when it was freed meanwhile, and is gone now. */
bool container_unpin(struct container *c);
bool container_process_unpin(struct container_process *p);

/* Tells whoever waits for @p how it went, by p->err, and NULLs done first. Nothing when nobody
 * waits. */
void container_process_tell(struct container_process *p);

/* The process ended before it was what it should have become; keeps an older reason. */
void container_process_died(struct container_process *p, const char *before);

/* Packs @message into a new memfd. */
int container_pack(const ProtobufCMessage *message, int *ret_fd, struct err *e);

/* Makes the init process of @c. */
int container_spawn(struct container *c, const struct container_config *config, struct err *e);

/* Runs the hooks of one kind in the agent's own namespaces, then calls @done; c->hooks_err tells.
 */
int container_run_hooks(struct container *c, enum child_kind kind,
			void (*done)(struct container *c), struct err *e);

/* Begins to kill all and tidy up. */
void container_begin_removal(struct container *c);

/* Goes on with a removal when something has ended; may end with callbacks. Nothing when none is
 * under way. */
void container_removal_step(struct container *c);

/* The line of one process out of /proc. Returns false when it has gone. */
bool container_read_ps(int proc_fd, pid_t pid, struct container_ps *ret);
