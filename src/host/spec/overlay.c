/* Overlay mounts of the spec. Their layers are folders of this host, so the host mounts them and
 * shares the result like any other folder. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/spec/spec.h"
#include "oci/names.h"

/* The folders that @word names, NULL if it is about something else. */
static const char *folders_of(const char *word)
{
	static const char *const names[] = {"lowerdir=", "upperdir=", "workdir=", NULL};

	for (const char *const *name = names; *name; name++)
		if (strncmp(word, *name, strlen(*name)) == 0)
			return word + strlen(*name);
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

int guest_overlay_mount(const Grpc__Mount *m, const struct oci_mount_options *o, const char *path,
			struct err *e)
{
	unsigned long flags = o->flags & ~(unsigned long) MS_REC;
	int r = check_folders(m, e);

	if (r < 0)
		return r;
	if (mkdir(path, 0700) < 0)
		return err_sys(e, errno, "make '%s'", path);
	if (mount("overlay", path, "overlay", flags, o->data) < 0) {
		r = err_sys(e, errno, "mount overlay '%s'", o->data ? o->data : "");
		(void) rmdir(path);
	}
	return r;
}

void guest_overlay_unmount(const char *path)
{
	(void) umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	(void) rmdir(path);
}

bool guest_overlay_has_option(char *word)
{
	struct oci_mount_options o = {0};
	bool own = oci_mount_options_parse(&word, 1, &o, NULL) == 0 && o.data;

	oci_mount_options_fini(&o);
	return own;
}
