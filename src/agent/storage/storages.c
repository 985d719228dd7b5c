#include "agent/storage/storages.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/log.h"

/* A failure is only logged, because what the two guard against is rare. */
static void make_up_for_server(struct storages *s)
{
	const struct storages_config *c = &s->config;
	struct err e = {0};

	if (c->shared_files_max &&
	    inode_bound_new(c->loop, c->reaper, c->shared_files_max, &s->bound, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
	err_clear(&e);
	if (c->server_appends && append_guard_init(&s->guard, KERNEL_FACTS_FILE, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
}

int storages_new(const struct storages_config *config, struct storages **ret, struct err *e)
{
	int r = dir_make(config->run_dir, 0755, e);

	if (r < 0)
		return r;

	auto_close int fd = open(config->run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", config->run_dir);

	struct storages *s = calloc(1, sizeof *s);

	if (!s)
		return err_sys(e, ENOMEM, "prepare for storages");
	s->config = *config;
	s->run_fd = take_fd(&fd);
	list_init(&s->mounted);
	list_init(&s->jobs);
	list_init(&s->growths);
	make_up_for_server(s);
	*ret = s;
	return 0;
}

static void undo(struct storages *s, struct mounted *m)
{
	struct err e = {0};

	if (driver_undo(m->driver, &s->config, s->run_fd, m->path, &e) < 0)
		log_err(LOG_WARN, &e, "ignoring");
	list_remove(&m->link);
	s->n_mounted--;
	free(m);
}

void storages_free(struct storages *s)
{
	if (!s)
		return;
	assert(list_empty(&s->jobs));
	if (s->end_growths)
		s->end_growths(s);
	while (!list_empty(&s->mounted))
		undo(s, container_of(s->mounted.prev, struct mounted, link));
	inode_bound_free(s->bound);
	if (s->config.server_appends)
		append_guard_fini(&s->guard);
	fd_close(s->run_fd);
	free(s);
}

int storage_hold_new(struct storages *s, struct storage_hold **ret, struct err *e)
{
	struct storage_hold *h = calloc(1, sizeof *h);

	if (!h)
		return err_sys(e, ENOMEM, "hold storages");
	h->storages = s;
	list_init(&h->held);
	*ret = h;
	return 0;
}

/* Releases in reverse order, because one may be mounted on top of another. */
void storage_hold_free(struct storage_hold *h)
{
	if (!h)
		return;
	while (!list_empty(&h->held)) {
		struct held *x = container_of(h->held.prev, struct held, link);

		list_remove(&x->link);
		if (--x->what->holders == 0)
			undo(h->storages, x->what);
		free(x);
	}
	free(h);
}

static size_t path_bytes(const char *path)
{
	size_t n = strlen(path);

	while (n > 1 && path[n - 1] == '/')
		n--;
	return n;
}

struct mounted *storages_find(struct storages *s, const char *path)
{
	size_t n = path_bytes(path);

	list_for_each (pos, &s->mounted) {
		struct mounted *m = container_of(pos, struct mounted, link);

		if (strlen(m->path) == n && memcmp(m->path, path, n) == 0)
			return m;
	}
	return NULL;
}

int storage_hold_add(struct storage_hold *h, struct mounted *m, struct err *e)
{
	struct held *x = calloc(1, sizeof *x);

	if (!x)
		return err_sys(e, ENOMEM, "hold storage '%s'", m->path);
	x->what = m;
	m->holders++;
	list_add(&h->held, &x->link);
	return 0;
}

struct mounted *storages_enter(struct storage_hold *h, const struct storage_driver *driver,
			       const char *path, struct err *e)
{
	struct storages *s = h->storages;
	size_t n = path_bytes(path);
	struct mounted *m;

	if (s->n_mounted >= STORAGES_MAX) {
		(void) err_say(e, ENOSPC, "there are %u storages already", s->n_mounted);
		return NULL;
	}
	m = calloc(1, sizeof *m + n + 1);
	if (!m || storage_hold_add(h, m, e) < 0) {
		(void) err_sys(e, ENOMEM, "hold storage '%s'", path);
		free(m);
		return NULL;
	}
	m->driver = driver;
	memcpy(m->path, path, n);
	list_add(&s->mounted, &m->link);
	s->n_mounted++;
	return m;
}

void storages_leave(struct storage_hold *h, struct mounted *m)
{
	struct held *x = container_of(h->held.prev, struct held, link);

	assert(x->what == m);
	list_remove(&x->link);
	free(x);
	list_remove(&m->link);
	h->storages->n_mounted--;
	free(m);
}

/* Options of a tmpfs that can be changed later are data for the file system. */
int storages_remount(struct storages *s, const Grpc__Storage *storage, struct err *e)
{
	struct mounted *m = storages_find(s, storage->mount_point);

	if (strcmp(storage->driver, "ephemeral") != 0)
		return err_say(e, EINVAL, "a storage of driver '%s' cannot be changed",
			       storage->driver);
	if (!m || strcmp(m->driver->name, "ephemeral") != 0)
		return err_say(e, ENOENT, "there is no storage '%s'", storage->mount_point);
	return driver_remount(&s->config, s->run_fd, storage, e);
}
