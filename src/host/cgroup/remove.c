/* The end of a cgroup. */
#include <errno.h>
#include <ftw.h>
#include <linux/magic.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "host/cgroup/cgroup_priv.h"
#include "host/cgroup/systemd.h"

/* A process that has been killed is in its cgroup a bit longer, and nothing tells when it has gone
 * from one of v1. */
#define BUSY_RETRY_MS 10
/* Folders that are open at once; deeper trees work, too. */
#define WALK_FDS 8

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void) st, (void) at;
	return type != FTW_DP || rmdir(path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* The folder of all overheads is nobody else's, and goes with the last of them. */
static void remove_common(const char *folder)
{
	const char *slash = strrchr(folder, '/');
	size_t tail = strlen(HOST_CGROUP_OVERHEAD);
	auto_free char *above = strndup(folder, (size_t) (slash - folder));
	size_t bytes = above ? strlen(above) : 0;

	if (bytes > tail && strcmp(above + bytes - tail, HOST_CGROUP_OVERHEAD) == 0)
		(void) rmdir(above);
}

int host_cgroup_remove_folder(const char *folder, msec_t deadline, struct err *e)
{
	struct statfs fs;

	if (statfs(folder, &fs) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "look at '%s'", folder);
	if (fs.f_type != CGROUP_SUPER_MAGIC && fs.f_type != CGROUP2_SUPER_MAGIC)
		return err_say(e, EINVAL, "'%s' is no cgroup", folder);
	/* Those below first: a program with the rights to it may have made some. */
	while (rmdir(folder) < 0 && errno != ENOENT) {
		if (errno != EBUSY && errno != ENOTEMPTY)
			return err_sys(e, errno, "remove the cgroup '%s'", folder);
		(void) nftw(folder, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		if (access(folder, F_OK) < 0)
			break;
		if (clock_now() >= deadline)
			return err_sys(e, EBUSY, "remove the cgroup '%s'", folder);
		(void) poll(NULL, 0, BUSY_RETRY_MS);
	}
	remove_common(folder);
	return 0;
}

/* Not before its processes have ended, because systemd kills what it still finds. It takes a scope
 * away by itself when nobody is in it, but with cgroup v1 it may not be told. */
static int end_unit(struct host_cgroup *g, msec_t deadline, struct err *e)
{
	g->has_unit = false;
	return systemd_unit_stop(g->unit, deadline, e);
}

int host_cgroup_remove(struct host_cgroup *g, msec_t deadline, struct err *e)
{
	int worst = 0;

	child_kill(&g->keeper);
	for (size_t i = 0; i < g->hierarchies.n; i++) {
		struct err why = {0};
		int r = g->places[i].made
				? host_cgroup_remove_folder(g->places[i].folder, deadline, &why)
				: 0;

		g->places[i].made &= r < 0;
		if (r < 0 && worst == 0) {
			worst = r;
			if (e)
				*e = why;
		}
	}
	if (worst == 0 && g->has_unit)
		worst = end_unit(g, deadline, e);
	return worst;
}
