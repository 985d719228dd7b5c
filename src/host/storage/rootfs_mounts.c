#include "host/storage/rootfs_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "oci/names.h"

#define LOWER "lowerdir="

#define TYPE_BIND    "bind"
#define TYPE_OVERLAY "overlay"

const char *const rootfs_mount_types[] = {TYPE_BIND,  TYPE_OVERLAY, "erofs",
					  "format/*", "mkdir/*",    "mkfs/*"};
const size_t n_rootfs_mount_types = ARRAY_LEN(rootfs_mount_types);

/* ---- Many layers ----
 *
 * The kernel reads one page of options, which the paths of some forty layers fill. They lie in one
 * folder, so their paths are shortened to what follows it, and the mount is made from there. */

static bool fits_a_page(const char *data)
{
	return strlen(data) < (size_t) sysconf(_SC_PAGESIZE);
}

/* The bytes that all folders of @list, which are separated by ':', have in common up to a '/'. */
static size_t common_bytes(const char *list)
{
	size_t common = strcspn(list, ":");

	for (const char *dir = list; dir; dir = strchr(dir, ':')) {
		size_t same = 0;

		dir += *dir == ':';
		while (same < common && dir[same] == list[same])
			same++;
		common = same;
	}
	while (common > 0 && list[common - 1] != '/')
		common--;
	return common;
}

/* Cuts the first @common bytes off every folder of @list, in place. Returns what follows the list:
 * the options behind it move up. */
static void cut_common(char *list, size_t common)
{
	char *from = list, *to = list;
	bool begins = true;

	for (bool in_list = true; *from; from++) {
		if (begins && in_list)
			from += common;
		in_list &= *from != ',';
		begins = *from == ':';
		*to++ = *from;
	}
	*to = '\0';
}

/* Mounts an overlay whose options are longer than a page. @data is changed. */
static int mount_from_inside(unsigned long flags, char *data, const char *target, struct err *e)
{
	char *list = strstr(data, LOWER);
	auto_close int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t common;
	int r = 0;

	if (!list)
		return err_say(e, E2BIG, "the options of the overlay are too long");
	list += strlen(LOWER);
	common = common_bytes(list);

	auto_free char *folder = strndup(list, common);

	if (!folder || common == 0)
		return err_say(e, E2BIG, "the overlay's layers lie in no common folder");
	cut_common(list, common);
	/* The kernel would cut the rest off without a word, upperdir first. */
	if (!fits_a_page(data))
		return err_say(e, E2BIG, "the overlay has too many layers");
	/* Only this thread's working folder changes. */
	if (before < 0 || unshare(CLONE_FS) < 0 || chdir(folder) < 0)
		return err_sys(e, errno, "enter '%s'", folder);
	if (mount("overlay", target, "overlay", flags, data) < 0)
		r = err_sys(e, errno, "mount the overlay of layers in '%s'", folder);
	if (fchdir(before) < 0 && r == 0)
		r = err_sys(e, errno, "return to the working folder");
	return r;
}

static int mount_overlay(struct oci_mount_options *o, const char *target, struct err *e)
{
	if (!o->data)
		return err_say(e, EINVAL, "the overlay has no folders");
	if (!fits_a_page(o->data))
		return mount_from_inside(o->flags, o->data, target, e);
	if (mount("overlay", target, "overlay", o->flags, o->data) < 0)
		return err_sys(e, errno, "mount the overlay '%s'", o->data);
	return 0;
}

static int mount_bind(const Grpc__Mount *m, const struct oci_mount_options *o, const char *target,
		      struct err *e)
{
	struct mount_attr attr = {.attr_set = o->flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0};

	if (!m->source)
		return err_say(e, EINVAL, "the bind mount has no source");
	if (mount(m->source, target, NULL, MS_BIND | (o->flags & MS_REC), NULL) < 0)
		return err_sys(e, errno, "bind '%s'", m->source);
	if (attr.attr_set && mount_setattr(AT_FDCWD, target, o->flags & MS_REC ? AT_RECURSIVE : 0,
					   &attr, sizeof attr) < 0) {
		int r = err_sys(e, errno, "make '%s' read-only", m->source);

		rootfs_mounts_remove(1, target);
		return r;
	}
	return 0;
}

/* The overlay or what is bound is to have other owners, as containerd's snapshotter asks for where the
 * host's kernel maps owners. */
static int refuse_mapping(const Grpc__Mount *m, struct err *e)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (strncmp(m->options[i], "uidmap=", strlen("uidmap=")) == 0 ||
		    strncmp(m->options[i], "gidmap=", strlen("gidmap=")) == 0)
			return err_say(e, ENOTSUP,
				       "option '%s': the owners of a root cannot be mapped yet; "
				       "the snapshotter can change them",
				       m->options[i]);
	return 0;
}

static int make_one(const Grpc__Mount *m, const char *target, struct err *e)
{
	const char *type = m->type ? m->type : "";
	struct oci_mount_options o = {0};
	int r;

	if (m->destination && m->destination[0])
		return err_say(e, ENOTSUP, "mounts below the root are not supported yet");
	r = refuse_mapping(m, e);
	if (r == 0)
		r = oci_mount_options_parse(m->options, m->n_options, &o, e);
	if (r < 0)
		return r;
	if (o.flags & MS_BIND || strcmp(type, TYPE_BIND) == 0)
		r = mount_bind(m, &o, target, e);
	else if (strcmp(type, TYPE_OVERLAY) == 0)
		r = mount_overlay(&o, target, e);
	else
		r = err_say(e, ENOTSUP,
			    "type '%s' is not supported: a root consists of overlay and bind "
			    "mounts, or of disks",
			    type);
	oci_mount_options_fini(&o);
	return r;
}

int rootfs_mounts_make(Grpc__Mount *const *mounts, size_t n, const char *target, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		int r = make_one(mounts[i], target, e);

		if (r < 0) {
			rootfs_mounts_remove(i, target);
			return err_wrap(e, r, "mount %zu of the root", i);
		}
	}
	return 0;
}

void rootfs_mounts_remove(size_t n, const char *target)
{
	while (n-- > 0)
		(void) umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
}
