#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/driver.h"
#include "base/array.h"
#include "base/file.h"
#include "oci/names.h"

static int mount_fs(const struct storage_task *t, struct err *e)
{
	return driver_mount(t, t->storage->fstype, NULL, e);
}

static int mount_virtiofs(const struct storage_task *t, struct err *e)
{
	return driver_mount(t, "virtiofs", NULL, e);
}

static int mount_9p(const struct storage_task *t, struct err *e)
{
	return driver_mount(t, "9p", NULL, e);
}

static int mount_bind(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	struct oci_mount_options o = {0};
	struct stat st;

	if (stat(t->source, &st) < 0)
		return err_sys(e, errno, "find '%s'", t->source);

	auto_close int place = place_make(t->run_fd, t->config->run_dir, s->mount_point,
					  S_ISDIR(st.st_mode) ? PLACE_FOLDER : PLACE_FILE, e);

	if (place < 0)
		return place;

	int r = oci_mount_options_parse(s->options, s->n_options, &o, e);
	unsigned long attributes = o.flags & ~(unsigned long) (MS_BIND | MS_REC);

	o.flags = MS_BIND | (o.flags & MS_REC);
	if (r == 0)
		r = driver_mount_at(t, place, "", &o, e);
	if (r == 0 && attributes) {
		/* The mount covers the place now, so the path is opened again to get the mount. */
		auto_close int top =
			place_make(t->run_fd, t->config->run_dir, s->mount_point, PLACE_FILE, e);
		char path[PLACE_FD_PATH_BYTES];

		r = top < 0 ? top : 0;
		if (r == 0 && mount(NULL, place_fd_path(top, path), NULL,
				    MS_BIND | MS_REMOUNT | attributes, NULL) < 0) {
			r = err_sys(e, errno, "set the options of '%s'", s->mount_point);
			(void) umount2(path, MNT_DETACH);
		}
	}
	oci_mount_options_fini(&o);
	return r;
}

/* A disk of file system "bind" is no file system, but its node, as upstream's hosts ask for it. */
static int mount_disk(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	int r;

	if (s->n_driver_options > 0)
		return err_say(e, ENOTSUP, "storage option '%s' is not supported yet",
			       s->driver_options[0]);
	if (strcmp(s->fstype, "bind") == 0)
		return mount_bind(t, e);
	r = module_load_if_any(t->config->devices, s->fstype, e);
	return r < 0 ? r : mount_fs(t, e);
}

static const struct storage_driver drivers[] = {
	{.name = "virtio-fs", .modules = {"virtiofs"}, .mount = mount_virtiofs, .is_share = true},
	{.name = "9p", .modules = {"9pnet_virtio", "9p"}, .mount = mount_9p, .is_share = true},
	{.name = "blk",
	 .modules = {"virtio_blk"},
	 .is_disk = true,
	 .by = DEVICE_BLOCK,
	 .mount = mount_disk},
	/* Upstream's hosts name the node. A serial number is known before the guest runs. */
	{.name = "mmioblk",
	 .modules = {"virtio_blk"},
	 .is_disk = true,
	 .by = DEVICE_DISK,
	 .mount = mount_disk},
	{.name = "ephemeral", .mount = driver_mount_ephemeral},
	{.name = "local", .mount = driver_make_local, .is_folder = true},
	{.name = "bind", .mount = mount_bind},
	{.name = "node", .mount = driver_make_node, .is_folder = true},
	{.name = "overlayfs", .modules = {"overlay"}, .mount = driver_mount_overlay},
};

/* Drivers that only upstream's agent has. */
static const char *const not_supported[] = {
	"blk-ccw", "scsi", "nvdimm", "watchable-bind", "image_guest_pull", "erofs.multi-layer",
};

const struct storage_driver *driver_find(const char *name, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		if (strcmp(drivers[i].name, name) == 0)
			return &drivers[i];
	for (size_t i = 0; i < ARRAY_LEN(not_supported); i++) {
		if (strcmp(not_supported[i], name) == 0) {
			(void) err_say(e, ENOTSUP, "storage driver '%s' is not supported yet",
				       name);
			return NULL;
		}
	}
	(void) err_say(e, EINVAL, "there is no storage driver '%s'", name);
	return NULL;
}

const char *const *storage_driver_names(size_t *ret_n)
{
	static const char *names[ARRAY_LEN(drivers)];

	for (size_t i = 0; i < ARRAY_LEN(drivers); i++)
		names[i] = drivers[i].name;
	*ret_n = ARRAY_LEN(drivers);
	return names;
}

static int undo(const struct storage_driver *driver, const struct storages_config *config,
		int run_fd, const char *mount_point, struct err *e)
{
	const char *name;

	if (!driver->is_folder)
		return driver_unmount(config, run_fd, mount_point, e);

	auto_close int parent = place_open_parent(run_fd, config->run_dir, mount_point, &name, e);

	return parent < 0 ? parent : dir_remove(parent, name, e);
}

int driver_undo(const struct storage_driver *driver, const struct storages_config *config,
		int run_fd, const char *mount_point, struct err *e)
{
	int r = undo(driver, config, run_fd, mount_point, e);

	if (r == 0)
		place_remove(run_fd, config->run_dir, mount_point);
	return r;
}
