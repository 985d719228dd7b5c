/* Volumes that are overlays. Their layers are folders of this host, so the host mounts them and
 * shares the result like any other folder. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "host/storage/volume_driver.h"

/* The folders that @word names, NULL if it is about something else. */
static const char *folders_of(const char *word)
{
	static const char names[][10] = {"lowerdir=", "upperdir=", "workdir="};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strncmp(word, names[i], strlen(names[i])) == 0)
			return word + strlen(names[i]);
	return NULL;
}

/* Whether all folders of a list with ':' between them are absolute. A colon behind a backslash is
 * part of a name; two are a separator of their own. */
static bool all_absolute(const char *list)
{
	if (*list != '/')
		return false;
	for (const char *c = list; *c; c++) {
		if (*c == '\\' && c[1])
			c++;
		else if (*c == ':' && c[1] != '/' && c[1] != ':')
			return false;
	}
	return true;
}

/* Refuses relative folders, because the kernel would look below the server's working folder. */
static int check_folders(const Grpc__Mount *m, struct err *e)
{
	for (size_t i = 0; i < m->n_options; i++) {
		const char *folders = folders_of(m->options[i]);

		if (folders && !all_absolute(folders))
			return err_say(e, EINVAL, "options: '%s' is not absolute", m->options[i]);
	}
	return 0;
}

/* Mounts the overlay on a new folder @path. */
static int mount_overlay(const struct volume_task *t, const char *path, struct err *e)
{
	const char *data = t->options.data;
	unsigned long flags = t->options.flags & ~(unsigned long) MS_REC;
	int r = check_folders(t->mount, e);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0)
		return err_sys(e, errno, "make '%s'", path);
	if (mount("overlay", path, "overlay", flags, data) < 0) {
		r = err_sys(e, errno, "mount overlay '%s'", data ? data : "");
		(void) rmdir(path);
	}
	return r;
}

/* Whether an option is overlay's own, which the bind mount in the guest must not have. */
static bool is_overlays_own(char *word)
{
	struct oci_mount_options o = {0};
	bool own = oci_mount_options_parse(&word, 1, &o, NULL) == 0 && o.data;

	oci_mount_options_fini(&o);
	return own;
}

bool volume_is_overlay(const struct volume_task *t)
{
	return t->mount->type && strcmp(t->mount->type, "overlay") == 0 &&
	       !(t->options.flags & MS_REMOUNT);
}

int volume_make_overlay(struct volume_task *t, struct volume *ret, struct err *e)
{
	/* A name of the container's own, because several are created at once. */
	auto_free char *name = share_name_of(t->owner->container_id);
	auto_free char *path =
		name ? str_printf("%s/overlay-%s", share_private_path(t->owner->share), name)
		     : NULL;

	if (!path)
		return err_sys(e, ENOMEM, "mount overlay");

	int r = mount_overlay(t, path, e);

	if (r < 0)
		return r;

	t->source_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = t->source_fd < 0 ? err_sys(e, errno, "open '%s'", path) : volume_make_shared(t, ret, e);
	/* The mount in the share is a clone and stays. */
	(void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void) rmdir(path);
	if (r == 0)
		volume_mount_drop_options(t->mount, is_overlays_own);
	return r;
}
