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
#include "base/file.h"
#include "base/userns.h"
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

/* *@ret_folder: the folder in which all layers of @data lie, freed by the caller; in @data their
 * paths are cut to what follows it. */
static int cut_to_folder(char *data, char **ret_folder, struct err *e)
{
	char *list = strstr(data, LOWER), *folder;
	size_t common;

	if (!list)
		return err_say(e, EINVAL, "the overlay has no layers");
	list += strlen(LOWER);
	common = common_bytes(list);
	if (common == 0)
		return err_say(e, E2BIG, "the overlay's layers lie in no common folder");
	folder = strndup(list, common);
	if (!folder)
		return err_sys(e, ENOMEM, "mount the overlay");
	cut_common(list, common);
	*ret_folder = folder;
	return 0;
}

/* Mounts an overlay whose layers are named from a folder on. */
static int mount_from(int folder_fd, unsigned long flags, const char *data, const char *target,
		      struct err *e)
{
	auto_close int before = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	/* The kernel would cut the rest off without a word, upperdir first. */
	if (!fits_a_page(data))
		return err_say(e, E2BIG, "the overlay has too many layers");
	/* Only this thread's working folder changes. */
	if (before < 0 || unshare(CLONE_FS) < 0 || fchdir(folder_fd) < 0)
		return err_sys(e, errno, "enter the folder of the overlay's layers");
	if (mount("overlay", target, "overlay", flags, data) < 0)
		r = err_sys(e, errno, "mount the overlay '%s'", data);
	if (fchdir(before) < 0 && r == 0)
		r = err_sys(e, errno, "return to the working folder");
	return r;
}

/* Mounts an overlay whose options are longer than a page. @data is changed. */
static int mount_from_inside(unsigned long flags, char *data, const char *target, struct err *e)
{
	auto_free char *folder = NULL;
	auto_close int folder_fd = -1;
	int r = cut_to_folder(data, &folder, e);

	if (r < 0)
		return r;
	folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (folder_fd < 0)
		return err_sys(e, errno, "open '%s'", folder);
	return mount_from(folder_fd, flags, data, target, e);
}

/* ---- Owners ----
 *
 * Options "uidmap=" and "gidmap=", as containerd's snapshotter gives them for a pod with a user
 * namespace where the host's kernel maps owners: lists of "inside:outside:count", separated by ','
 * (containerd, core/mount/mount_idmapped_linux.go). What is written goes into a layer whose owners
 * are mapped already; it is those below that are shown with other ones. */

#define UID_MAP "uidmap="
#define GID_MAP "gidmap="

static const char *find_option(const Grpc__Mount *m, const char *prefix)
{
	for (size_t i = 0; i < m->n_options; i++)
		if (strncmp(m->options[i], prefix, strlen(prefix)) == 0)
			return m->options[i] + strlen(prefix);
	return NULL;
}

static bool is_mapping(const char *option)
{
	return strncmp(option, UID_MAP, strlen(UID_MAP)) == 0 ||
	       strncmp(option, GID_MAP, strlen(GID_MAP)) == 0;
}

/* As the kernel reads it: a line for each. */
static char *map_lines(const char *list)
{
	char *lines = str_printf("%s\n", list);

	for (char *c = lines; c && *c; c++)
		*c = *c == ':' ? ' ' : *c == ',' ? '\n' : *c;
	return lines;
}

/* *@ret_userns: has the mappings of the mount, for userns_map_mount(); -1 if it asks for none. */
static int make_userns(const Grpc__Mount *m, int *ret_userns, struct err *e)
{
	const char *uids = find_option(m, UID_MAP), *gids = find_option(m, GID_MAP);
	auto_free char *uid_map = uids ? map_lines(uids) : NULL;
	auto_free char *gid_map = gids ? map_lines(gids) : NULL;
	auto_close int proc = -1;

	*ret_userns = -1;
	if (!uids && !gids)
		return 0;
	if (!uids || !gids)
		return err_say(e, EINVAL, "only one of uidmap and gidmap is given");
	if (!uid_map || !gid_map)
		return err_sys(e, ENOMEM, "map owners");
	proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return err_sys(e, errno, "open '/proc'");
	return err_wrap(e, userns_make(uid_map, gid_map, proc, ret_userns, e), "uidmap '%s'", uids);
}

/* A mount of the folder @path, attached nowhere, with the owners of @userns. */
static int clone_mapped(const char *path, bool recursive, int userns, int *ret_tree, struct err *e)
{
	auto_close int tree = open_tree(AT_FDCWD, path,
					OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
						(recursive ? (unsigned) AT_RECURSIVE : 0));
	int r;

	if (tree < 0)
		return err_sys(e, errno, "clone '%s'", path);
	r = userns_map_mount(tree, userns, recursive, e);
	if (r < 0)
		return err_wrap(e, r, "map the owners of '%s'", path);
	*ret_tree = take_fd(&tree);
	return 0;
}

static int attach(int tree, const char *target, struct err *e)
{
	if (move_mount(tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "attach a mount at '%s'", target);
	return 0;
}

/* @data is changed. The folder of the layers is attached while the overlay is made, because the
 * kernel takes no layers from elsewhere; the overlay then has mounts of its own for them. */
static int mount_mapped_overlay(unsigned long flags, char *data, int userns, const char *target,
				struct err *e)
{
	auto_free char *folder = NULL;
	auto_close int layers = -1, overlay = -1;
	int r = cut_to_folder(data, &folder, e);

	if (r == 0)
		r = clone_mapped(folder, false, userns, &layers, e);
	if (r == 0)
		r = attach(layers, target, e);
	if (r < 0)
		return r;
	r = mount_from(layers, flags, data, target, e);
	if (r < 0) {
		rootfs_mounts_remove(1, target);
		return r;
	}
	overlay = open_tree(AT_FDCWD, target, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (overlay < 0)
		r = err_sys(e, errno, "clone the overlay");
	rootfs_mounts_remove(2, target);
	return r < 0 ? r : attach(overlay, target, e);
}

/* ---- Kinds of mounts ---- */

static int mount_overlay(struct oci_mount_options *o, int userns, const char *target, struct err *e)
{
	if (!o->data)
		return err_say(e, EINVAL, "the overlay has no folders");
	if (userns >= 0)
		return mount_mapped_overlay(o->flags, o->data, userns, target, e);
	if (!fits_a_page(o->data))
		return mount_from_inside(o->flags, o->data, target, e);
	if (mount("overlay", target, "overlay", o->flags, o->data) < 0)
		return err_sys(e, errno, "mount the overlay '%s'", o->data);
	return 0;
}

static int bind_folder(const char *source, unsigned long flags, int userns, const char *target,
		       struct err *e)
{
	auto_close int tree = -1;
	int r;

	if (userns < 0) {
		if (mount(source, target, NULL, MS_BIND | (flags & MS_REC), NULL) < 0)
			return err_sys(e, errno, "bind '%s'", source);
		return 0;
	}
	r = clone_mapped(source, flags & MS_REC, userns, &tree, e);
	return r < 0 ? r : attach(tree, target, e);
}

static int mount_bind(const Grpc__Mount *m, const struct oci_mount_options *o, int userns,
		      const char *target, struct err *e)
{
	struct mount_attr attr = {.attr_set = o->flags & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0};
	int r;

	if (!m->source)
		return err_say(e, EINVAL, "the bind mount has no source");
	r = bind_folder(m->source, o->flags, userns, target, e);
	if (r < 0)
		return r;
	if (attr.attr_set && mount_setattr(AT_FDCWD, target, o->flags & MS_REC ? AT_RECURSIVE : 0,
					   &attr, sizeof attr) < 0) {
		r = err_sys(e, errno, "make '%s' read-only", m->source);
		rootfs_mounts_remove(1, target);
	}
	return r;
}

/* The options that are no mapping of owners. */
static int parse_options(const Grpc__Mount *m, struct oci_mount_options *ret, struct err *e)
{
	auto_free char **others = calloc(m->n_options + 1, sizeof *others);
	size_t n = 0;

	if (!others)
		return err_sys(e, ENOMEM, "read a mount's options");
	for (size_t i = 0; i < m->n_options; i++)
		if (!is_mapping(m->options[i]))
			others[n++] = m->options[i];
	return oci_mount_options_parse(others, n, ret, e);
}

static int make_one(const Grpc__Mount *m, const char *target, struct err *e)
{
	const char *type = m->type ? m->type : "";
	struct oci_mount_options o = {0};
	auto_close int userns = -1;
	int r;

	if (m->destination && m->destination[0])
		return err_say(e, ENOTSUP, "mounts below the root are not supported yet");
	r = make_userns(m, &userns, e);
	if (r == 0)
		r = parse_options(m, &o, e);
	if (r < 0)
		return r;
	if (o.flags & MS_BIND || strcmp(type, TYPE_BIND) == 0)
		r = mount_bind(m, &o, userns, target, e);
	else if (strcmp(type, TYPE_OVERLAY) == 0)
		r = mount_overlay(&o, userns, target, e);
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
