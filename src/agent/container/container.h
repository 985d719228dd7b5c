#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent.pb-c.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/reaper.h"
#include "oci.pb-c.h"

/*
 * Containers inside the VM: the Linux part of the OCI runtime specification.
 *
 *	    container_create           container_start
 *	(none) ───────► CREATING ──► CREATED ───────► STARTING ──► RUNNING ◄──► PAUSED
 *	                    │ failed    │                 │ failed    │           │ init ended
 *	                    ▼           │                 │           │           │
 *	                 STOPPED ◄──────┴─────────────────┴───────────┴───────────┘
 *	                    │ container_remove, then container_free
 *	                    ▼
 *	                 (none)
 *
 * A process of a container is made by the zygote (zygote.h), a helper that has the agent's program
 * and nothing of its memory; that child does everything which needs the container's namespaces,
 * step by step, and talks to the agent over a socket (handshake.h). Nothing here blocks the loop:
 * calls that take time return at once and end with a callback.
 *
 * Threads: all calls and callbacks on the loop's thread. A callback may call anything here,
 * container_free() and container_process_free() included.
 *
 * Distrust: the specification comes from the host and may be wrong in every way; the root file
 * system and everything in it belongs to the workload and may be hostile. The child runs the
 * agent's code until it executes the workload; what it sends is checked all the same.
 *
 * Namespaces are taken as the specification has them, except the network: containers use the VM's,
 * so a network namespace without a path is the agent's own.
 *
 * What boot must provide before the first container:
 *  - "/" is a mount that has another below it: the initramfs cannot be pivoted away from, but
 *    a second mount of it, moved over the first, can;
 *  - /proc, /sys, /dev (devtmpfs), /dev/pts, /run, and cgroup2 on /sys/fs/cgroup are mounted;
 *  - loopback is up;
 *  - stdin, stdout, stderr of the agent are open;
 *  - main() calls container_zygote_main() when its first argument is CONTAINER_ZYGOTE_ARG, before
 *    anything else.
 */

/* argv[1] of the agent executed again, see zygote.h. */
#define CONTAINER_ZYGOTE_ARG "zygote"

/* The whole life of the zygote; returns its exit code. */
int container_zygote_main(void);

struct container;

/* Sets a sysctl for the namespaces that the containers of a pod share, which are the agent's. */
int container_pod_sysctl(const char *key, const char *value, struct err *e);

/* What all containers of one agent share. */
struct container_host;

/* @loop and @reaper are borrowed and must outlive it. Turns on the cgroup controllers. */
int container_host_new(struct loop *loop, struct reaper *reaper, struct container_host **ret,
		       struct err *e);

/* Does at once what the first container would have to wait for: for a machine from which others go
 * on. */
int container_host_warm(struct container_host *host, struct err *e);

/* Every container must be freed before. Accepts NULL. */
void container_host_free(struct container_host *host);
AUTO_PTR(struct container_host, container_host_free)

/* The maps of a user namespace: lines of /proc/PID/uid_map and gid_map. */
struct container_user_maps {
	char *uid_map, *gid_map;
};

/**
 * container_holder_new() - make namespaces that containers can share
 * @users:	NULL: a pid namespace only. Else a user namespace with these maps (borrowed), and a
 *		pid, an ipc and a uts namespace that it owns: root of a user namespace has no rights
 *		in those of another one
 * @ended:	the first process has ended, and with it all in the pid namespace
 *
 * The first process does nothing, so the containers may come and go in any order. It has no rights
 * and no files, because a container in the namespace may look at it.
 */
struct container_holder;
int container_holder_new(struct container_host *host, const struct container_user_maps *users,
			 void (*ended)(void *arg), void *arg, struct container_holder **ret,
			 struct err *e);

/* The namespace of type @flag (CLONE_NEW...), for struct container_config; borrowed. -1 if there is
 * none. */
int container_holder_ns(const struct container_holder *h, int flag);

/* Ends whatever is in the pid namespace. Accepts NULL. */
void container_holder_free(struct container_holder *h);
AUTO_PTR(struct container_holder, container_holder_free)

/* A process that the agent made in a container: its init, or an exec. */
struct container_process;

/* Reports the end of an operation: @r is 0 or -errno, and then @e (borrowed, for the time of the
 * call) says why. */
typedef void (*container_done_fn)(void *arg, int r, const struct err *e);

/* @status is as in waitpid(2). */
typedef void (*container_exited_fn)(void *arg, int status);

/**
 * struct container_stdio - what a process gets as descriptors 0, 1 and 2
 * @fds:	borrowed, may be closed once container_create() or container_exec() has returned;
 *		-1 means /dev/null. Ignored when the process has a terminal: then the child makes
 *		a pty in the container's own /dev/pts, and container_process_take_tty() gives
 *		its master.
 */
struct container_stdio {
	int fds[3];
};

/**
 * struct container_config - what a container is made from; all borrowed for the time of the call
 * @id:		at most 255 bytes, no '/'; names the cgroup where the specification does not
 * @bundle:	folder in the guest, for the state that hooks get
 * @spec:	Root.Path is the absolute path in the guest of a folder. Namespaces are taken
 *		literally: those not listed are the agent's, those with a Path are joined
 * @ipc_ns, @uts_ns, @pid_ns, @user_ns: the pod's, to be used where @spec lists such a namespace
 *		without a path; -1 for a new one. With @user_ns the container can do something with
 *		the others only if that namespace owns them
 * @stdio:	of the init process
 * @exited:	the init process ended; never called before the done of container_create() said 0
 * @oom:	the kernel killed a process of this container for want of memory; may be NULL
 * @arg:	for @exited and @oom
 */
struct container_config {
	const char *id;
	const char *bundle;
	const Grpc__Spec *spec;
	int ipc_ns, uts_ns, pid_ns, user_ns;
	struct container_stdio stdio;
	container_exited_fn exited;
	void (*oom)(void *arg);
	void *arg;
};

enum container_state {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_STARTING,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
	CONTAINER_STATE_MAX,
};

/**
 * container_create() - make the cgroup and the init process, which waits for container_start()
 * @done:	called once, later: 0, or the reason, and then everything is undone but *@ret
 * @ret:	belongs to the caller at once, also when @done tells of a failure
 *
 * Fails at once with -EINVAL when @config makes no sense, and then @done is never called.
 */
int container_create(struct container_host *host, const struct container_config *config,
		     container_done_fn done, void *arg, struct container **ret, struct err *e);

/* Lets the init process run the startContainer hooks and become the workload. @done tells whether
 * it has. Fails at once with -EBUSY in any state but CREATED. */
int container_start(struct container *c, container_done_fn done, void *arg, struct err *e);

/**
 * container_exec() - make one more process in a running container
 * @process:	borrowed for the time of the call
 * @done:	called once, later: it has become the program, or why not
 * @exited:	called once after @done said 0, also when it ended before
 * @ret:	belongs to the caller at once, also when @done tells of a failure
 *
 * Fails at once with -EBUSY when the container is not running.
 */
int container_exec(struct container *c, const Grpc__Process *process,
		   const struct container_stdio *stdio, container_done_fn done,
		   container_exited_fn exited, void *arg, struct container_process **ret,
		   struct err *e);

/* Kills and frees the process; no callback after it. Not for the init process, which
 * container_free() frees. Accepts NULL. */
void container_process_free(struct container_process *p);
AUTO_PTR(struct container_process, container_process_free)

const char *container_id(const struct container *c);
enum container_state container_state(const struct container *c);
const char *container_state_name(enum container_state state);

/* Never NULL; belongs to the container. */
struct container_process *container_init(struct container *c);

/* As the agent sees it; 0 when it has not been made or has ended. */
pid_t container_process_pid(const struct container_process *p);

/* The master of the process's terminal, once; -1 without a terminal. Belongs to the caller. */
int container_process_take_tty(struct container_process *p);

/* Returns -ESRCH when it has ended. */
int container_process_signal(struct container_process *p, int signo, struct err *e);

/* Whether the process has a handler for @signo; without one, PID 1 of a namespace ignores it. */
bool container_process_catches(const struct container_process *p, int signo);

/* To every process of the container, those made later by them included when @signo is SIGKILL. */
int container_signal_all(struct container *c, int signo, struct err *e);

/* Freezes or thaws; returns when the kernel has been asked, @done when all are frozen. */
int container_pause(struct container *c, container_done_fn done, void *arg, struct err *e);
int container_resume(struct container *c, struct err *e);

/* Applies what is present in @res and leaves the rest as it is. */
int container_update(struct container *c, const Grpc__LinuxResources *res, struct err *e);

/* *@ret is freed with grpc__cgroup_stats__free_unpacked(*ret, NULL). */
int container_stats(struct container *c, Grpc__CgroupStats **ret, struct err *e);

/* A process as ps(1) would show it. */
struct container_ps {
	pid_t pid;    /* as the agent sees it */
	pid_t ns_pid; /* as the container sees it */
	pid_t parent;
	uint32_t uid;
	uint64_t started_ms; /* after the boot of the guest */
	uint64_t cpu_ms;
	char state; /* R, S, D, Z, T, ... */
	char comm[16];
	char cmdline[256]; /* blanks between arguments; cut short when longer */
};

/* All processes of the container. *@ret is freed with free(). */
int container_processes(struct container *c, struct container_ps **ret, size_t *ret_n,
			struct err *e);

/* Kills what is left, waits until the cgroup is empty, runs the poststop hooks, removes the cgroup.
 * From any state. A container_create(), container_start() or container_exec() that is under way
 * ends with -ECANCELED first. */
int container_remove(struct container *c, container_done_fn done, void *arg, struct err *e);

/* Kills all processes without waiting and frees @c. No callback after it. Accepts NULL. */
void container_free(struct container *c);
AUTO_PTR(struct container, container_free)
