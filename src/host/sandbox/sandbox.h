#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/auto.h"
#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"
#include "host/config/config.h"
#include "oci/oci.h"

/*
 * A sandbox: one virtual machine, what is shared with it, and the containers in it.
 *
 *	EMPTY ──sandbox_start()──► STARTING ──► READY ──sandbox_stop()──► ENDING ──► ENDED
 *	                              │           │                         ▲
 *	                              └── failed ─┴─ VMM, connection lost ──┘
 *
 *	container	CREATING ──► CREATED ──start──► RUNNING ◄──► PAUSED
 *	                                │                  │
 *	                                └──────► STOPPED ◄─┘ ──delete──► gone
 *
 * The machine's life is apart from its containers': they come and go while it is READY. When it
 * starts and stops is its owner's policy (host/shim/pod.h). A sandbox is used once: after ENDED
 * nothing can be created in it.
 *
 * Threads. All functions here are called on the loop and return at once; what takes long is a job
 * of a worker thread, and its done function is called on the loop. Jobs of one container do not
 * wait for those of another; starting and stopping the machine is alone (jobs.h). Kill, wait,
 * state, exec, resize and other calls that only ask the agent never wait for a job.
 *
 * If the VMM dies or the connection to the agent breaks, every running process ends with 137 at
 * once, the cause is logged and told by later refusals, and the rest of the machine is torn down.
 *
 * Whom it distrusts: the guest (see ttrpc.h; nothing it says names a path of the host), and the
 * bundle: its config.json is read and checked once, at create, or not at all if state_dir holds a
 * checked copy.
 */
struct sandbox;
struct hv;

struct sandbox_options {
	struct loop *loop;
	const char *id;
	const char *namespace;   /* of containerd, for loggers; NULL: none */
	const char *config_path; /* NULL: the usual search */
	const char *state_dir;   /* where sandbox.json is kept; NULL: nowhere */
	const char *share_base;  /* NULL: the usual, SHARE_BASE */
	int host_mount_ns;       /* for hooks; borrowed; -1: none */
	bool lone;               /* made for one container, which others may join, and whose engine
				     * looks for its cgroup itself */
	uint64_t began_us;       /* clock_now_us() when this program began */
	bool has_standins;       /* each container gets a stand-in, whose pid is told for it */
	void (*changed)(void *arg); /* a container or the machine came or went */
	void *arg;

	/* For tests: a machine instead of the configuration's. */
	int (*make_hv)(void *arg, struct loop *loop, struct hv **ret, struct err *e);
	void *make_hv_arg;
};

int sandbox_new(const struct sandbox_options *options, struct sandbox **ret, struct err *e);

/* Only when sandbox_is_idle(); what still exists is torn down without telling the guest. Accepts
 * NULL. */
void sandbox_free(struct sandbox *sb);
AUTO_PTR(struct sandbox, sandbox_free)

/* How an operation went. Borrowed for the call of the done function. */
struct sandbox_answer {
	int r; /* 0 or -errno */
	struct err err;
	uint32_t pid; /* create, start, delete: the stand-in's, or the VMM's if there is none */
	uint32_t exit_status; /* wait, delete: the code, or 128 + signal */
	struct timespec exited_at;
	struct err cause; /* of a process that ended because its machine was lost */
	uint32_t count;   /* await_oom */
	const void *data; /* what the guest has answered, packed as its message */
	size_t bytes;
	const Grpc__Spec *spec; /* add_container: the container's, checked; lives as long as it */
};

typedef void (*sandbox_done_fn)(void *arg, const struct sandbox_answer *answer);

/* What a machine is made for. Everything is borrowed until the done function of sandbox_start(). */
struct sandbox_spec {
	const char *hostname; /* of the guest; NULL or "": none */
	const Grpc__LinuxResources
		*resources; /* what the machine must have room for; may be NULL */
	Grpc__Spec__AnnotationsEntry *const *annotations; /* change the configuration */
	size_t n_annotations;
	const char *config_path;  /* NULL: that of sandbox_options */
	const char *cgroups_path; /* linux.cgroupsPath; NULL: none is named */
	const char *container;    /* one that was added; NULL: none */
	/* The process that will stand for it, if there is one already, or 0: put into the sandbox's
	 * cgroup with this process, because that costs no more time. */
	pid_t standin;
};

/* Makes the share and the machine; EMPTY only. The root and mounts of @spec->container are shared
 * before the machine starts, so that a bundle with a mistake costs no boot. When it fails nothing
 * is left: the sandbox is over, that container is gone, and those that wait fail for the same
 * reason. */
void sandbox_start(struct sandbox *sb, const struct sandbox_spec *spec, sandbox_done_fn done,
		   void *arg);

/* Ends the guest, with all that still runs in it, and removes the machine and the share; READY
 * only. What cannot be removed is logged, and is no failure. */
void sandbox_stop(struct sandbox *sb, sandbox_done_fn done, void *arg);

bool sandbox_is_empty(const struct sandbox *sb); /* sandbox_start() may be called */
bool sandbox_is_ready(const struct sandbox *sb); /* sandbox_stop() may be called */
bool sandbox_is_ended(const struct sandbox *sb); /* the machine is gone */

/* The standard streams of a process to be. Names are as in the task API: "" is none, a path or
 * fifo:// is a fifo of containerd's, "fd:N" is @fds[N], and others are in stream_name.h. */
struct sandbox_stdio {
	const char *in, *out, *err;
	bool terminal;
	int fds[3]; /* swallowed in any case */
};

/* A file system that belongs below the bundle's root (containerd's snapshotter). */
struct sandbox_mount {
	const char *type, *source;
	const char *target; /* relative to the root; "": the root */
	char *const *options;
	size_t n_options;
};

/* All borrowed but the descriptors and what is taken. */
struct sandbox_container {
	const char *id;
	const char *bundle;    /* absolute */
	Grpc__Spec *take_spec; /* instead of the bundle's; swallowed in any case. NULL: read that */
	struct sandbox_stdio stdio;
	pid_t standin; /* as in struct sandbox_spec, of the container that makes the machine */
	const struct sandbox_mount *rootfs;
	size_t n_rootfs;
	/* What else its spec must keep to; on a worker, before anything else is checked. NULL:
	 * nothing. */
	int (*check)(const Grpc__Spec *spec, struct err *e);
	/* Adds to its spec what the bundle leaves to the server; on a worker, before that. NULL:
	 * nothing. @complete_arg lives as long as the sandbox. */
	int (*complete)(void *arg, Grpc__Spec *spec, struct err *e);
	void *complete_arg;
};

/* Adds a container that is CREATING: reads and checks its bundle. Not while ENDING; while STARTING
 * it waits for the machine. A wrong bundle while EMPTY ends the sandbox, if there is no other
 * container. Failures: -EEXIST, -EINVAL (id, spec), -ENOENT (bundle), ...; the container is gone
 * then. */
void sandbox_add_container(struct sandbox *sb, const struct sandbox_container *container,
			   sandbox_done_fn done, void *arg);

/* Makes container @id, which was added to an EMPTY sandbox, the one that holds the pod: its
 * namespaces are the pod's, and nothing of it gets into the guest, no program, no file. It has a
 * state all the same: once started it runs until SIGTERM or SIGINT (code 0) or SIGKILL. */
void sandbox_hold_pod(struct sandbox *sb, const char *id);

/* Creates a container that was added; called once for it, and waits for a machine that is being
 * started. Failures: -ENOENT (source), -ECANCELED, -ETIMEDOUT, why the machine did not start, ...;
 * the container is gone then. */
void sandbox_create_container(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg);

/* Runs a container ("" as @exec_id) or a process that sandbox_exec() has announced. */
void sandbox_start_process(struct sandbox *sb, const char *id, const char *exec_id,
			   sandbox_done_fn done, void *arg);

/* Announces one more process; it is made when started. @take_process is swallowed in any case. */
int sandbox_exec(struct sandbox *sb, const char *id, const char *exec_id,
		 Grpc__Process *take_process, const struct sandbox_stdio *stdio, struct err *e);

/* A signal to one process, or to all of a container. SIGTERM and SIGKILL to one that has ended are
 * no failure. SIGKILL to a container that is being created is sandbox_give_up(). A guest that does
 * not answer a SIGKILL is lost, and the machine with it. */
void sandbox_kill(struct sandbox *sb, const char *id, const char *exec_id, uint32_t signo, bool all,
		  sandbox_done_fn done, void *arg);

/* Removes a process that does not run, or a container with all of its processes; one that was never
 * started is killed. For one that is being created it waits until that is done. */
void sandbox_delete(struct sandbox *sb, const char *id, const char *exec_id, sandbox_done_fn done,
		    void *arg);

/* The part of deleting a container that needs the machine: takes it out of the guest and the share.
 * Only sandbox_delete() can follow, which then runs its poststop hooks: an owner that stops the
 * machine in between has hooks that may undo what the machine has used. */
void sandbox_remove_container(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg);

void sandbox_pause(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg);
void sandbox_resume(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg);

/* Changes a container's limits; the machine grows before, and gives memory back after it.
 * @take_resources is swallowed in any case. */
void sandbox_update(struct sandbox *sb, const char *id, Grpc__LinuxResources *take_resources,
		    sandbox_done_fn done, void *arg);

/* @data of the answer: Grpc__StatsContainerResponse. What a container uses of its guest, and for
 * the container that stands for the pod what all of the pod uses of the host; @done is then called
 * before this returns. */
void sandbox_stats(struct sandbox *sb, const char *id, sandbox_done_fn done, void *arg);

/* Whether the sandbox has a cgroup of its own on the host; without one nobody counts what all of it
 * uses there. */
bool sandbox_has_cgroup(const struct sandbox *sb);

/* @data of the answer: Grpc__ListProcessesResponse. */
void sandbox_processes(struct sandbox *sb, const char *id, const char *format, sandbox_done_fn done,
		       void *arg);

/* @data of the answer: Grpc__Metrics, the guest's own and its agent's. */
void sandbox_metrics(struct sandbox *sb, sandbox_done_fn done, void *arg);

/* @data of the answer: Grpc__VolumeStatsResponse, of what the guest has mounted on @guest_path. */
void sandbox_volume_stats(struct sandbox *sb, const char *guest_path, sandbox_done_fn done,
			  void *arg);

/* A volume on a disk of the host that has grown, and whose file system is to grow, too. */
struct sandbox_volume_size {
	const char *guest_path; /* where the guest has it mounted */
	const char *device;     /* the file or block device of the host; absolute */
	uint64_t bytes;         /* of the file system */
};

/* Answers with -EINVAL (the disk is smaller, or the file system larger already), -ENOENT, -EROFS,
 * -ENOTSUP (a file system that does not grow) or -errno. */
void sandbox_volume_resize(struct sandbox *sb, const struct sandbox_volume_size *size,
			   sandbox_done_fn done, void *arg);

/* How many packets of the guest the egress policy has refused. False: there is no policy, or no
 * machine. */
bool sandbox_egress_refused(struct sandbox *sb, uint64_t *ret);

void sandbox_resize(struct sandbox *sb, const char *id, const char *exec_id, uint32_t rows,
		    uint32_t columns, sandbox_done_fn done, void *arg);

/* The user will write nothing more to the process. */
int sandbox_close_stdin(struct sandbox *sb, const char *id, const char *exec_id, struct err *e);

/* A caller that waits for the end of a process. @done is called once, possibly from sandbox_wait(),
 * and may free the struct; or never, after sandbox_wait_cancel(). */
struct sandbox_wait {
	struct list link; /* private */
	sandbox_done_fn done;
	void *arg;
	bool is_last; /* delete an exec after @done, because its client will not call Delete */
};

/* Returns 0, or -ENOENT when there is no such process; @done is then not called. */
int sandbox_wait(struct sandbox *sb, const char *id, const char *exec_id, struct sandbox_wait *w,
		 struct err *e);
void sandbox_wait_cancel(struct sandbox_wait *w);

/* A caller that waits for a container to run out of memory. @done is called once, possibly from
 * sandbox_await_oom(), with @count of the answer, or fails when the container is deleted; or never,
 * after sandbox_await_oom_cancel(). */
struct sandbox_oom_wait {
	struct list link; /* private */
	uint32_t seen;    /* the count that the caller knows */
	sandbox_done_fn done;
	void *arg;
};

/* Returns 0, or -ENOENT when there is no such container; @done is then not called. */
int sandbox_await_oom(struct sandbox *sb, const char *id, struct sandbox_oom_wait *w,
		      struct err *e);
void sandbox_await_oom_cancel(struct sandbox_oom_wait *w);

/* What is known of a process, from memory. Strings are borrowed until the next turn of the loop. */
struct sandbox_process {
	enum oci_status status;
	const char *bundle;
	const char *in, *out, *err;
	bool terminal;
	uint32_t pid; /* 0 once it has ended */
	uint32_t exit_status;
	struct timespec exited_at;
};

int sandbox_state(struct sandbox *sb, const char *id, const char *exec_id,
		  struct sandbox_process *ret, struct err *e);

/* Calls @fn with the id of each container; it must not change any. */
void sandbox_each(const struct sandbox *sb, void (*fn)(void *arg, const char *id), void *arg);

/* The namespaces of the host's processes that stand in for those of a container, in the order in
 * which they are to be joined (enum view_namespace of view.h). Borrowed until the next turn of the
 * loop. @standin is the process that asks for them to stand in; by its pid namespace other
 * containers name this one. Returns 0, -ENOENT or -EBUSY. */
int sandbox_room(struct sandbox *sb, const char *id, pid_t standin, const int **ret_fds,
		 size_t *ret_n, struct err *e);

/* Moves @pid, which stands in for a process of a container, to where an engine looks for one. */
int sandbox_place(struct sandbox *sb, pid_t pid, struct err *e);

/* What the machine is made of, and how long each phase of its start took. */
#define SANDBOX_PHASES_MAX 8

struct sandbox_phase {
	const char *name;
	uint64_t us;
};

struct sandbox_description {
	const char *hypervisor, *accelerator;
	char accelerator_reason[160];
	uint32_t vmm_pid;
	uint32_t guest_cid; /* of vsock; 0: the agent is reached in another way */
	struct sandbox_phase phases[SANDBOX_PHASES_MAX];
	size_t n_phases;
};

void sandbox_describe(struct sandbox *sb, struct sandbox_description *ret);

uint32_t sandbox_vmm_pid(struct sandbox *sb);

/* A client has opened a stream, which is or will be one of a process: see host/stdio/streaming.h.
 * Owns @call. */
struct ttrpc_call;
void sandbox_serve_stream(struct sandbox *sb, struct ttrpc_call *call);

/* A shell in the guest, outside of its containers. */
struct sandbox_console_form {
	unsigned columns, rows; /* of its terminal; 0: it has none */
};

/* Returns 0, -EBUSY (not ready, or too many), or -EPERM: the configuration does not allow it. */
int sandbox_may_console(struct sandbox *sb, struct err *e);

/* Begins one whose user is at the other end of the socket @swallow_fd, who gets a sentence there if
 * it fails. It ends with its user, and with the machine. */
void sandbox_console(struct sandbox *sb, int swallow_fd, const struct sandbox_console_form *form);

/* virtiofsd's; 0 when there is none. */
uint32_t sandbox_file_server_pid(struct sandbox *sb);

/* Gives up a container that is being created: its first process has ended with 137, its hooks are
 * ended, its create fails with -ECANCELED and is undone. A machine that is being started for nobody
 * else is given up, too. Returns false if it is not being created (any more). */
bool sandbox_give_up(struct sandbox *sb, const char *id, const char *why);

/* Aborts whatever is under way, and tears the machine down with all that is in it. */
void sandbox_abort(struct sandbox *sb, const char *why);

/* The sandbox has ended, and its last container is gone. */
bool sandbox_is_over(const struct sandbox *sb);
bool sandbox_has_containers(const struct sandbox *sb);

/* There is no container, or no other one than @id. */
bool sandbox_has_only(const struct sandbox *sb, const char *id);

/* No job runs or waits, and no logger of a process that is gone. */
bool sandbox_is_idle(const struct sandbox *sb);

/* For a server that is dead or does not answer: kills the processes that its notes in @state_dir
 * name (if their start times match, because pids are reused), removes what it has left and runs
 * poststop hooks. Without notes it does nothing and returns 0. Blocks; needs no sandbox. */
int sandbox_clean_up(const char *state_dir, struct err *e);
