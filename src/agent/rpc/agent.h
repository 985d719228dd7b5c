#pragma once

#include "agent.pb-c.h"
#include "agent/container/container.h"
#include "agent/rpc/rpc.h"
#include "base/auto.h"
#include "base/err.h"
#include "base/list.h"
#include "ttrpc/ttrpc.h"

/* The state that the calls work on, and the calls. Private to agent/rpc. */

struct rpc_services;

/* Where the sandbox stands. */
enum phase {
	PHASE_EMPTY = 1 << 0,  /* no sandbox yet */
	PHASE_READY = 1 << 1,  /* containers may come and go */
	PHASE_ENDING = 1 << 2, /* DestroySandbox has come */
	PHASE_ANY = PHASE_EMPTY | PHASE_READY | PHASE_ENDING,
};

/* A sysctl of the pod's namespaces. */
struct shared_sysctl {
	char *key, *value;
};

struct rpc {
	struct rpc_config config;
	enum phase phase;
	struct list members; /* struct member: the containers */
	unsigned n_members;
	struct container_host *host; /* NULL until rpc_need_host() */
	struct storages *storages;
	struct storage_hold *hold; /* of the sandbox */
	struct network *network;
	int ipc_ns, uts_ns; /* of the pod; -1 if there is none yet */
	/* shared.c, of the pod; NULL until a container wants them. */
	struct container_holder *pids, *users;
	struct container_user_maps user_maps; /* of the user namespace of @users */
	struct shared_sysctl *sysctls;        /* that CreateSandbox has set */
	size_t n_sysctls;
	bool shares_pid_ns; /* all containers do */
	struct list oom_events, oom_calls;
	struct list connections; /* struct connection, see connection.c */
	uint64_t scrapes;        /* GetMetrics so far */

	struct ttrpc_call *sandbox_call; /* CreateSandbox or DestroySandbox under way */
	struct storage_job *sandbox_job;
	unsigned ending; /* containers that still have to go */
	struct loop_timer *end_timer;

	bool active; /* since quiet.c looked last */
	struct loop_timer *quiet_timer;
	bool settled; /* quiet.c has done what is done once */

	struct ttrpc_server *server;
	struct rpc_services *services; /* must outlive the server */
};

/* Answers one call, now or later. @request is of the type that the call's name says. */
typedef void (*answer_fn)(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* warm.c: rpc->host is there afterwards. It is made with the first container, because only these
 * need it. */
int rpc_need_host(struct rpc *rpc, struct err *e);

/* shared.c: descriptors that it returns are the caller's. */

/* The pid namespace of the pod, made with its first use. Returns it or -errno. */
int shared_pids(struct rpc *rpc, struct err *e);

/* Makes the user namespace of the pod, with the mappings of @l, or if it is there compares them. */
int shared_users_open(struct rpc *rpc, const Grpc__Linux *l, struct err *e);

/* That user namespace, or the pid, ipc or uts namespace of the pod that it owns (CLONE_NEW...).
 * Returns it or -errno. */
int shared_users(const struct rpc *rpc, int flag, struct err *e);

/* Sets the sysctls of the pod, now and when it gets a user namespace. */
int shared_set_sysctls(struct rpc *rpc, const Grpc__CreateSandboxRequest *req, struct err *e);

/* Ends what it has made. Containers must have gone before. */
void shared_free(struct rpc *rpc);

/* health.c */
void health_check(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void health_version(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* guest.c */
void guest_get_details(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void guest_set_date_time(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void guest_reseed_random(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* online.c */
void online_cpu_mem(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* container.c, create.c */
void container_rpc_create(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_start(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_remove(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_pause(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_resume(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_update(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void container_rpc_stats(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* ps.c */
void ps_list(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* exec.c */
void exec_process(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void exec_signal(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void exec_wait(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* stdio.c */
void stdio_read_stdout(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void stdio_read_stderr(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void stdio_write_stdin(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void stdio_close_stdin(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void stdio_resize(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* connection.c */
void connection_rpc_connect(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void connection_rpc_disconnect(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* The streams of a connection that was made, or NULL after it has answered @call: -ENOENT. */
struct process *connection_find(struct rpc *rpc, const char *id, struct ttrpc_call *call);
void connections_free(struct rpc *rpc);

/* quiet.c: a request has come. */
void quiet_disturb(struct rpc *rpc);

/* metrics.c */
void metrics_get(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* copy_file.c */
void copy_file(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* network.c */
void network_rpc_update_interface(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void network_rpc_update_routes(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void network_rpc_list_interfaces(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void network_rpc_list_routes(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void network_rpc_add_neighbours(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* oom.c */
void oom_get_event(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void oom_happened(struct rpc *rpc, const char *id);
void oom_fini(struct rpc *rpc);

/* storage.c */
void storage_rpc_update_ephemeral(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void storage_rpc_volume_stats(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void storage_rpc_resize_volume(struct rpc *rpc, struct ttrpc_call *call, const void *request);

/* sandbox.c */
void sandbox_create(struct rpc *rpc, struct ttrpc_call *call, const void *request);
void sandbox_destroy(struct rpc *rpc, struct ttrpc_call *call, const void *request);
