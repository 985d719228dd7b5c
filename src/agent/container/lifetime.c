/* How long a container's memory is kept: until it was freed and the last pin is gone. */
#include <stdlib.h>

#include "agent/container/container_priv.h"
#include "base/fd.h"

/* Ends the processes and closes everything; release() frees the rest with the last pin. */
static void take_apart(struct container *c)
{
	loop_timer_cancel(c->remove_timer);
	c->remove_timer = NULL;
	list_for_each (pos, &c->execs) {
		struct container_process *p = container_of(pos, struct container_process, link);

		container_process_fini(p);
		p->container = NULL;
	}
	container_process_fini(&c->init);
	worker_fini(&c->hooks);
	if (c->cgroup) {
		(void) cgroup_kill(c->cgroup, NULL);
		(void) cgroup_remove(c->cgroup, NULL);
		cgroup_free(c->cgroup);
		c->cgroup = NULL;
	}
	c->spec_fd = fd_close(c->spec_fd);
	c->filter_fd = fd_close(c->filter_fd);
}

static void release(struct container *c)
{
	grpc__process__free_unpacked(c->defaults, NULL);
	free(c->uid_map);
	free(c->gid_map);
	free(c->bundle);
	free(c->id);
	free(c);
}

void container_free(struct container *c)
{
	if (!c)
		return;
	take_apart(c);
	c->freed = true;
	if (c->pins == 0)
		release(c);
}

void container_pin(struct container *c)
{
	c->pins++;
}

bool container_unpin(struct container *c)
{
	c->pins--;
	if (!c->freed)
		return true;
	if (c->pins == 0)
		release(c);
	return false;
}
