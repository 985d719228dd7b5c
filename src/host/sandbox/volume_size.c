/* A volume on a disk grows: the machine is told how large the disk is now, and then the agent to
 * make the file system larger. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/fd.h"
#include "host/sandbox/agent_call.h"
#include "host/sandbox/registry.h"

/* How long the hypervisor may take. */
#define DISK_TIMEOUT_MS 10000
/* How long the guest may take: it writes to each group of blocks that comes. */
#define GROW_TIMEOUT_MS 300000

struct growth {
	struct sandbox_job job;
	struct sandbox *sb;
	char *guest_path, *device;
	uint64_t bytes;
	sandbox_done_fn done;
	void *arg;
};

static void growth_free(struct growth *g)
{
	free(g->guest_path);
	free(g->device);
	free(g);
}

/* Looked at before it is opened, because opening other files may have effects or wait. */
static int open_device(const char *path, struct err *e)
{
	auto_close int look = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (look < 0 || fstat(look, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(e, ENOTBLK, "'%s' is neither a block device nor an image file",
			       path);

	int fd = fd_reopen(look, O_RDONLY);

	return fd < 0 ? err_sys(e, -fd, "open '%s'", path) : fd;
}

static int grow_disk(struct worker_job *job, struct err *e)
{
	struct growth *g = container_of(job, struct growth, job.job);
	auto_close int fd = open_device(g->device, e);

	if (fd < 0)
		return fd;
	return err_wrap(e,
			disks_resize(&g->sb->machine.disks, fd, g->bytes,
				     clock_deadline(DISK_TIMEOUT_MS), e),
			"'%s'", g->device);
}

static void ask_guest(struct growth *g)
{
	Grpc__ResizeVolumeRequest resize = GRPC__RESIZE_VOLUME_REQUEST__INIT;

	resize.volume_guest_path = g->guest_path;
	resize.size = g->bytes;
	agent_ask_until(g->sb, "ResizeVolume", &resize.base, NULL, clock_deadline(GROW_TIMEOUT_MS),
			g->done, g->arg);
}

static void disk_grown(struct worker_job *job, int r, struct err *e)
{
	struct growth *g = container_of(job, struct growth, job.job);

	if (r < 0)
		sandbox_refuse(g->done, g->arg, e);
	else
		ask_guest(g);
	growth_free(g);
}

void sandbox_volume_resize(struct sandbox *sb, const struct sandbox_volume_size *size,
			   sandbox_done_fn done, void *arg)
{
	struct growth *g = calloc(1, sizeof *g);
	struct err e = {0};
	int r = sandbox_check_ready(sb, &e);

	if (g) {
		g->guest_path = strdup(size->guest_path);
		g->device = strdup(size->device);
	}
	if (r == 0 && (!g || !g->guest_path || !g->device))
		r = err_sys(&e, ENOMEM, "resize a volume");
	if (r < 0) {
		if (g)
			growth_free(g);
		sandbox_refuse(done, arg, &e);
		return;
	}
	g->job = (struct sandbox_job){
		.job.run = grow_disk, .done = disk_grown, .worker = sb->machine.sizer};
	g->sb = sb;
	g->bytes = size->bytes;
	g->done = done;
	g->arg = arg;
	job_queue(sb, NULL, &g->job);
}
