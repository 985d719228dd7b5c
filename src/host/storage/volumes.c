#include "host/storage/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/log.h"
#include "host/storage/kernel_files.h"
#include "host/storage/volume_driver.h"

/* The first line that matches makes the volume. */
static const struct volume_driver drivers[] = {
	{"direct", volume_is_direct, volume_make_direct},
	{"block device", volume_is_block, volume_make_block},
	{"kernel file", volume_is_kernels, volume_make_kernels},
	{"shared memory", volume_is_shm, volume_make_shm},
	{"shared", volume_is_shared, volume_make_shared},
	{"overlay", volume_is_overlay, volume_make_overlay},
	{"disk", volume_is_disk, volume_make_disk},
	{"guest's own", volume_is_guests, NULL},
};

static const struct volume_driver *find_driver(const struct volume_task *t)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (drivers[i].match(t))
			return &drivers[i];
	return NULL;
}

static int look_at_source(struct volume_task *t, struct err *e)
{
	const char *source = t->mount->source;

	t->source = volume_host_path(t->owner, source ? source : "");
	if (!t->source)
		return err_sys(e, ENOMEM, "rewrite the spec");
	t->source_fd = open(t->source, O_PATH | O_CLOEXEC);
	if (t->source_fd < 0 || fstat(t->source_fd, &t->stat) < 0 ||
	    fstatfs(t->source_fd, &t->fs) < 0)
		return err_sys(e, errno, "source '%s'", t->source);
	/* A block device is none of the guest's by any path. */
	if (volume_is_block(t))
		return 0;
	return err_wrap(e, kernel_files_place(t->source_fd, t->source, &t->kernel_place, e),
			"source");
}

static int look_at_mount(struct volume_task *t, struct err *e)
{
	const Grpc__Mount *m = t->mount;
	int r = oci_mount_options_parse(m->options, m->n_options, &t->options, e);

	if (r < 0)
		return r;
	t->is_bind = t->options.flags & MS_BIND || (m->type && strcmp(m->type, "bind") == 0);
	if (!t->is_bind)
		return 0;
	/* For a bind mount the kernel takes flags only. */
	if (t->options.data && !(t->options.flags & MS_REMOUNT))
		log_warn("ignoring options '%s' of the bind mount on '%s': they are no flags",
			 t->options.data, m->destination);
	return look_at_source(t, e);
}

static void task_fini(struct volume_task *t)
{
	oci_mount_options_fini(&t->options);
	fd_close(t->source_fd);
	free(t->source);
	free(t->kernel_place);
}

static int prepare(struct volume_task *t, struct volume *ret, struct err *e)
{
	int r = look_at_mount(t, e);
	const struct volume_driver *driver = r < 0 ? NULL : find_driver(t);

	if (r < 0)
		return r;
	if (!driver)
		return err_say(e, ENOTSUP, "type '%s' is not supported yet",
			       t->mount->type ? t->mount->type : "");
	log_debug("mounts: '%s' is a volume of kind '%s'", t->mount->destination, driver->name);
	ret->is_file = t->is_bind && !S_ISDIR(t->stat.st_mode);
	return driver->prepare ? driver->prepare(t, ret, e) : 0;
}

/* Whatever is NULL is gone, and with it what it had. */
static int give_back(struct volume *v, struct share *share, const struct volume_disks *disks,
		     struct err *e)
{
	if (v->disk && disks)
		disks->take_back(disks->arg, v->disk);
	return v->guest_path && share ? share_remove(share, v->guest_path, e) : 0;
}

static void volume_free(struct volume *v)
{
	if (v->storage)
		grpc__storage__free_unpacked(v->storage, NULL);
	if (v->device)
		grpc__device__free_unpacked(v->device, NULL);
	free(v->guest_path);
	free(v);
}

void volume_discard(const struct volume_owner *owner, struct volume *v)
{
	if (!v)
		return;
	(void) give_back(v, owner->share, owner->disks, NULL);
	volume_free(v);
}

int volumes_add(const struct volume_owner *owner, Grpc__Mount *mount, struct err *e)
{
	struct volume_task task = {.owner = owner, .mount = mount, .source_fd = -1};
	struct volume *volume = calloc(1, sizeof *volume);
	int r = volume ? prepare(&task, volume, e) : err_sys(e, ENOMEM, "rewrite the spec");

	task_fini(&task);
	if (r == 0)
		list_add(owner->volumes, &volume->link);
	else
		volume_discard(owner, volume);
	return r;
}

int volumes_find_shm(const struct volume_owner *owner, Grpc__Mount *const *mounts, size_t n,
		     struct volume_shm *ret, struct err *e)
{
	int r = 0;

	*ret = (struct volume_shm){0};
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct volume_task task = {.owner = owner, .mount = mounts[i], .source_fd = -1};

		if (strcmp(mounts[i]->destination, "/dev/shm") != 0)
			continue;
		r = err_wrap(e, look_at_mount(&task, e), "mounts[%zu]", i);
		if (r == 0 && volume_is_shm(&task))
			*ret = (struct volume_shm){
				.dev = task.stat.st_dev,
				.ino = task.stat.st_ino,
				.bytes = (uint64_t) task.fs.f_blocks * (uint64_t) task.fs.f_bsize,
			};
		task_fini(&task);
	}
	return r;
}

int volumes_release(struct list *volumes, struct share *share, const struct volume_disks *disks,
		    struct err *e)
{
	int result = 0;

	while (!list_empty(volumes)) {
		struct volume *v = container_of(volumes->prev, struct volume, link);
		int r = give_back(v, share, disks, result == 0 ? e : NULL);

		if (result == 0)
			result = r;
		list_remove(&v->link);
		volume_free(v);
	}
	return result;
}
