#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/cgroup/cgroup.h"
#include "agent/container/worker.h"

/* Where cgroup2 is: alone, or beside the v1 controllers as systemd's "hybrid" layout has it. */
#define CGROUP_PATH        "/sys/fs/cgroup"
#define CGROUP_HYBRID_PATH "/sys/fs/cgroup/unified"

/*
 * Our own file, to be executed again: a workload that finds a child of ours in its pid namespace
 * could open /proc/PID/exe for writing and become the agent. A read-only mount that is attached
 * nowhere makes that impossible: nobody can name it, so nobody can remount it.
 */
static int open_exe(int *ret_fd, struct err *e)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY};
	auto_close int fd = (int) syscall(SYS_open_tree, AT_FDCWD, "/proc/self/exe",
					  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open the agent's own file");
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &readonly, sizeof readonly) < 0)
		return err_sys(e, errno, "protect the agent's own file");
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_cgroups(struct cgroup_root **ret, struct err *e)
{
	struct err first = {0};

	if (cgroup_root_open(CGROUP_PATH, ret, &first) == 0 ||
	    cgroup_root_open(CGROUP_HYBRID_PATH, ret, NULL) == 0)
		return 0;
	if (e)
		*e = first;
	return -first.code;
}

int container_host_new(struct loop *loop, struct reaper *reaper, struct container_host **ret,
		       struct err *e)
{
	auto_ptr(container_host_free) struct container_host *host = calloc(1, sizeof *host);
	int r;

	if (!host)
		return err_sys(e, ENOMEM, "prepare for containers");
	host->loop = loop;
	host->reaper = reaper;
	host->exe_fd = host->pid_ns_fd = host->null_fd = -1;
	if ((r = open_exe(&host->exe_fd, e)) < 0 || (r = open_cgroups(&host->cgroups, e)) < 0)
		return err_wrap(e, r, "prepare for containers");
	host->pid_ns_fd = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	host->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (host->pid_ns_fd < 0 || host->null_fd < 0)
		return err_sys(e, errno, "prepare for containers");
	*ret = take_ptr(host);
	return 0;
}

void container_host_free(struct container_host *host)
{
	if (!host)
		return;
	cgroup_root_free(host->cgroups);
	fd_close(host->exe_fd);
	fd_close(host->pid_ns_fd);
	fd_close(host->null_fd);
	free(host);
}
