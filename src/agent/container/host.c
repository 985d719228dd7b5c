#include "agent/container/container.h"

#include <errno.h>
#include <stdlib.h>

#include "agent/cgroup/cgroup.h"
#include "agent/container/worker.h"

/* Where cgroup2 is: alone, or beside the v1 controllers as systemd's "hybrid" layout has it. */
#define CGROUP_PATH        "/sys/fs/cgroup"
#define CGROUP_HYBRID_PATH "/sys/fs/cgroup/unified"

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
	r = zygote_init(&host->zygote, e);
	if (r == 0)
		r = open_cgroups(&host->cgroups, e);
	if (r < 0)
		return err_wrap(e, r, "prepare for containers");
	*ret = take_ptr(host);
	return 0;
}

int container_host_warm(struct container_host *host, struct err *e)
{
	int r = zygote_start(&host->zygote, e);

	return r < 0 ? r : cgroup_root_warm(host->cgroups, e);
}

void container_host_free(struct container_host *host)
{
	if (!host)
		return;
	cgroup_root_free(host->cgroups);
	zygote_fini(&host->zygote);
	free(host);
}
