#include "host/confine/root.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/auto.h"

/* Not nodev, because device nodes in the root must work until it is emptied; a root without such
 * nodes becomes nodev when it is entered. */
#define ROOT_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

/* An unattached mount of a new file system with one option. */
static int new_mount(const char *type, const char *option, const char *value, unsigned attrs)
{
	auto_close int fs = fsopen(type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, option, value, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;

	int fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);

	return fd < 0 ? -errno : fd;
}

int confine_root_new(struct confine_root *r, struct err *e)
{
	int fd = new_mount("tmpfs", "mode", "0555", ROOT_ATTRS);

	if (fd < 0)
		return err_sys(e, -fd, "make an empty root");
	r->entries = calloc(CONFINE_ENTRIES_MAX, sizeof *r->entries);
	if (!r->entries) {
		fd_close(fd);
		return err_sys(e, ENOMEM, "make an empty root");
	}
	r->n = 0;
	r->fd = fd;
	return 0;
}

static struct confine_entry *note(struct confine_root *r, const char *name, size_t bytes,
				  bool is_dir)
{
	if (r->n == CONFINE_ENTRIES_MAX || bytes >= CONFINE_NAME_BYTES)
		return NULL;

	struct confine_entry *entry = &r->entries[r->n++];

	*entry = (struct confine_entry){.is_dir = is_dir, .mount_fd = -1};
	memcpy(entry->name, name, bytes);
	return entry;
}

/* One folder that may be there already. */
static int make_folder(struct confine_root *r, const char *name, size_t bytes, struct err *e)
{
	const struct confine_entry *entry = note(r, name, bytes, true);

	if (!entry)
		return err_say(e, ENAMETOOLONG, "'%s' does not fit into a root", name);
	if (mkdirat(r->fd, entry->name, 0555) == 0)
		return 0;
	r->n--;
	return errno == EEXIST ? 0 : err_sys(e, errno, "make folder '%s' in a root", entry->name);
}

static int make_folders_above(struct confine_root *r, const char *name, struct err *e)
{
	int result = 0;

	for (const char *slash = strchr(name, '/'); slash && result == 0;
	     slash = strchr(slash + 1, '/'))
		result = make_folder(r, name, (size_t) (slash - name), e);
	return result;
}

/* Swallows @take_mount. */
static int place(struct confine_root *r, int take_mount, bool is_dir, const char *name,
		 struct err *e)
{
	auto_close int mount_fd = take_mount;
	int result = make_folders_above(r, name, e);
	struct confine_entry *entry = NULL;

	if (result < 0)
		return result;
	entry = note(r, name, strlen(name), is_dir);
	if (!entry)
		return err_say(e, ENAMETOOLONG, "'%s' does not fit into a root", name);
	if (is_dir) {
		result = mkdirat(r->fd, name, 0555);
	} else {
		auto_close int file = openat(r->fd, name, O_CREAT | O_EXCL | O_CLOEXEC, 0444);

		result = file < 0 ? -1 : 0;
	}
	if (result < 0) {
		r->n--;
		return err_sys(e, errno, "make '%s' in a root", name);
	}
	entry->mount_fd = take_fd(&mount_fd);
	return 0;
}

static int bind_at(struct confine_root *r, int dirfd, const char *source, const char *name,
		   unsigned flags, struct err *e)
{
	unsigned deep = flags & CONFINE_BIND_RECURSIVE ? AT_RECURSIVE : 0;
	auto_close int fd = open_tree(dirfd, source,
				      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | deep);
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID |
			    (flags & CONFINE_BIND_WRITABLE ? 0 : MOUNT_ATTR_RDONLY) |
			    (flags & CONFINE_BIND_DEVICE ? 0 : MOUNT_ATTR_NODEV) |
			    (flags & CONFINE_BIND_NOEXEC ? MOUNT_ATTR_NOEXEC : 0),
		.propagation = flags & CONFINE_BIND_FOLLOW ? MS_SLAVE : MS_PRIVATE,
	};
	struct stat st;

	if (fd < 0 && errno == ENOENT && flags & CONFINE_BIND_OPTIONAL)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "bind '%s' into a root", source);
	if (mount_setattr(fd, "", AT_EMPTY_PATH | deep, &attr, sizeof attr) < 0)
		return err_sys(e, errno, "set the attributes of '%s' in a root", name);
	return place(r, take_fd(&fd), S_ISDIR(st.st_mode), name, e);
}

int confine_root_bind(struct confine_root *r, const char *source, const char *name, unsigned flags,
		      struct err *e)
{
	return bind_at(r, AT_FDCWD, source, name, flags, e);
}

int confine_root_bind_fd(struct confine_root *r, int fd, const char *name, unsigned flags,
			 struct err *e)
{
	return bind_at(r, fd, "", name, flags, e);
}

int confine_root_node(struct confine_root *r, const char *source, const char *name, uid_t uid,
		      gid_t gid, bool *ret_bound, struct err *e)
{
	struct stat st;
	int result;

	if (stat(source, &st) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "find device '%s'", source);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return err_say(e, ENOTBLK, "'%s' is no device", source);
	result = make_folders_above(r, name, e);
	if (result < 0)
		return result;
	if (!note(r, name, strlen(name), false))
		return err_say(e, ENAMETOOLONG, "'%s' does not fit into a root", name);
	if (mknodat(r->fd, name, (st.st_mode & S_IFMT) | 0600, st.st_rdev) < 0) {
		r->n--;
		if (errno != EPERM)
			return err_sys(e, errno, "make device '%s' in a root", name);
		*ret_bound = true;
		return confine_root_bind(r, source, name, CONFINE_BIND_DEVICE, e);
	}
	r->has_nodes = true;
	if (fchownat(r->fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "give device '%s' to user %u", name, uid);
	return 0;
}

int confine_root_link(struct confine_root *r, const char *target, const char *name, struct err *e)
{
	int result = make_folders_above(r, name, e);

	if (result < 0)
		return result;
	if (!note(r, name, strlen(name), false))
		return err_say(e, ENAMETOOLONG, "'%s' does not fit into a root", name);
	if (symlinkat(target, r->fd, name) < 0) {
		r->n--;
		return err_sys(e, errno, "make '%s' in a root", name);
	}
	return 0;
}

int confine_root_proc_at(struct confine_root *r, const char *name, struct err *e)
{
	int result = make_folder(r, name, strlen(name), e);

	if (result == 0)
		r->entries[r->n - 1].is_proc = true;
	return result;
}

int confine_root_proc(struct confine_root *r, struct err *e)
{
	return confine_root_proc_at(r, "proc", e);
}

/* A procfs has "subset=pid" (Linux 5.8), so that it shows processes but nothing of the host. */
static int mount_entry(const struct confine_root *r, const struct confine_entry *entry,
		       struct err *e)
{
	auto_close int proc = -1;
	int fd = entry->mount_fd;

	if (entry->is_proc) {
		proc = new_mount("proc", "subset", "pid", ROOT_ATTRS | MOUNT_ATTR_NODEV);
		if (proc < 0)
			return err_sys(e, -proc, "make a procfs");
		fd = proc;
	}
	if (fd >= 0 && move_mount(fd, "", r->fd, entry->name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount '%s' in the root", entry->name);
	return 0;
}

/* Swaps the new root, which is mounted over the old one, with it and detaches the old one. */
static int change_places(const struct confine_root *r, struct err *e)
{
	auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0 || fchdir(r->fd) < 0)
		return err_sys(e, errno, "go to the new root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "change the root");
	if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, errno, "leave the old root");
	return 0;
}

int confine_root_enter(const struct confine_root *r, struct err *e)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY |
						  (r->has_nodes ? 0 : MOUNT_ATTR_NODEV)};
	int result = 0;

	if (r->fd < 0)
		return 0;
	/* Private, so that the mounts below do not propagate to the host. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "make mounts private");
	if (move_mount(r->fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_sys(e, errno, "mount the new root");
	for (size_t i = 0; i < r->n && result == 0; i++)
		result = mount_entry(r, &r->entries[i], e);
	if (result == 0 && mount_setattr(r->fd, "", AT_EMPTY_PATH, &readonly, sizeof readonly) < 0)
		result = err_sys(e, errno, "make the root read-only");
	return result == 0 ? change_places(r, e) : result;
}

static bool stays(const struct confine_root *r, const struct confine_entry *entry)
{
	return entry->is_proc && r->keep_proc;
}

/* Runs in a child, because a process that changed its namespace cannot come back. Returns the exit
 * code, an errno. */
static int take_out(const struct confine_root *r, int pidfd)
{
	struct mount_attr readonly = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV};
	struct mount_attr writable = {.attr_clr = MOUNT_ATTR_RDONLY};

	if (setns(pidfd, CLONE_NEWNS) < 0)
		return errno;
	for (size_t i = r->n; i-- > 0;) {
		const struct confine_entry *entry = &r->entries[i];

		if ((entry->is_proc || entry->mount_fd >= 0) && !stays(r, entry) &&
		    umount2(entry->name, MNT_DETACH) < 0)
			return errno;
	}
	if (mount_setattr(AT_FDCWD, "/", 0, &writable, sizeof writable) < 0)
		return errno;
	for (size_t i = r->n; i-- > 0;)
		if (!stays(r, &r->entries[i]) &&
		    unlinkat(AT_FDCWD, r->entries[i].name,
			     r->entries[i].is_dir ? AT_REMOVEDIR : 0) < 0)
			return errno;
	return mount_setattr(AT_FDCWD, "/", 0, &readonly, sizeof readonly) < 0 ? errno : 0;
}

int confine_root_empty(const struct confine_root *r, int pidfd, struct err *e)
{
	int status = 0;
	pid_t child;

	if (r->fd < 0)
		return 0;
	child = fork();
	if (child < 0)
		return err_sys(e, errno, "empty a root");
	if (child == 0)
		_exit(take_out(r, pidfd));
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "empty a root");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_sys(e, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "empty a root");
	return 0;
}

void confine_root_fini(struct confine_root *r)
{
	for (size_t i = 0; i < r->n; i++)
		fd_close(r->entries[i].mount_fd);
	free(r->entries);
	fd_close(r->fd);
	*r = CONFINE_ROOT_NONE;
}
