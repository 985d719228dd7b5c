/* CreateContainer: storages, devices, and then the container, step by step as each is ready. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/device/device.h"
#include "agent/rpc/device_numbers.h"
#include "agent/rpc/member.h"
#include "base/array.h"
#include "base/file.h"
#include "oci/names.h"
#include "oci/oci.h"

/*
 *	storages_acquire ──► device_wait for each device ──► container_create ──► answer
 *	        │                       │                            │
 *	        └──────── failed ───────┴──────────── failed ────────┴──► all undone, answer
 *
 * The request lives as long as its call, which is answered last, so it is read in place; the
 * numbers of devices are corrected in it.
 */
struct creation {
	struct member *member;
	struct ttrpc_call *call;
	const Grpc__CreateContainerRequest *req;
	struct storage_job *storages;
	size_t device;                 /* the one that is waited for */
	struct device_number *numbers; /* of those before it; NULL: there is none */
	struct device_wait wait;
};

static void finish(struct creation *c, int r, const struct err *e)
{
	struct member *m = c->member;

	m->creation = NULL;
	storage_job_cancel(c->storages);
	device_wait_cancel(&c->wait);
	ttrpc_answer(c->call, r, e);
	free(c->numbers);
	free(c);
	if (r < 0)
		member_free(m);
}

void creation_cancel(struct creation *c)
{
	struct err e = {0};

	finish(c, err_say(&e, ECANCELED, "container '%s' is removed", c->member->id), &e);
}

static void init_exited(void *arg, int status)
{
	struct member *m = arg;

	task_exited(&m->init, status);
}

static void on_oom(void *arg)
{
	struct member *m = arg;

	oom_happened(m->rpc, m->id);
}

/* The pid namespace that @m shares with the pod. */
static int open_pod_pids(const struct member *m, struct err *e)
{
	return m->shares_users ? shared_users(m->rpc, CLONE_NEWPID, e) : shared_pids(m->rpc, e);
}

/* The namespace of a container's first process; @file is its name in /proc/PID/ns. */
static int open_of(const struct member *of, const char *file, struct err *e)
{
	pid_t pid = container_process_pid(of->init.cp); /* 0 when it has ended */
	char path[64];

	(void) snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, file);

	int fd = pid ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	return fd < 0 ? err_say(e, ESRCH, "container '%s' has ended", of->id) : fd;
}

/* The pid namespace of container @id, which may be the pod's. */
static int open_pids_of(struct rpc *rpc, const char *id, struct err *e)
{
	struct member *of = NULL;
	int r = member_find_made(rpc, id, &of, e);

	if (r < 0)
		return r;
	return of->shares_pid_ns ? open_pod_pids(of, e) : open_of(of, "pid", e);
}

/* The pod's namespace of type @flag for a container that names nobody else's. Those of the agent's
 * own user namespace are of no use in another one: not even a message queue could be mounted there.
 * Returns a descriptor that is the caller's, -ENOENT for a new namespace, or -errno. */
static int open_pods(const struct creation *c, int flag, bool has_users, struct err *e)
{
	const struct member *m = c->member;
	int pods = flag == CLONE_NEWIPC ? m->rpc->ipc_ns : m->rpc->uts_ns;

	if (m->shares_users)
		return shared_users(m->rpc, flag, e);
	if (has_users || pods < 0)
		return -ENOENT;

	int fd = fcntl(pods, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? err_sys(e, errno, "use the pod's %s namespace", oci_namespace_type(flag))
		      : fd;
}

/* Which ipc or uts namespace (@flag) the container is to have: that of container @of, a new one if
 * that is itself, else the pod's. *@ret is the caller's, -1: a new one. */
static int choose_shared(const struct creation *c, const char *of, int flag, bool has_users,
			 int *ret, struct err *e)
{
	struct member *m = c->member, *other = NULL;
	int fd = -ENOENT;

	if (!*of) {
		fd = open_pods(c, flag, has_users, e);
	} else if (strcmp(of, m->id) != 0) {
		int r = member_find_made(m->rpc, of, &other, e);

		fd = r < 0 ? r : open_of(other, oci_namespace_file(flag), e);
		if (fd < 0)
			return fd;
	}
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	*ret = fd;
	return 0;
}

/* Which user namespace the container is to have, if its specification lists one; *@ret is the
 * caller's, -1: a new one. */
static int choose_users(const struct creation *c, int *ret, struct err *e)
{
	struct member *m = c->member, *of = NULL;
	int r = 0, fd;

	if (c->req->sandbox_userns)
		r = shared_users_open(m->rpc, c->req->oci->linux, e);
	else if (*c->req->userns_of)
		r = member_find_made(m->rpc, c->req->userns_of, &of, e);
	else
		return 0;
	if (r < 0)
		return r;
	m->shares_users = !of || of->shares_users;
	fd = m->shares_users ? shared_users(m->rpc, CLONE_NEWUSER, e) : open_of(of, "user", e);
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

/* Which pid namespace the container is to have; *@ret is the caller's, -1: a new one. */
static int choose_pids(const struct creation *c, int *ret, struct err *e)
{
	struct member *m = c->member;
	int fd = -1;

	if (m->shares_pid_ns)
		fd = open_pod_pids(m, e);
	else if (*c->req->pidns_of)
		fd = open_pids_of(m->rpc, c->req->pidns_of, e);
	else
		return 0;
	if (fd < 0)
		return fd;
	*ret = fd;
	return 0;
}

static void on_created(void *arg, int r, const struct err *cause)
{
	struct creation *c = ((struct member *) arg)->creation;
	struct member *m = arg;
	struct err e = {0};

	if (r == 0) {
		m->init.cp = container_init(m->container);
		r = task_attach(&m->init, &e);
		cause = &e;
	}
	finish(c, r, cause);
}

/* Makes the container's folder: the bundle for hooks, and the writable layers of its overlay. */
static int make_bundle(struct member *m, char **ret, struct err *e)
{
	char *path = str_printf("%s/%s", m->rpc->config.run_dir, m->id);
	int r = path ? dir_make(path, 0755, e) : err_sys(e, ENOMEM, "make the bundle");

	if (r < 0)
		free(path);
	else
		*ret = path;
	return r;
}

static bool has_namespace(const Grpc__Spec *spec, const char *wanted)
{
	for (size_t i = 0; spec->linux && i < spec->linux->n_namespaces; i++) {
		const char *type = spec->linux->namespaces[i]->type;

		if (type && strcmp(type, wanted) == 0)
			return true;
	}
	return false;
}

static int make(struct creation *c, struct err *e)
{
	struct member *m = c->member;
	struct rpc *rpc = m->rpc;
	const Grpc__Process *process = c->req->oci->process;
	bool has_users = has_namespace(c->req->oci, "user");
	auto_free char *bundle = NULL;
	struct container_config config = {
		.id = m->id,
		.spec = c->req->oci,
		.ipc_ns = -1,
		.uts_ns = -1,
		.pid_ns = -1,
		.user_ns = -1,
		.stdio = {.fds = {-1, -1, -1}},
		.exited = init_exited,
		.oom = on_oom,
		.arg = m,
	};
	auto_close int pids = -1;
	auto_close int ipc = -1;
	auto_close int uts = -1;
	auto_close int users = -1;
	int r = has_users ? choose_users(c, &users, e) : 0;

	if (r == 0)
		r = choose_pids(c, &pids, e);
	if (r == 0)
		r = choose_shared(c, c->req->ipcns_of, CLONE_NEWIPC, has_users, &ipc, e);
	if (r == 0)
		r = choose_shared(c, c->req->utsns_of, CLONE_NEWUTS, has_users, &uts, e);
	if (r == 0)
		r = make_bundle(m, &bundle, e);
	if (r == 0)
		r = task_open_stdio(&m->init, process && process->terminal, &config.stdio, e);
	if (r < 0)
		return r;
	config.bundle = bundle;
	config.pid_ns = pids;
	config.ipc_ns = ipc;
	config.uts_ns = uts;
	config.user_ns = users;
	r = container_create(rpc->host, &config, on_created, m, &m->container, e);
	for (size_t i = 0; i < ARRAY_LEN(config.stdio.fds); i++)
		fd_close(config.stdio.fds[i]);
	return r;
}

static void go_on(struct creation *c);

/* Gives the guest's node the rights of the host's, because a bind mount shows the node itself. */
static int give_rights(const char *path, const Grpc__LinuxDevice *host, struct err *e)
{
	if (chmod(path, host->filemode & 07777) < 0 || chown(path, host->uid, host->gid) < 0)
		return err_sys(e, errno, "set the owner and mode of '%s'", path);
	return 0;
}

static void on_device(struct device_wait *w, int r, const char *path, const struct err *cause)
{
	struct creation *c = container_of(w, struct creation, wait);
	const Grpc__Device *d = c->req->devices[c->device];
	struct err e = *cause;
	struct stat st;

	if (r == 0 && stat(path, &st) < 0)
		r = err_sys(&e, errno, "look at '%s'", path);
	if (r == 0 && d->host)
		r = give_rights(path, d->host, &e);
	if (r < 0) {
		(void) err_wrap(&e, r, "add device '%s'", d->container_path);
		finish(c, r, &e);
		return;
	}
	c->numbers[c->device++] = (struct device_number){d->container_path, st.st_rdev, d->host};
	go_on(c);
}

/* How @d is found: by its PCI path, its node (as upstream's hosts say it for other buses), or its
 * serial number. */
static enum device_kind kind_of(const Grpc__Device *d, const char **ret_key)
{
	bool by_path = strcmp(d->type, "blk") == 0;
	bool by_id = by_path ? *d->id : !*d->vm_path;

	*ret_key = by_id ? d->id : d->vm_path;
	return !by_id ? DEVICE_NODE : by_path ? DEVICE_BLOCK : DEVICE_DISK;
}

static int wait_for(struct creation *c, const Grpc__Device *d, struct err *e)
{
	struct devices *devices = c->member->rpc->config.devices;

	if (strcmp(d->type, "blk") != 0 && strcmp(d->type, "mmioblk") != 0)
		return err_say(e, ENOTSUP, "device '%s': type '%s' is not supported",
			       d->container_path, d->type);
	if (!c->numbers)
		c->numbers = calloc(c->req->n_devices, sizeof *c->numbers);
	if (!c->numbers)
		return err_sys(e, ENOMEM, "add device '%s'", d->container_path);

	int r = module_load_if_any(devices, "virtio_blk", e);

	if (r < 0)
		return r;
	c->wait = (struct device_wait){.finish = on_device};
	c->wait.kind = kind_of(d, &c->wait.key);
	device_wait(devices, &c->wait, clock_deadline(c->member->rpc->config.hotplug_timeout_ms));
	return 0;
}

/* After the storages: the next device, or the container. */
static void go_on(struct creation *c)
{
	struct err e = {0};
	int r;

	if (c->device < c->req->n_devices) {
		r = wait_for(c, c->req->devices[c->device], &e);
	} else {
		r = device_numbers_correct(c->req->oci, c->numbers, c->device, &e);
		if (r == 0)
			r = make(c, &e);
	}
	if (r < 0)
		finish(c, r, &e);
}

static void on_storages(void *arg, int r, const struct err *e)
{
	struct creation *c = arg;

	if (r < 0)
		finish(c, r, e);
	else
		go_on(c);
}

/* Checks the specification as if it had a network namespace: the host leaves that out, because
 * containers use the VM's network. */
static int check_spec(const Grpc__Spec *spec, struct err *e)
{
	if (!spec->linux || has_namespace(spec, "network"))
		return oci_spec_check(spec, e);

	Grpc__LinuxNamespace network = GRPC__LINUX_NAMESPACE__INIT;
	Grpc__Linux own = *spec->linux;
	Grpc__Spec said = *spec;
	auto_free Grpc__LinuxNamespace **list = calloc(own.n_namespaces + 1, sizeof(*list));

	if (!list)
		return err_sys(e, ENOMEM, "check the specification");
	for (size_t i = 0; i < own.n_namespaces; i++)
		list[i] = own.namespaces[i];
	network.type = (char *) "network";
	list[own.n_namespaces++] = &network;
	own.namespaces = list;
	said.linux = &own;
	return oci_spec_check(&said, e);
}

static int check(const Grpc__CreateContainerRequest *req, struct err *e)
{
	if (!req->oci)
		return err_say(e, EINVAL, "OCI is missing");
	if (req->n_shared_mounts > 0)
		return err_say(e, ENOTSUP, "shared_mounts are not supported");
	if (req->stdin_port || req->stdout_port || req->stderr_port)
		return err_say(e, ENOTSUP, "streams on ports of their own are not supported");
	if (req->string_user)
		return err_say(e, ENOTSUP, "string_user is not supported");
	oci_spec_from_wire(req->oci);
	return check_spec(req->oci, e);
}

static int begin(struct rpc *rpc, struct ttrpc_call *call, const Grpc__CreateContainerRequest *req,
		 struct creation **ret, struct err *e)
{
	struct member *m = NULL;
	int r = check(req, e);

	if (r == 0)
		r = rpc_need_host(rpc, e);
	if (r == 0)
		r = member_new(rpc, req->container_id, req->exec_id, &m, e);
	if (!m)
		return r;

	struct creation *c = calloc(1, sizeof *c);

	if (!c) {
		member_free(m);
		return err_sys(e, ENOMEM, "make container '%s'", req->container_id);
	}
	c->member = m;
	c->call = call;
	c->req = req;
	list_init(&c->wait.link);
	m->creation = c;
	m->shares_pid_ns = req->sandbox_pidns || rpc->shares_pid_ns;
	*ret = c;
	return 0;
}

void container_rpc_create(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	const Grpc__CreateContainerRequest *req = request;
	struct creation *c = NULL;
	struct err e = {0};
	int r = begin(rpc, call, req, &c, &e);

	if (!c) {
		ttrpc_answer(call, r, &e);
		return;
	}

	struct storage_order order = {
		.list = req->storages,
		.n = req->n_storages,
		.owner = c->member->id,
		.hold = c->member->hold,
		.shared = rpc->hold,
	};

	storages_acquire(rpc->storages, &order, on_storages, c, &c->storages);
}
