/* The host's view of a container, for engines that join its stand-in process: see view.h. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "host/sandbox/container.h"
#include "host/sandbox/model.h"
#include "host/sandbox/registry.h"

static bool is_lent(const char *source)
{
	return source && strncmp(source, SHARE_GUEST_PATH "/", strlen(SHARE_GUEST_PATH "/")) == 0;
}

static int clone_mounts(struct guest_container *c, struct view_mount *mounts, struct err *e)
{
	const Grpc__Spec *spec = c->spec;

	for (size_t i = 0; i < spec->n_mounts; i++) {
		const Grpc__Mount *m = spec->mounts[i];

		mounts[i].destination = m->destination;
		if (!is_lent(m->source))
			continue;

		int r = share_clone(c->sb->machine.share, m->source, &mounts[i].tree_fd, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Namespaces of the container without its files. */
static struct view_spec empty_view(const struct guest_container *c)
{
	return (struct view_spec){
		.scratch = share_private_path(c->sb->machine.share),
		.root_fd = -1,
		.hostname = c->spec->hostname,
		/* The machine is one network, and has one namespace for it on the host. */
		.net_fd =
			c->joined.net_ns >= 0 ? c->joined.net_ns : c->sb->machine.interfaces.ns_fd,
		.ipc_fd = c->joined.ipc_ns,
		.uts_fd = c->joined.uts_ns,
	};
}

int room_make_empty(struct guest_container *c, struct view *ret, struct err *e)
{
	const struct view_spec view = empty_view(c);

	return view_make(&view, ret, e);
}

static int make(struct guest_container *c, struct view_mount *mounts, struct err *e)
{
	const char *root = c->spec->root->path;
	auto_close int root_fd = -1;
	int r = 0;

	/* Nothing of a container that holds the pod is in the share, nor is a root of disks. */
	if (!c->holds_pod && is_lent(root))
		r = share_clone(c->sb->machine.share, root, &root_fd, e);
	if (r == 0 && !c->holds_pod)
		r = clone_mounts(c, mounts, e);
	if (r < 0)
		return r;

	struct view_spec view = empty_view(c);

	view.root_fd = root_fd;
	view.mounts = mounts;
	view.n_mounts = c->holds_pod ? 0 : c->spec->n_mounts;
	r = view_make(&view, &c->view, e);
	if (r == 0)
		c->view.fds[VIEW_USER] = take_fd(&c->joined.user_ns);
	return r;
}

int room_make(struct guest_container *c, struct err *e)
{
	size_t n = c->spec->n_mounts;
	auto_free struct view_mount *mounts = calloc(n + 1, sizeof *mounts);

	if (!mounts)
		return err_sys(e, ENOMEM, "make the host's view of the container");
	for (size_t i = 0; i < n; i++)
		mounts[i].tree_fd = -1;
	log_debug("step: make the host's view");

	int r = make(c, mounts, e);

	for (size_t i = 0; i < n; i++)
		(void) fd_close(mounts[i].tree_fd);
	return r;
}

void room_close(struct guest_container *c)
{
	view_close(&c->view);
	guest_joined_fini(&c->joined);
}

/* Runs on the loop, because sandbox_room() hands the view out there. */
static int close_on_loop(void *arg, struct err *e)
{
	struct guest_container *c = arg;

	(void) e;
	guest_standin_end(&c->standin);
	room_close(c);
	return 0;
}

void close_room(struct guest_container *c)
{
	(void) worker_on_loop(c->worker, close_on_loop, c, NULL);
	guest_standin_await_end(&c->standin);
}

int sandbox_room(struct sandbox *sb, const char *id, pid_t standin, const int **ret_fds,
		 size_t *ret_n, struct err *e)
{
	struct guest_container *c = sandbox_find(sb, id, e);

	if (!c)
		return -ENOENT;
	if (c->view.fds[VIEW_MNT] < 0)
		return err_say(e, EBUSY, "container '%s' is being made or removed", id);

	int r = sb->options.has_standins ? 0 : guest_standin_is(&c->standin, standin, e);

	if (r < 0)
		return r;
	*ret_fds = c->view.fds;
	*ret_n = view_count(&c->view);
	return 0;
}
