#pragma once

/*
 * What a sandbox is made of. Private to host/sandbox.
 *
 * Access: each struct says whose it is. What is the loop's belongs to the loop's thread. In a
 * container, fields marked "job's" belong to the job that runs for it; that job may also read the
 * fields that do not change while the container is busy.
 */
#include <pthread.h>

#include "agent.pb-c.h"
#include "base/worker.h"
#include "host/agent_client/agent_client.h"
#include "host/cgroup/cgroup.h"
#include "host/hypervisor/hypervisor.h"
#include "host/resources/resources.h"
#include "host/sandbox/cause.h"
#include "host/sandbox/disks.h"
#include "host/sandbox/forward.h"
#include "host/sandbox/interfaces.h"
#include "host/sandbox/jobs.h"
#include "host/sandbox/phases.h"
#include "host/sandbox/sandbox.h"
#include "host/sandbox/standin.h"
#include "host/spec/spec.h"
#include "host/stdio/stdio.h"
#include "host/storage/share.h"
#include "host/storage/view.h"
#include "host/storage/virtiofsd.h"
#include "host/storage/volumes.h"
#include "ttrpc/ttrpc.h"

/* Timeout of the requests of agent_ask(), and of RemoveContainer. */
#define AGENT_TIMEOUT_MS 10000
/* A guest that has not answered a SIGKILL within this time is given up. Longer than a loaded host
 * may need, and shorter than what engines wait for a container to die. */
#define KILL_TIMEOUT_MS 20000
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
	bool input_ended;          /* CloseIO came, perhaps before the input was open */
	Grpc__Process *spec;       /* exec: what to run */
	uint32_t rows, columns;    /* size wanted before there was a terminal; 0: none */
	struct stdio_spec streams; /* until there is a relay */
	struct stdio *io;
	struct logger *logger;         /* takes its output; or NULL */
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
	Grpc__Mount **rootfs;      /* job's: see rootfs.h */
	size_t n_rootfs;
	bool creating;       /* from sandbox_add_container() to the end of its create */
	int cancel_fd;       /* an eventfd, readable once its create is given up; then -1 */
	struct err given_up; /* why, or nothing */
	struct container_job *awaits_machine; /* its create, while the machine is started */
	struct guest_question *question;      /* its job asks the agent: see container_ask() */
	struct list after_create;             /* struct after_create */
	struct guest_process *init;
	struct list execs;   /* struct guest_process */
	struct list lingers; /* output of execs that are forgotten: see linger.c */
	Grpc__Spec *spec;    /* job's: as the guest gets it */
	struct list volumes; /* job's: struct volume, what is held for its root and mounts */
	Grpc__Hooks *hooks;  /* job's: those of the host; may be NULL */
	bool holds_pod;      /* runs no program: see sandbox_hold_pod() */
	bool lent;           /* job's: its root and mounts are shared, its spec is the guest's */
	bool in_guest;       /* job's: the agent knows it */
	bool removed;        /* the machine has nothing of it any more; busy until deleted */
	struct guest_joined joined;   /* job's: the namespaces that the spec names */
	struct siblings *siblings;    /* what is there when it is created; only for that job */
	struct view view;             /* job's until created, then the loop's: for its stand-ins */
	struct guest_standin standin; /* loop's, and while it is made or ended the job's */
	uint32_t ooms;                /* how often it ran out of memory */
	struct list oom_waits;        /* struct sandbox_oom_wait */
	bool counts; /* its limits are known, and the machine has to have room for them */
	struct machine_need need;
};

/* The machine. Its jobs own it, and run alone; containers' jobs and the loop read it once READY. */
struct machine {
	struct worker *worker; /* runs its jobs */
	struct worker *sizer;  /* runs those about its size */
	struct config *config;
	struct share *share;
	struct hv *hv;                  /* made and freed on the loop */
	bool from_template;             /* it goes on from one, and did not boot */
	char missed[HV_KEY_BYTES];      /* the template that there should have been; or "" */
	struct device_address share_at; /* where the guest finds the share */
	struct virtiofsd *virtiofsd;    /* made and freed on the loop */
	struct disks disks;             /* containers' jobs change it beside each other */
	struct interfaces interfaces;   /* the same */
	struct volume_shm shm;          /* the pod's /dev/shm, when a container holds the pod */
	int vmm_user_fd;                /* holds the claim on the VMM's user; or -1 */
	bool may_grow;                  /* its size follows its containers' limits */
	struct host_cgroup *cgroup;     /* NULL: where the caller is; freed on the loop */
	struct host_cgroup *overhead;   /* where this process is instead; NULL: in cgroup */
	uint64_t cpu_period_us;         /* of the quota of cgroup */
	bool has_cpu_quota;             /* cgroup has begun with one */
	_Atomic pid_t placed;           /* a stand-in that is in cgroup before it asks, or 0 */
	uint64_t placed_start;          /* when it began: proc_start_time() */
	struct beside leaving;          /* this process leaves them */
	bool booted;                    /* the guest has made its sandbox */
};

/* The agent in the guest. Loop's; jobs ask it with guest_ask(), and read what it can once READY. */
struct agent {
	struct agent_client *client;  /* NULL: not connected; made and freed while a job waits */
	struct loop_timer *oom_timer; /* until GetOOMEvent is sent again */
	bool is_known;                /* it has told what it can: */
	struct stdio_promises promises;
	bool knows_oci_1_2;
	bool knows_pods, knows_users;
	bool lists_processes;
	bool connects;       /* to ports of the guest's loopback */
	bool knows_networks; /* more of them than upstream's protocol says */
	bool has_vrfs;       /* and its kernel can make them */
};

/* What is no part's is the loop's, or does not change. */
struct sandbox {
	struct loop *loop;
	struct sandbox_options options; /* strings are copies */
	int cancel_fd;                  /* an eventfd, readable once the sandbox is given up */
	enum sandbox_state state;
	bool for_container;      /* the machine is started because a container is wanted */
	struct err start_failed; /* why there never was a machine, or nothing */
	struct list containers;  /* struct guest_container */
	struct list loggers;     /* of processes that are gone, until they have ended */
	struct list consoles;    /* struct console */
	struct forwards forwards;
	struct streaming *streaming; /* NULL: nobody has asked for it */
	unsigned long last_console;
	struct jobs jobs;
	struct machine machine;
	struct agent agent;
	struct cause cause;
	struct phases phases;
	pthread_mutex_t late_lock; /* of late.c */
};
