#include "host/sandbox/siblings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/sandbox/container.h"
#include "host/sandbox/model.h"

/* Zeroes, which are no namespace's, where there is none. */
static struct guest_ns identify(int fd)
{
	struct stat st = {0};

	if (fd < 0 || fstat(fd, &st) < 0)
		return (struct guest_ns){0};
	return (struct guest_ns){.dev = st.st_dev, .ino = st.st_ino};
}

static size_t count(const struct list *list)
{
	size_t n = 0;

	list_for_each (pos, list)
		n++;
	return n;
}

int siblings_note(struct guest_container *c, struct err *e)
{
	const struct list *all = &c->sb->containers;
	struct siblings *s = calloc(1, sizeof *s + count(all) * sizeof *s->list);

	if (!s)
		return err_sys(e, ENOMEM, "create container '%s'", c->id);
	c->siblings = s;
	list_for_each (pos, all) {
		const struct guest_container *other =
			container_of(pos, struct guest_container, link);
		char *id = NULL;

		/* What one that is being made has is the job's. */
		if (other->init->status == OCI_CREATING || other->standin.pid_ns < 0)
			continue;
		id = strdup(other->id);
		if (!id)
			return err_sys(e, ENOMEM, "create container '%s'", c->id);
		s->list[s->n++] = (struct guest_sibling){
			.id = id,
			.net = identify(other->view.fds[VIEW_NET]),
			.ipc = identify(other->view.fds[VIEW_IPC]),
			.uts = identify(other->view.fds[VIEW_UTS]),
			.pid = identify(other->standin.pid_ns),
			.user = identify(other->view.fds[VIEW_USER]),
		};
		if (other->holds_pod)
			s->holder = &s->list[s->n - 1];
	}
	return 0;
}

void siblings_free(struct guest_container *c)
{
	struct siblings *s = take_ptr(c->siblings);

	for (size_t i = 0; s && i < s->n; i++)
		free((char *) s->list[i].id);
	free(s);
}
