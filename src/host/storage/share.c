#include "host/storage/share.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/claim.h"
#include "base/file.h"
#include "base/list.h"
#include "base/log.h"
#include "base/userns.h"
#include "host/storage/kernel_files.h"

/* Up to this length an id is used as its own name: together with its suffixes and the folders above
 * it, it stays below NAME_MAX and the 108 bytes of a socket's path. */
#define SHARE_NAME_MAX 64
/* Of a longer id the name keeps so many bytes, for readers; a hash of the whole id follows. */
#define SHARE_NAME_KEPT 40
/* Folders and mount points only: the tmpfs needs no room for data. */
#define SHARE_TMPFS_OPTIONS "mode=0755,size=4m,nr_inodes=16k"

/* One mount below mounts/. */
struct entry {
	struct list link;
	char *name; /* relative to mounts/ */
	bool is_dir;
};

struct share {
	char *path;
	char *export_path;
	char *private_path;
	int lock_fd;   /* the folder below the tmpfs, locked */
	int mounts_fd; /* mounts/; -1 before the tmpfs is there */
	bool mounted;
	pthread_mutex_t lock; /* guards the entries, and the place where mounts are prepared */
	struct list entries;
};

int share_namespace_enter(int *ret_host_ns, struct err *e)
{
	auto_close int host_ns = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);

	if (host_ns < 0)
		return err_sys(e, errno, "open '/proc/self/ns/mnt'");
	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(e, errno, "make a mount namespace");
	/* Slave, so that our mounts do not propagate to the host. Shared on top of it, so that a
	 * mount that a hook makes below a container's root also appears in the share. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) < 0)
		return err_sys(e, errno, "separate our mounts from the host's");
	*ret_host_ns = take_fd(&host_ns);
	return 0;
}

char *share_name_of(const char *id)
{
	if (strlen(id) <= SHARE_NAME_MAX)
		return strdup(id);

	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bit */

	for (const char *c = id; *c; c++)
		hash = (hash ^ (uint8_t) *c) * UINT64_C(0x100000001b3);
	return str_printf("%.*s-%016" PRIx64, SHARE_NAME_KEPT, id, hash);
}

static void entry_free(struct entry *entry)
{
	if (!entry)
		return;
	free(entry->name);
	free(entry);
}
AUTO_PTR(struct entry, entry_free)

static void share_free(struct share *share)
{
	if (!share)
		return;
	list_for_each (pos, &share->entries) {
		list_remove(pos);
		entry_free(container_of(pos, struct entry, link));
	}
	fd_close(share->mounts_fd);
	fd_close(share->lock_fd);
	free(share->path);
	free(share->export_path);
	free(share->private_path);
	(void) pthread_mutex_destroy(&share->lock);
	free(share);
}

/* Closes the folder @path to other users, also if it exists, because older versions of this program
 * made it open to all. */
static int close_folder(const char *path, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (st.st_uid != geteuid())
		return err_say(e, EPERM, "'%s' belongs to user %u: remove it", path, st.st_uid);
	if (st.st_mode & 077 && fchmod(fd, 0700) < 0)
		return err_sys(e, errno, "close '%s' to others", path);
	return 0;
}

/* Closes the folder @depth levels above @base. */
static int close_above(const char *base, int depth, struct err *e)
{
	auto_free char *path = strdup(base);

	if (!path)
		return err_sys(e, ENOMEM, "close a folder to others");
	while (depth-- > 0)
		*strrchr(path, '/') = '\0';
	return close_folder(path, e);
}

/* Makes the folders above all shares. Only this user may enter them, because another user who opens
 * a share's folder could hold its lock and prevent cleaning up. Of a test's base only the last
 * folder is closed. */
static int make_base(const char *base, struct err *e)
{
	size_t length = strlen(base), below = strlen("/" SHARE_BASE);
	bool ours = length > below && strcmp(base + length - below, "/" SHARE_BASE) == 0;
	int r = dir_make(base, 0700, e);

	for (int depth = ours ? 2 : 0; r == 0 && depth >= 0; depth--)
		r = close_above(base, depth, e);
	return r;
}

/* Two servers may use the same id, under different --root folders: the second gets another name. */
static int choose_folder(struct share *share, const char *base, const char *sandbox_id,
			 struct err *e)
{
	auto_free char *name = share_name_of(sandbox_id);
	struct err first = {0};

	share->path = name ? str_printf("%s/%s", base, name) : NULL;
	if (!share->path)
		return err_sys(e, ENOMEM, "name a folder");

	int r = claim_folder(share->path, &share->lock_fd, &first);

	if (r == -EWOULDBLOCK) {
		free(share->path);
		share->path = str_printf("%s/%s.%d", base, name, getpid());
		if (!share->path)
			return err_sys(e, ENOMEM, "name a folder");
		return claim_folder(share->path, &share->lock_fd, e);
	}
	if (r < 0 && e)
		*e = first;
	return r;
}

/* Puts the tree that @tree_fd holds where @target_fd points. */
static int put_mount(int tree_fd, int target_fd)
{
	return move_mount(tree_fd, "", target_fd, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

/*
 * Sets the host's flags of a mount in the share, whatever its source has: nodev, nosuid and noexec,
 * because the file server only reads and writes. They do not limit the guest, whose kernel runs
 * programs and opens nodes by the flags of its own mounts. Read-only also covers the mounts below,
 * because the guest can take it off its own mount.
 */
static int tame(int tree_fd, bool readonly)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC |
			    (readonly ? MOUNT_ATTR_RDONLY : 0),
	};

	return mount_setattr(tree_fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0
		       ? -errno
		       : 0;
}

/* Mounts mounts/ on shared/ too, read-only. */
static int make_export(int mounts_fd, int shared_fd, struct err *e)
{
	auto_close int tree =
		open_tree(mounts_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0)
		return err_sys(e, errno, "clone a mount");

	int r = tame(tree, true);

	if (r == 0)
		r = put_mount(tree, shared_fd);
	return r < 0 ? err_sys(e, -r, "make the exported folder") : 0;
}

static int make_tree(struct share *share, struct err *e)
{
	if (mount("kata", share->path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  SHARE_TMPFS_OPTIONS) < 0)
		return err_sys(e, errno, "mount a tmpfs on '%s'", share->path);
	share->mounted = true;
	if (mount(NULL, share->path, NULL, MS_SHARED, NULL) < 0)
		return err_sys(e, errno, "share the mount '%s'", share->path);

	auto_close int top = open(share->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (top < 0)
		return err_sys(e, errno, "open '%s'", share->path);
	if (mkdirat(top, "mounts", 0755) < 0 || mkdirat(top, "shared", 0755) < 0 ||
	    mkdirat(top, "private", 0700) < 0)
		return err_sys(e, errno, "make folders in '%s'", share->path);
	share->mounts_fd = openat(top, "mounts", O_PATH | O_DIRECTORY | O_CLOEXEC);

	auto_close int shared_fd = openat(top, "shared", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (share->mounts_fd < 0 || shared_fd < 0)
		return err_sys(e, errno, "open folders in '%s'", share->path);
	return make_export(share->mounts_fd, shared_fd, e);
}

int share_open(const char *base, const char *sandbox_id, struct share **ret, struct err *e)
{
	struct share *share = calloc(1, sizeof *share);

	if (!share)
		return err_sys(e, ENOMEM, "make the share");
	share->lock_fd = share->mounts_fd = -1;
	list_init(&share->entries);
	(void) pthread_mutex_init(&share->lock, NULL);

	int r = make_base(base, e);

	if (r == 0)
		r = choose_folder(share, base, sandbox_id, e);
	if (r == 0) {
		share->export_path = str_printf("%s/shared", share->path);
		share->private_path = str_printf("%s/private", share->path);
		r = share->export_path && share->private_path
			    ? make_tree(share, e)
			    : err_sys(e, ENOMEM, "make the share");
	}
	if (r < 0) {
		(void) share_close(share, NULL);
		return r;
	}
	*ret = share;
	return 0;
}

const char *share_path(const struct share *share)
{
	return share->path;
}

const char *share_export_path(const struct share *share)
{
	return share->export_path;
}

const char *share_private_path(const struct share *share)
{
	return share->private_path;
}

/* "<container>/<name>" if @exact, else a unique name of the form that upstream's policies know. */
static char *entry_name(const char *container_id, const char *name, bool exact)
{
	auto_free char *container = share_name_of(container_id);
	const char *slash = strrchr(name, '/');
	uint64_t random;

	name = slash ? slash + 1 : name;
	if (!name[0])
		name = "root";
	if (!container || getrandom(&random, sizeof random, 0) != sizeof random)
		return NULL;
	if (exact)
		return str_printf("%s/%s", container, name);
	return str_printf("%s-%016" PRIx64 "-%.128s", container, random, name);
}

/* Makes the empty file or folder on which the mount goes. */
static int make_target(struct share *share, const struct entry *entry, int *ret_fd, struct err *e)
{
	auto_free char *parent = strdup(entry->name);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	int fd;

	if (!parent)
		return err_sys(e, ENOMEM, "make a mount point");
	if (slash) {
		*slash = '\0';
		if (mkdirat(share->mounts_fd, parent, 0755) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make '%s' in '%s'", parent, share->path);
	}
	if (entry->is_dir) {
		if (mkdirat(share->mounts_fd, entry->name, 0755) < 0)
			return err_sys(e, errno, "make '%s' in '%s'", entry->name, share->path);
		fd = openat(share->mounts_fd, entry->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	} else {
		fd = openat(share->mounts_fd, entry->name,
			    O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	}
	if (fd < 0)
		return err_sys(e, errno, "make '%s' in '%s'", entry->name, share->path);
	*ret_fd = fd;
	return 0;
}

static void remove_target(struct share *share, const struct entry *entry)
{
	auto_free char *parent = strdup(entry->name);
	char *slash = parent ? strrchr(parent, '/') : NULL;

	(void) unlinkat(share->mounts_fd, entry->name, entry->is_dir ? AT_REMOVEDIR : 0);
	if (slash) {
		*slash = '\0';
		(void) unlinkat(share->mounts_fd, parent, AT_REMOVEDIR);
	}
}

static int set_propagation(int tree_fd, uint64_t propagation, bool recursive)
{
	struct mount_attr attr = {.propagation = propagation};
	unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return mount_setattr(tree_fd, "", flags, &attr, sizeof attr) < 0 ? -errno : 0;
}

/* Makes a clone a slave of its source, because it begins as a peer: its mounts would propagate to
 * the source. */
static int part(int tree_fd, struct share_flags flags, struct err *e)
{
	int r = set_propagation(tree_fd, MS_SLAVE, true);

	if (r == 0 && flags.apart)
		r = set_propagation(tree_fd, MS_PRIVATE, flags.apart_children);
	return r < 0 ? err_sys(e, -r, "part a mount from its source") : 0;
}

/* Takes the files of the kernel out of the clone of a tree that has any. */
static int drop_kernels(struct share *share, int source_fd, int *tree_fd, struct err *e)
{
	auto_free char *stage = str_printf("%s/stage", share->private_path);
	size_t n;
	int r = stage ? kernel_files_below(source_fd, &n, e)
		      : err_sys(e, ENOMEM, "show a folder to the guest");

	if (r < 0 || n == 0)
		return r;
	log_warn("what this host's kernel has mounted below a folder is not shown to the guest "
		 "(%zu mounts), and what is mounted there later is not either",
		 n);
	return kernel_files_leave_out(tree_fd, stage, e);
}

static int mount_entry(struct share *share, const struct entry *entry, int source_fd,
		       struct share_flags flags, struct err *e)
{
	unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
		       (flags.recursive ? AT_RECURSIVE : 0);
	auto_close int tree = open_tree(source_fd, "", how);
	auto_close int target = -1;

	if (tree < 0)
		return err_sys(e, errno, "clone a mount");

	int r = part(tree, flags, e);

	if (r == 0 && flags.recursive)
		r = drop_kernels(share, source_fd, &tree, e);
	if (r < 0)
		return r;
	r = tame(tree, flags.readonly);
	if (r < 0)
		return err_sys(e, -r, "limit what a mount may do");
	if (flags.mapped)
		r = userns_map_mount(tree, flags.userns_fd, flags.mapped_children, e);
	if (r == 0)
		r = make_target(share, entry, &target, e);
	if (r < 0)
		return r;
	r = put_mount(tree, target);
	if (r < 0) {
		target = fd_close(target);
		remove_target(share, entry);
		return err_sys(e, -r, "mount on '%s' in '%s'", entry->name, share->path);
	}
	return 0;
}

/* Kernel files are never shared, whichever caller asks. */
static int refuse_kernels(int source_fd, const char *name, struct err *e)
{
	auto_free char *place = NULL;
	int r = kernel_files_place(source_fd, name, &place, e);

	if (r == 0 && place)
		return err_say(e, ENOTSUP, "'%s' is of this host's kernel", name);
	return r;
}

int share_add(struct share *share, const char *container_id, int source_fd, const char *name,
	      struct share_flags flags, char **ret_guest_path, struct err *e)
{
	auto_ptr(entry_free) struct entry *entry = calloc(1, sizeof *entry);
	struct stat st;

	if (entry) {
		list_init(&entry->link);
		entry->name = entry_name(container_id, name, flags.exact_name);
	}
	if (!entry || !entry->name)
		return err_sys(e, ENOMEM, "show a folder to the guest");
	if (fstat(source_fd, &st) < 0)
		return err_sys(e, errno, "look at a folder for the guest");
	entry->is_dir = S_ISDIR(st.st_mode);

	auto_free char *guest_path = str_printf("%s/%s", SHARE_GUEST_PATH, entry->name);

	if (!guest_path)
		return err_sys(e, ENOMEM, "show a folder to the guest");

	int r = refuse_kernels(source_fd, name, e);

	if (r < 0)
		return r;
	pthread_mutex_lock(&share->lock);
	r = mount_entry(share, entry, source_fd, flags, e);
	if (r == 0)
		list_add(&share->entries, &take_ptr(entry)->link);
	pthread_mutex_unlock(&share->lock);
	if (r < 0)
		return r;
	*ret_guest_path = take_ptr(guest_path);
	return 0;
}

/* The name of the entry that the guest sees under a path, or NULL. A part of @guest_path. */
static const char *name_of(const char *guest_path)
{
	size_t n = strlen(SHARE_GUEST_PATH "/");

	return strncmp(guest_path, SHARE_GUEST_PATH "/", n) == 0 ? guest_path + n : NULL;
}

int share_clone(struct share *share, const char *guest_path, int *ret_fd, struct err *e)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
		.propagation = MS_SLAVE,
	};
	const char *name = name_of(guest_path);

	if (!name)
		return err_say(e, EINVAL, "'%s' is not in the share", guest_path);

	auto_close int tree =
		open_tree(share->mounts_fd, name,
			  OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW);

	if (tree < 0 ||
	    mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "clone the mount '%s'", name);
	*ret_fd = take_fd(&tree);
	return 0;
}

static int unmount_entry(struct share *share, struct entry *entry, struct err *e)
{
	auto_free char *path = str_printf("%s/mounts/%s", share->path, entry->name);

	if (!path)
		return err_sys(e, ENOMEM, "unmount '%s'", entry->name);
	if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
		return err_sys(e, errno, "unmount '%s'", path);
	remove_target(share, entry);
	return 0;
}

static struct entry *find_entry(struct share *share, const char *name)
{
	list_for_each (pos, &share->entries) {
		struct entry *entry = container_of(pos, struct entry, link);

		if (strcmp(entry->name, name) == 0)
			return entry;
	}
	return NULL;
}

int share_remove(struct share *share, const char *guest_path, struct err *e)
{
	const char *name = name_of(guest_path);
	int r;

	pthread_mutex_lock(&share->lock);

	struct entry *entry = name ? find_entry(share, name) : NULL;

	if (entry) {
		r = unmount_entry(share, entry, e);
		list_remove(&entry->link);
		entry_free(entry);
	} else {
		r = err_say(e, ENOENT, "'%s' is not in the share", guest_path);
	}
	pthread_mutex_unlock(&share->lock);
	return r;
}

int share_close(struct share *share, struct err *e)
{
	int r = 0;

	if (!share)
		return 0;
	/* Detaching the tmpfs also detaches every mount on it. */
	if (share->mounted && umount2(share->path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		r = err_sys(e, errno, "unmount '%s'", share->path);
	if (r == 0 && share->lock_fd >= 0 && rmdir(share->path) < 0 && errno != ENOENT)
		r = err_sys(e, errno, "remove folder '%s'", share->path);
	share_free(share);
	return r;
}
