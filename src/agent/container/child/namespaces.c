#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/file.h"
#include "oci/names.h"

/*
 * The user namespace is entered after the namespaces to join, which need the agent's rights, and
 * before the new ones, which it shall own. A pid namespace takes only children, so a new one that a
 * user namespace owns costs one more process; without a user namespace the zygote has cloned this
 * process into it. The zygote has also entered a pid namespace to join.
 */

struct plan {
	unsigned fresh;  /* CLONE_NEW* to be made */
	unsigned listed; /* CLONE_NEW* that the specification names */
	int user_fd;     /* the user namespace to join, or -1 */
	bool new_user;
};

static int join(int fd, int flag, struct err *e)
{
	if (setns(fd, flag) < 0)
		return err_sys(e, errno, "join the %s namespace", oci_namespace_type(flag));
	return 0;
}

static int join_path(struct plan *plan, int flag, const char *path, struct err *e)
{
	if (flag == CLONE_NEWPID)
		return 0;
	if (flag == CLONE_NEWNS)
		return err_say(e, ENOTSUP,
			       "linux.namespaces: a mount namespace by path is not supported");

	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open linux.namespaces %s path '%s'",
			       oci_namespace_type(flag), path);
	if (flag == CLONE_NEWUSER) {
		plan->user_fd = take_fd(&fd);
		return 0;
	}
	return join(fd, flag, e);
}

/* The pod's namespace, or -1 when the agent has passed none. */
static int pod_fd(const struct setup *s, int flag)
{
	return flag == CLONE_NEWIPC ? s->ipc_ns : flag == CLONE_NEWUTS ? s->uts_ns : -1;
}

static int plan_one(const struct setup *s, const Grpc__LinuxNamespace *ns, struct plan *plan,
		    struct err *e)
{
	int flag = ns->type ? oci_namespace_flag(ns->type) : 0;

	if (!flag)
		return err_say(e, EINVAL, "linux.namespaces: unknown type '%.64s'",
			       ns->type ? ns->type : "");
	if (plan->listed & (unsigned) flag)
		return err_say(e, EINVAL, "linux.namespaces: '%s' stands there twice", ns->type);
	plan->listed |= (unsigned) flag;
	if (ns->path && ns->path[0])
		return join_path(plan, flag, ns->path, e);
	/* Containers use the VM's network, because a namespace in the VM would have none. */
	if (flag == CLONE_NEWNET)
		return 0;
	if (flag == CLONE_NEWPID && s->pid_ns >= 0)
		return 0;
	if (flag == CLONE_NEWUSER && s->user_ns >= 0) {
		plan->user_fd = s->user_ns;
		return 0;
	}
	if (pod_fd(s, flag) >= 0)
		return join(pod_fd(s, flag), flag, e);
	if (flag == CLONE_NEWUSER)
		plan->new_user = true;
	else
		plan->fresh |= (unsigned) flag;
	return 0;
}

/* Becomes root of the user namespace, with all capabilities in it. */
static int become_root(struct err *e)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0)
		return err_sys(e, errno, "become group 0 of linux.gidMappings");
	if (setresuid(0, 0, 0) < 0)
		return err_sys(e, errno, "become user 0 of linux.uidMappings");
	/* Changing the user cleared the dumpable flag, which gave /proc/self to guest root. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return err_sys(e, errno, "become root");
	return 0;
}

int begin_user_namespace(struct err *e)
{
	int r = setup_ask(STEP_USERNS_MADE, 0, -1, e);

	return r < 0 ? r : become_root(e);
}

static int enter_user(const struct plan *plan, struct err *e)
{
	int r;

	if (plan->user_fd >= 0) {
		r = join(plan->user_fd, CLONE_NEWUSER, e);
		return r < 0 ? r : become_root(e);
	}
	if (!plan->new_user)
		return 0;
	if (unshare(CLONE_NEWUSER) < 0)
		return err_sys(e, errno, "make a user namespace");
	return begin_user_namespace(e);
}

/* Continues in a new process, also a child of the agent, in a new pid namespace. */
static int move_to_new_pid_namespace(struct err *e)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = CLONE_PARENT | CLONE_NEWPID | CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
	};
	pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	struct note note;
	int no_fd = -1;

	if (pid < 0)
		return err_sys(e, errno, "make a pid namespace");
	if (pid > 0) {
		int r = handshake_tell(CHILD_CONTROL, STEP_PID_MADE, pid, pidfd, NULL, e);

		_exit(r < 0);
	}
	if (handshake_hear(CHILD_CONTROL, &note, &no_fd, e) <= 0 || note.step != STEP_GO)
		_exit(1);
	return 0;
}

static int set_time_offsets(const struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_timeoffsets; i++) {
		const Grpc__LinuxTimeOffset *offset = l->timeoffsets[i]->value;
		char line[64];

		/* One write each: the file takes them so. */
		(void) snprintf(line, sizeof line, "%.16s %" PRId64 " %u\n", l->timeoffsets[i]->key,
				offset ? offset->secs : 0, offset ? offset->nanosecs : 0);

		int r = file_write(s->proc_fd, "self/timens_offsets", line, e);

		if (r < 0)
			return err_wrap(e, r, "set linux.timeOffsets");
	}
	return 0;
}

/* unshare() puts only children into a new time namespace, so this process has to join it. */
static int enter_time(const struct setup *s, struct err *e)
{
	int r = set_time_offsets(s, e);

	if (r < 0)
		return r;

	auto_close int fd = openat(s->proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the time namespace");
	return join(fd, CLONE_NEWTIME, e);
}

int enter_namespaces(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;
	struct plan plan = {.user_fd = -1};
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n_namespaces; i++)
		r = plan_one(s, l->namespaces[i], &plan, e);
	if (r < 0)
		return r;
	s->namespaces = plan.listed;
	/* A container always has a cgroup namespace here, because programs read their own limits at
	 * the top of /sys/fs/cgroup. Engines on hosts with cgroup v1 do not ask for one: there
	 * runc binds the container's own groups, which the one tree of cgroup v2 cannot do without
	 * /proc/self/cgroup naming a path that is not there. */
	if (!(plan.listed & CLONE_NEWCGROUP))
		plan.fresh |= CLONE_NEWCGROUP;
	if (!(plan.listed & CLONE_NEWNS))
		return err_say(
			e, ENOTSUP,
			"linux.namespaces: a container without a mount namespace is not supported");
	if (l->n_timeoffsets && !(plan.fresh & CLONE_NEWTIME))
		return err_say(e, EINVAL, "linux.timeOffsets: needs a new time namespace");

	r = enter_user(&plan, e);
	if (r == 0 && (plan.fresh & CLONE_NEWPID) && (plan.listed & CLONE_NEWUSER))
		r = move_to_new_pid_namespace(e);
	if (r < 0)
		return r;
	if (unshare((int) (plan.fresh & ~(unsigned) CLONE_NEWPID)) < 0)
		return err_sys(e, errno, "make namespaces");
	if (plan.fresh & CLONE_NEWTIME)
		r = enter_time(s, e);
	/* From now on no process that shares a namespace with this one may trace it. */
	if (r == 0 && prctl(PR_SET_DUMPABLE, 0) < 0)
		r = err_sys(e, errno, "hide from others");
	return r;
}

int join_container(struct setup *s, struct err *e)
{
	/* The zygote has made this process in the pid namespace. */
	int flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP |
		    CLONE_NEWTIME;

	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return err_sys(e, errno, "hide from others");
	if (s->kind == CHILD_EXEC_USERNS)
		flags |= CLONE_NEWUSER;
	if (setns(CHILD_INIT_PIDFD, flags) < 0)
		return errno == ESRCH ? err_say(e, ESRCH, "the container has ended")
				      : err_sys(e, errno, "join the container");
	(void) close(CHILD_INIT_PIDFD);
	return s->kind == CHILD_EXEC_USERNS ? become_root(e) : 0;
}
