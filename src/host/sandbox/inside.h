#pragma once

/*
 * What a sandbox is made of. Private to host/sandbox.
 *
 * Access: the tables of containers and processes, the connection to the agent and all fields marked
 * "loop's" belong to the loop's thread; fields marked "job's" belong to the job that runs. A job
 * may also read the fields of a container that do not change while the container is busy.
 */
#include <pthread.h>

#include "agent.pb-c.h"
#include "host/agent_client/agent_client.h"
#include "host/hypervisor/hypervisor.h"
#include "host/resources/resources.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/jobs.h"
#include "host/sandbox/sandbox.h"
#include "host/sandbox/worker.h"
#include "host/stdio/stdio.h"
#include "host/storage/share.h"
#include "host/storage/view.h"
#include "host/storage/virtiofsd.h"
#include "host/storage/volumes.h"
#include "ttrpc/ttrpc.h"

/* Timeout of the requests of agent_ask(), and of RemoveContainer. */
#define AGENT_TIMEOUT_MS 10000
/* After a SIGKILL, and for a delete: how long to wait for a user that does not read the output. */
#define KILLED_FLUSH_MS 2000
/* The same when the machine is gone. */
#define BROKEN_FLUSH_MS 5000
/* The exit code of a process that ended because the machine was lost. */
#define BROKEN_EXIT_CODE 137

enum sandbox_state {
	SANDBOX_EMPTY,
	SANDBOX_STARTING,
	SANDBOX_READY,
	SANDBOX_ENDING,
	SANDBOX_ENDED,
	SANDBOX_STATE_MAX,
};

/* A process of a container: its first (exec_id ""), or an exec. Loop's. */
struct guest_process {
	struct list link;
	struct guest_container *container;
	char *exec_id;
	enum oci_status status; /* of a first process: the container's */
	bool busy;              /* a job or a start is under way for it */
	bool killed;            /* SIGKILL was sent */
	uint64_t early_signals; /* exec: signals during its start: 1 << (number - 1) */
	char *in, *out, *err;   /* as the request said */
	bool terminal;
	Grpc__Process *spec;       /* exec: what to run */
	uint32_t rows, columns;    /* size wanted before there was a terminal; 0: none */
	struct stdio_spec streams; /* until there is a relay */
	struct stdio *io;
	struct ttrpc_pending *waiting; /* the call that waits for its end, or for its output */
	bool lost;                     /* it has ended with the machine */
	bool has_ended;                /* exit_status is known, output may still be on its way */
	uint32_t exit_status;
	struct timespec exited_at;
	struct list waits; /* struct sandbox_wait */
};

struct guest_container {
	struct list link;
	struct sandbox *sb;
	char *id;
	char *bundle;
	struct worker *worker;     /* runs the container's job; one of the next and the sandbox's */
	struct worker *own_worker; /* for a job beside others */
	struct guest_process *init;
	struct list execs;     /* struct guest_process */
	struct list lingers;   /* output of execs that are forgotten: see linger.c */
	Grpc__Spec *spec;      /* job's: as the guest gets it */
	struct list volumes;   /* job's: struct volume, what is held for its root and mounts */
	Grpc__Hooks *hooks;    /* job's: those of the host; may be NULL */
	bool lent;             /* job's: its root and mounts are shared, its spec is the guest's */
	bool in_guest;         /* job's: the agent knows it */
	bool removed;          /* the machine has nothing of it any more; busy until deleted */
	int net_ns;            /* job's: the network namespace that the spec names, or -1 */
	struct view view;      /* job's until created, then the loop's: for its stand-ins */
	uint32_t ooms;         /* how often it ran out of memory */
	struct list oom_waits; /* struct sandbox_oom_wait */
};

struct sandbox {
	struct loop *loop;
	struct worker *worker; /* the machine's */
	struct jobs jobs;
	struct sandbox_options options; /* strings are copies */
	int cancel_fd;                  /* an eventfd, readable once the sandbox is given up */

	/* Loop's. */
	enum sandbox_state state;
	struct list containers;
	struct agent_client
		*agent; /* NULL: not connected; made and freed while a job waits for it */
	struct cause cause;
	bool knows_agent; /* the agent has told its features: */
	struct stdio_promises promises;
	bool knows_oci_1_2;
	bool lists_processes;
	struct loop_timer *oom_timer; /* until GetOOMEvent is sent again */

	/* Job's; the loop reads them once READY. */
	struct config *config;
	struct share *share;
	struct hv *hv;               /* made and freed on the loop */
	struct virtiofsd *virtiofsd; /* made and freed on the loop */
	int vmm_user_fd;             /* holds the claim on the VMM's user; or -1 */
	bool booted;                 /* the guest has made its sandbox */

	pthread_mutex_t phases_lock; /* guards all below */
	struct sandbox_phase phases[SANDBOX_PHASES_MAX];
	size_t n_phases;
	uint64_t phase_began_us;
};

/* ---- sandbox.c, loop ---- */

/* The guest is gone, or about to go: whatever still runs in it has ended. */
void sandbox_end_processes(struct sandbox *sb);

struct guest_container *sandbox_find(struct sandbox *sb, const char *id, struct err *e);
struct guest_process *sandbox_find_process(struct sandbox *sb, const char *id, const char *exec_id,
					   struct err *e);
void sandbox_changed(struct sandbox *sb);

/* Refuses if no container can be created now. */
int sandbox_check_ready(const struct sandbox *sb, struct err *e);

/* Calls @done with a failure. */
void sandbox_refuse(sandbox_done_fn done, void *arg, const struct err *e);

/* Notes that the step @name of the start ends now. Any thread. */
void phase_end(struct sandbox *sb, const char *name);

/* ---- machine.c, boot.c, teardown.c: jobs' steps ---- */

/* Makes and starts the VMM and its helpers. */
int machine_start(struct sandbox *sb, const struct sandbox_spec *spec, msec_t deadline,
		  struct err *e);

/* From a share to a guest that waits for containers. When it fails, teardown() must follow. */
int boot(struct sandbox *sb, const struct sandbox_spec *spec, const struct guest_container *first,
	 struct err *e);

/* Ends the guest and removes machine and share; every step is tried, failures are logged. */
void teardown(struct sandbox *sb);

/* Queues a job that does teardown(). Loop. */
void teardown_later(struct sandbox *sb);

/* ---- room.c ---- */

/* Makes c->view, after CreateContainer, because the agent makes the mount points. Worker. */
int room_make(struct guest_container *c, struct err *e);

/* Closes c->view and c->net_ns. Comes before the mounts in the view are removed from the share. */
void room_close(struct guest_container *c);

/* ---- container.c ---- */

void guest_container_free(struct guest_container *c);
AUTO_PTR(struct guest_container, guest_container_free)
void guest_container_start(struct guest_container *c, sandbox_done_fn done, void *arg);
void guest_container_delete(struct guest_container *c, sandbox_done_fn done, void *arg);

/* ---- process.c, loop ---- */

/* Takes the descriptors of @stdio. */
int guest_process_new(struct guest_container *c, const char *exec_id,
		      const struct sandbox_stdio *stdio, struct guest_process **ret, struct err *e);
void guest_process_free(struct guest_process *p);
AUTO_PTR(struct guest_process, guest_process_free)

/* The status for callers: a process that has ended is STOPPED even if nobody reads its output. */
enum oci_status guest_process_status(const struct guest_process *p);

/* The process exists in the guest: relays its output and waits for its end. */
int guest_process_attach(struct guest_process *p, struct err *e);

/* It runs: relays its input. */
void guest_process_started(struct guest_process *p);

/* The machine is lost, and the process with it. */
void guest_process_lost(struct guest_process *p);

/* Tells the guest how large the terminal is, if that was asked for. */
void guest_process_send_size(struct guest_process *p);

/* ---- linger.c, loop ---- */

/* The process is about to be forgotten: what its children print still goes to the user. */
void linger_begin(struct guest_process *p);

/* The guest is gone: the streams end once what has arrived is written. */
void lingers_lost(struct guest_container *c);

void lingers_free(struct guest_container *c);

/* ---- oom.c, loop ---- */

/* Sends GetOOMEvent, and again after each answer, while the sandbox has an agent. */
void oom_listen(struct sandbox *sb);

/* The container is being deleted: fails its oom_waits. */
void oom_forget(struct guest_container *c);

/* ---- agent_call.c: one question to the agent and back ---- */

/* Asks the agent and waits. @w is the worker whose job calls. @ret may be NULL; freed with
 * ttrpc_message_free(). If the machine breaks meanwhile, the error tells why it did. */
int guest_ask(struct sandbox *sb, struct worker *w, const char *method,
	      const ProtobufCMessage *message, msec_t deadline, ProtobufCMessage **ret,
	      struct err *e);

/* The connection to the agent, or NULL with the reason why there is none. Loop. */
struct ttrpc_client *agent_line(struct sandbox *sb, struct err *e);

/* Sends a request to the agent; calls @done with the outcome. Loop. */
void agent_ask(struct sandbox *sb, const char *method, const ProtobufCMessage *message,
	       const struct ttrpc_pair *metadata, sandbox_done_fn done, void *arg);

/* ---- clean_up.c: sandbox.json ---- */

/* Notes what sandbox_clean_up() must remove if the server dies, and whose poststop hooks it must run:
 * those of @first, which may be NULL. No-op without a state_dir. */
void notes_update(struct sandbox *sb, const struct guest_container *first);
void notes_remove(struct sandbox *sb);
