#include "agent/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/cgroup/tree.h"

/*
 * The kernel reports EPOLLPRI on cgroup.events and memory.events from a change of a number in them
 * until they are read. Several changes may be one event, so the callback gets the current state.
 */
struct watcher {
	struct cgroup *cg;
	cgroup_event_fn fn;
	void *arg;
	int events_fd, memory_fd;
	struct loop_watch *events_watch, *memory_watch;
	uint64_t oom_kills;
};

/* The kernel reports the next change only after a read through the watched descriptor. */
static void rearm(int fd)
{
	char text[512];

	(void) !pread(fd, text, sizeof text, 0);
}

static void on_events(void *arg, uint32_t events)
{
	struct watcher *w = arg;
	uint64_t populated = 0, frozen = 0;

	(void) events;
	rearm(w->events_fd);
	(void) cgroup_read_key(w->cg, "cgroup.events", "populated", &populated);
	(void) cgroup_read_key(w->cg, "cgroup.events", "frozen", &frozen);
	w->fn(w->arg, !populated ? CGROUP_EMPTY : frozen ? CGROUP_FROZEN : CGROUP_THAWED);
}

static void on_memory(void *arg, uint32_t events)
{
	struct watcher *w = arg;
	uint64_t kills = 0, before = w->oom_kills;

	(void) events;
	rearm(w->memory_fd);
	if (!cgroup_read_key(w->cg, "memory.events", "oom_kill", &kills))
		return;
	w->oom_kills = kills;
	if (kills > before)
		w->fn(w->arg, CGROUP_OOM);
}

void cgroup_watcher_free(struct watcher *w)
{
	if (!w)
		return;
	loop_unwatch(w->events_watch);
	loop_unwatch(w->memory_watch);
	fd_close(w->events_fd);
	fd_close(w->memory_fd);
	free(w);
}
AUTO_PTR(struct watcher, cgroup_watcher_free)

int cgroup_watch(struct cgroup *cg, struct loop *loop, cgroup_event_fn fn, void *arg, struct err *e)
{
	auto_ptr(cgroup_watcher_free) struct watcher *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return err_sys(e, ENOMEM, "watch cgroup '%s'", cg->path);
	*w = (struct watcher){.cg = cg, .fn = fn, .arg = arg, .memory_fd = -1};
	w->events_fd = openat(cg->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (w->events_fd < 0)
		return err_sys(e, errno, "watch cgroup '%s'", cg->path);
	rearm(w->events_fd);
	r = loop_watch(loop, w->events_fd, EPOLLPRI, on_events, w, &w->events_watch, e);
	if (r < 0)
		return r;

	w->memory_fd = openat(cg->fd, "memory.events", O_RDONLY | O_CLOEXEC);
	if (w->memory_fd >= 0) {
		rearm(w->memory_fd);
		r = loop_watch(loop, w->memory_fd, EPOLLPRI, on_memory, w, &w->memory_watch, e);
		if (r < 0)
			return r;
	}
	cgroup_watcher_free(cg->watcher);
	cg->watcher = take_ptr(w);
	return 0;
}
