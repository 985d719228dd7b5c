/* Mounting and unmounting as all drivers do it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "agent/storage/driver.h"
#include "base/file.h"
#include "oci/names.h"

int driver_options(const Grpc__Storage *s, const char *const *ours, char ***ret, size_t *ret_n,
		   struct err *e)
{
	char **words = calloc(s->n_options + 1, sizeof *words);
	size_t n = 0;

	if (!words)
		return err_sys(e, ENOMEM, "read the options of storage '%s'", s->mount_point);
	for (size_t i = 0; i < s->n_options; i++) {
		bool is_ours = false;

		for (size_t k = 0; ours && ours[k]; k++)
			is_ours |= strncmp(s->options[i], ours[k], strlen(ours[k])) == 0;
		if (!is_ours)
			words[n++] = s->options[i];
	}
	*ret = words;
	*ret_n = n;
	return 0;
}

int driver_mount_at(const struct storage_task *t, int place, const char *fstype,
		    const struct oci_mount_options *o, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	char path[PLACE_FD_PATH_BYTES];

	if (o->n_propagation > 0 || o->rec_attr_set || o->rec_attr_clear || o->copy_up ||
	    o->idmap || o->ridmap)
		return err_say(e, EINVAL, "storage '%s' cannot have options of a container's mount",
			       s->mount_point);
	if (mount(t->source, place_fd_path(place, path), fstype, o->flags, o->data) == 0)
		return 0;
	if (errno == ENODEV && *fstype)
		return err_say(e, ENODEV, "mount '%s': this guest has no file system '%s'",
			       s->mount_point, fstype);
	return err_sys(e, errno, "mount %s '%s' on '%s'", *fstype ? fstype : s->driver, t->source,
		       s->mount_point);
}

int driver_mount(const struct storage_task *t, const char *fstype, const char *const *ours,
		 struct err *e)
{
	auto_close int place =
		place_make(t->run_fd, t->config->run_dir, t->storage->mount_point, PLACE_FOLDER, e);
	struct oci_mount_options o = {0};
	auto_free char **words = NULL;
	size_t n = 0;

	if (place < 0)
		return place;

	int r = driver_options(t->storage, ours, &words, &n, e);

	if (r == 0)
		r = oci_mount_options_parse(words, n, &o, e);
	if (r == 0)
		r = driver_mount_at(t, place, fstype, &o, e);
	oci_mount_options_fini(&o);
	return r;
}

int driver_unmount(const struct storages_config *config, int run_fd, const char *mount_point,
		   struct err *e)
{
	const char *name;
	auto_close int parent = place_open_parent(run_fd, config->run_dir, mount_point, &name, e);
	char fd_path[PLACE_FD_PATH_BYTES];

	if (parent < 0)
		return parent;

	auto_free char *path = str_printf("%s/%s", place_fd_path(parent, fd_path), name);

	if (!path)
		return err_sys(e, ENOMEM, "unmount '%s'", mount_point);
	if (umount2(path, UMOUNT_NOFOLLOW) == 0)
		return 0;
	/* The mount is busy: write dirty data now and detach it; it goes with its last user. */
	sync();
	if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		return err_sys(e, errno, "unmount '%s'", mount_point);
	return 0;
}
