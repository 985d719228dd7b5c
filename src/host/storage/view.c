#include "host/storage/view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/array.h"
#include "base/child.h"
#include "base/fd.h"
#include "base/file.h"

#define BLANK_FLAGS   (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define BLANK_OPTIONS "mode=0755,size=64k,nr_inodes=4k"
/* Components of a destination that are made in a blank folder. */
#define DEPTH_MAX 64

const int view_namespace_types[VIEW_NAMESPACES] = {
	[VIEW_NET] = CLONE_NEWNET, [VIEW_IPC] = CLONE_NEWIPC,   [VIEW_UTS] = CLONE_NEWUTS,
	[VIEW_MNT] = CLONE_NEWNS,  [VIEW_USER] = CLONE_NEWUSER,
};

/* Those that view_make() makes. */
#define MADE VIEW_USER

size_t view_count(const struct view *view)
{
	size_t n = 0;

	while (n < VIEW_NAMESPACES && view->fds[n] >= 0)
		n++;
	return n;
}

void view_close(struct view *view)
{
	for (size_t i = 0; i < VIEW_NAMESPACES; i++)
		view->fds[i] = fd_close(view->fds[i]);
}

/* ---- The child that makes the namespaces ---- */

struct building {
	const struct view_spec *spec;
	int root_fd;
	int blank_fd; /* a tmpfs with an empty file or folder for each mount of the guest's own */
	dev_t blank_dev;
};

static int leave(const struct view_spec *s, struct err *e)
{
	int flags = CLONE_NEWNS | (s->ipc_fd < 0 ? CLONE_NEWIPC : 0) |
		    (s->uts_fd < 0 ? CLONE_NEWUTS : 0) | (s->net_fd < 0 ? CLONE_NEWNET : 0);
	const char *name = s->hostname ? s->hostname : "";

	if (unshare(flags) < 0)
		return err_sys(e, errno, "make namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, errno, "separate mounts");
	if (s->uts_fd < 0 && sethostname(name, strlen(name)) < 0)
		return err_sys(e, errno, "set host name '%s'", name);
	return 0;
}

/* Opens the namespaces while the host's procfs is still mounted. */
static int open_namespaces(const struct view_spec *s, struct view *ret, struct err *e)
{
	static const char *const names[MADE] = {
		[VIEW_NET] = "/proc/self/ns/net",
		[VIEW_IPC] = "/proc/self/ns/ipc",
		[VIEW_UTS] = "/proc/self/ns/uts",
		[VIEW_MNT] = "/proc/self/ns/mnt",
	};

	const int given[MADE] = {
		[VIEW_NET] = s->net_fd,
		[VIEW_IPC] = s->ipc_fd,
		[VIEW_UTS] = s->uts_fd,
		[VIEW_MNT] = -1,
	};

	for (size_t i = 0; i < MADE; i++) {
		if (given[i] >= 0)
			ret->fds[i] = given[i];
		else
			ret->fds[i] = open(names[i], O_RDONLY | O_CLOEXEC);
		if (ret->fds[i] < 0)
			return err_sys(e, errno, "open '%s'", names[i]);
	}
	return 0;
}

static int put(int tree_fd, int target_fd)
{
	return move_mount(tree_fd, "", target_fd, "",
			  MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

static int make_blanks(struct building *b, struct err *e)
{
	const char *scratch = b->spec->scratch;
	struct stat st;

	if (mount("kata", scratch, "tmpfs", BLANK_FLAGS, BLANK_OPTIONS) < 0)
		return err_sys(e, errno, "mount a tmpfs on '%s'", scratch);
	b->blank_fd = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->blank_fd < 0 || fstat(b->blank_fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", scratch);
	b->blank_dev = st.st_dev;
	return 0;
}

static int make_here(int parent_fd, const char *name, bool is_dir)
{
	int fd;

	if (is_dir)
		return mkdirat(parent_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	fd = openat(parent_fd, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
	if (fd < 0)
		return -errno;
	(void) fd_close(fd);
	return 0;
}

/* Opens the mount point @path. A missing one is made only inside a blank folder, because in the
 * container's own files only the guest makes mount points. */
static int open_place(const struct building *b, char *path, bool is_dir, unsigned depth)
{
	int fd = path_open_in(b->root_fd, path, O_PATH, 0, NULL);
	char *slash = strrchr(path, '/');
	struct stat st;

	if (fd != -ENOENT || depth > DEPTH_MAX || !slash || !slash[1])
		return fd;
	*slash = '\0';

	auto_close int parent =
		open_place(b, slash == path ? path + strlen(path) : path, true, depth + 1);

	*slash = '/';
	if (parent < 0)
		return parent;
	if (fstat(parent, &st) < 0 || st.st_dev != b->blank_dev)
		return -ENOENT;

	int r = make_here(parent, slash + 1, is_dir);

	return r < 0 ? r : path_open_in(b->root_fd, path, O_PATH, 0, NULL);
}

/* Makes an empty file or folder: a mount of its own, or -errno. */
static int open_blank(const struct building *b, const char *name, bool is_dir, struct err *e)
{
	int r = make_here(b->blank_fd, name, is_dir);
	int tree = r < 0 ? r : open_tree(b->blank_fd, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	return tree < 0 ? err_sys(e, r < 0 ? -r : errno, "make an empty folder") : tree;
}

/* Makes a root with a folder for a procfs. */
static int make_empty_root(struct building *b, struct err *e)
{
	b->root_fd = open_blank(b, "root", true, e);
	if (b->root_fd < 0)
		return b->root_fd;

	int r = make_here(b->root_fd, "proc", true);

	return r < 0 ? err_sys(e, -r, "make an empty root") : 0;
}

/* Mounts an empty file or folder, named @i, in place of a mount that only the guest has. */
static int blank(const struct building *b, size_t i, int place_fd, struct err *e)
{
	char name[32];
	struct stat st;

	(void) snprintf(name, sizeof name, "%zu", i);
	if (fstat(place_fd, &st) < 0)
		return err_sys(e, errno, "look at a mount point");

	auto_close int tree = open_blank(b, name, S_ISDIR(st.st_mode), e);
	int r = tree < 0 ? tree : put(tree, place_fd);

	return tree >= 0 && r < 0 ? err_sys(e, -r, "mount an empty folder") : r;
}

/* Puts mount @i on its mount point. If that is missing or of the wrong kind, the mount is left out:
 * the guest does not have it either, or it lies in a file system that only the guest has. */
static int place(const struct building *b, size_t i, struct err *e)
{
	const struct view_mount *m = &b->spec->mounts[i];
	char path[PATH_MAX];
	struct stat st = {.st_mode = S_IFDIR}, at;
	int n = snprintf(path, sizeof path, "/%s", m->destination);

	if (n < 0 || (size_t) n >= sizeof path)
		return err_sys(e, ENAMETOOLONG, "mount on '%s'", m->destination);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	if (m->tree_fd >= 0 && fstat(m->tree_fd, &st) < 0)
		return err_sys(e, errno, "look at the source of '%s'", m->destination);

	auto_close int fd = open_place(b, path, S_ISDIR(st.st_mode), 0);

	if (fd < 0)
		return 0;
	if (m->tree_fd < 0)
		return blank(b, i, fd, e);
	if (fstat(fd, &at) < 0 || S_ISDIR(at.st_mode) != S_ISDIR(st.st_mode))
		return 0;

	int r = put(m->tree_fd, fd);

	return r < 0 ? err_sys(e, -r, "mount on '%s'", m->destination) : 0;
}

/* Makes the tree the root and detaches the host's mounts. */
static int move_in(const struct building *b, struct err *e)
{
	if (mount(NULL, b->spec->scratch, NULL, MS_REMOUNT | MS_RDONLY | BLANK_FLAGS, NULL) < 0)
		return err_sys(e, errno, "make empty folders read-only");
	if (fchdir(b->root_fd) < 0)
		return err_sys(e, errno, "go to the root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_sys(e, errno, "change the root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_sys(e, errno, "leave the host's mounts");
	return 0;
}

static int build(const struct view_spec *s, struct view *ret, struct err *e)
{
	struct building b = {.spec = s, .root_fd = s->root_fd, .blank_fd = -1};
	int r = leave(s, e);

	if (r == 0)
		r = open_namespaces(s, ret, e);
	if (r == 0)
		r = make_blanks(&b, e);
	if (r == 0 && s->root_fd < 0)
		r = make_empty_root(&b, e);
	if (r == 0 && move_mount(b.root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = err_sys(e, errno, "mount the root");
	for (size_t i = 0; r == 0 && i < s->n_mounts; i++)
		r = place(&b, i, e);
	return r < 0 ? r : move_in(&b, e);
}

/* Sends the result over @sock: a struct err, and the descriptors on success. */
static _Noreturn void child(const struct view_spec *s, pid_t parent, int sock)
{
	struct view v = VIEW_NONE;
	struct err e = {0};

	child_die_with(parent);

	int r = build(s, &v, &e);

	(void) fd_send(sock, &e, sizeof e, v.fds, r < 0 ? 0 : MADE);
	_exit(0);
}

/* ---- The parent ---- */

static int receive(int sock, struct view *ret, struct err *e)
{
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	struct err story;
	ssize_t n = fd_recv(sock, &story, sizeof story, fds, &n_fds);

	if (n == sizeof story && story.code == 0 && n_fds == MADE) {
		memcpy(ret->fds, fds, MADE * sizeof *fds);
		return 0;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void) fd_close(fds[i]);
	if (n != sizeof story || story.code == 0)
		return err_sys(e, n < 0 ? (int) -n : ECHILD, "hear from a child");
	if (e)
		*e = story;
	return -story.code;
}

/* Uses a child, because a process enters the namespaces that it makes, and this one must stay where
 * it is and has threads. */
int view_make(const struct view_spec *spec, struct view *ret, struct err *e)
{
	int p[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p) < 0)
		return err_sys(e, errno, "make a socket");

	auto_close int ours = p[0];
	auto_close int theirs = p[1];
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "make the host's view of the container");
	if (pid == 0)
		child(spec, parent, theirs);
	theirs = fd_close(theirs);

	int r = receive(ours, ret, e);

	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return err_wrap(e, r, "make the host's view of the container");
}
