#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/container/child/mount_list.h"
#include "agent/container/child/mount_ops.h"
#include "agent/container/child/resolve.h"
#include "base/file.h"

/*
 * The mounts of the specification, in its order. Each destination is looked up inside the root as
 * it is at that moment, links and earlier mounts included, and from then on is a descriptor.
 */

static const char *type_of(const struct mount_entry *m)
{
	return m->is_bind ? "bind" : m->spec->type ? m->spec->type : "";
}

static bool is_type(const struct mount_entry *m, const char *type)
{
	return strcmp(type_of(m), type) == 0;
}

/* Opens the mount point of @m, made if missing: a file for a file, a folder for anything else. */
static int open_target(const struct setup *s, const struct mount_entry *m, int source_fd,
		       struct err *e)
{
	struct stat st;

	if (source_fd >= 0) {
		if (fstat(source_fd, &st) < 0)
			return err_sys(e, errno, "look at the source");
		if (!S_ISDIR(st.st_mode))
			return resolve_file(s->root, m->path, e);
	}
	/* A link is not followed here, because many attacks have put one at this destination. */
	if (is_type(m, "proc") || is_type(m, "sysfs")) {
		int fd = resolve(s->root, m->path, O_NOFOLLOW, e);
		bool is_dir = fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

		if (is_dir)
			return fd;
		fd_close(fd);
		if (fd >= 0)
			return err_say(e, ENOTDIR, "%s can be mounted on an ordinary folder only",
				       m->spec->type);
		if (fd != -ENOENT)
			return fd;
	}
	return resolve_dir(s->root, m->path, 0755, e);
}

/* Opens the topmost mount at the destination. */
static int reopen(const struct setup *s, const struct mount_entry *m, struct err *e)
{
	int fd = resolve(s->root, m->path, 0, e);

	return fd == -ENOENT ? err_sys(e, ENOENT, "open '%s' again", m->path) : fd;
}

static int change(int fd, const struct mount_entry *m, struct err *e)
{
	const struct oci_mount_options *o = &m->options;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < o->n_propagation; i++)
		r = mount_change(fd, 0, 0, o->propagation[i] & ~(unsigned long) MS_REC,
				 o->propagation[i] & MS_REC);
	if (r == 0 && (o->rec_attr_set || o->rec_attr_clear))
		r = mount_change(fd, o->rec_attr_set, o->rec_attr_clear, 0, true);
	return r < 0 ? err_sys(e, -r, "set options") : 0;
}

static bool needs_change(const struct mount_entry *m)
{
	return m->options.n_propagation || m->options.rec_attr_set || m->options.rec_attr_clear;
}

static int mount_bind(const struct setup *s, const struct mount_entry *m, struct err *e)
{
	int ready = s->sources[m->index];
	auto_close int source = ready >= 0 ? ready : mount_entry_open_source(s, m, e);

	if (source < 0)
		return source;

	auto_close int target = open_target(s, m, source, e);
	int r = target < 0 ? target : mount_entry_check_proc(s, m, target, e);
	uint64_t set = mount_attrs(m->options.flags), clear = mount_attrs(m->options.cleared);

	if (r < 0)
		return r;
	if (set || clear) {
		r = mount_change(source, set, clear, 0, false);
		if (r < 0)
			return err_sys(e, -r, "set options");
	}
	r = mount_attach(source, target);
	if (r < 0)
		return err_sys(e, -r, "bind");
	root_mounted_on(s->root, target);
	return change(source, m, e);
}

static bool says_mode(const char *data)
{
	const char *at = data ? strstr(data, "mode=") : NULL;

	return at && (at == data || at[-1] == ',');
}

/* A tmpfs has the mode of the folder that it covers, unless the options say another. As under runc
 * it is given by chmod, so that the options read as they were written. Where there was no folder it
 * keeps the kernel's own (01777), because a program expects to write there and the folder that was
 * made for the mount says nothing. */
static int give_mode(const struct setup *s, const struct mount_entry *m, mode_t mode, struct err *e)
{
	auto_close int fd = reopen(s, m, e);
	char path[FD_PATH_BYTES];

	if (fd < 0)
		return fd;
	if (chmod(fd_path(fd, path), mode & 07777) < 0)
		return err_sys(e, errno, "set its mode");
	return 0;
}

static int remember_late(struct setup *s, const struct mount_entry *m, struct err *e)
{
	struct late *more = realloc(s->late, (s->n_late + 1) * sizeof *more);
	char *path = strdup(m->path);

	if (!more || !path)
		return err_sys(e, ENOMEM, "mount '%s'", m->path);
	s->late = more;
	s->late[s->n_late++].path = path;
	return 0;
}

/* What the kernel refuses to mount anew is bound from what the agent has: a cgroup tree (the
 * container's own group when it has a namespace, which is the root of what we see), and the sysfs
 * of a network namespace that belongs to other users than the container's, for that is the
 * pod's. */
static int bind_agents(const struct mount_entry *m, const char *path, int target, struct err *e)
{
	auto_close int fd = mount_copy(AT_FDCWD, path, true);
	int r = fd < 0 ? fd : mount_change(fd, mount_attrs(m->options.flags), 0, 0, true);

	if (r == 0)
		r = mount_attach(fd, target);
	return r < 0 ? err_sys(e, -r, "bind '%s'", path) : 0;
}

static int call_mount(const struct mount_entry *m, int target, unsigned long flags,
		      const char *data, struct err *e)
{
	const char *type = is_type(m, "cgroup") ? "cgroup2" : type_of(m);
	const char *source = m->spec->source && m->spec->source[0] ? m->spec->source : "none";
	char path[FD_PATH_BYTES];

	if (mount(source, fd_path(target, path), type, flags, data) == 0)
		return 0;
	if (is_type(m, "cgroup") && (errno == EPERM || errno == EBUSY))
		return bind_agents(m, "/sys/fs/cgroup", target, e);
	if (is_type(m, "sysfs") && errno == EPERM)
		return bind_agents(m, "/sys", target, e);
	return err_sys(e, errno, "mount %s '%s'", type, source);
}

static bool is_there(const struct setup *s, const struct mount_entry *m)
{
	auto_close int fd = resolve(s->root, m->path, 0, NULL);

	return fd >= 0;
}

static int mount_filesystem(struct setup *s, const struct mount_entry *m, struct err *e)
{
	bool is_tmpfs = is_type(m, "tmpfs");
	bool takes_mode = is_tmpfs && !says_mode(m->options.data) && is_there(s, m);
	unsigned long flags = m->options.flags;
	auto_close int target = open_target(s, m, -1, e);
	int r = target < 0 ? target : mount_entry_check_proc(s, m, target, e);

	if (r < 0)
		return r;
	if (!type_of(m)[0])
		return err_say(e, EINVAL, "has no type and is no bind mount");
	/* Read-only comes later, because other mounts and devices may have to be made in there. */
	if ((flags & MS_RDONLY) && (is_tmpfs || strcmp(m->path, "/dev") == 0)) {
		flags &= ~(unsigned long) MS_RDONLY;
		r = remember_late(s, m, e);
		if (r < 0)
			return r;
	}

	const char *data = m->options.data;
	struct stat covered;

	if (fstat(target, &covered) < 0)
		return err_sys(e, errno, "look at the folder");
	if (m->options.copy_up) {
		auto_close int fd = is_tmpfs ? mount_copied_up(m, target, data, e)
					     : err_say(e, EINVAL, "tmpcopyup is for tmpfs only");

		r = fd < 0 ? fd : mount_attach(fd, target);
		if (fd >= 0 && r < 0)
			(void) err_sys(e, -r, "mount tmpfs");
	} else {
		r = call_mount(m, target, flags, data, e);
	}
	if (r == 0)
		root_mounted_on(s->root, target);
	if (r == 0 && takes_mode)
		r = give_mode(s, m, covered.st_mode, e);
	if (r < 0 || !needs_change(m))
		return r;

	auto_close int fd = reopen(s, m, e);

	return fd < 0 ? fd : change(fd, m, e);
}

/* "remount" changes what is there already. */
static int remount(const struct setup *s, const struct mount_entry *m, struct err *e)
{
	auto_close int fd = reopen(s, m, e);
	char path[FD_PATH_BYTES];

	if (fd < 0)
		return fd;
	if (mount(m->spec->source, fd_path(fd, path), m->spec->type, m->options.flags,
		  m->options.data) < 0)
		return err_sys(e, errno, "remount");
	return change(fd, m, e);
}

int make_mounts(struct setup *s, struct err *e)
{
	s->setup_dev = true;
	for (size_t i = 0; i < s->spec->n_mounts; i++) {
		struct mount_entry m;
		int r = mount_entry_read(s, i, &m, e);

		if (r < 0)
			return r;
		/* No devices are made in a bind-mounted /dev, because it belongs to its source. */
		if (m.is_bind && strcmp(m.path, "/dev") == 0)
			s->setup_dev = false;
		if (m.options.flags & MS_REMOUNT)
			r = remount(s, &m, e);
		else if (m.is_bind)
			r = mount_bind(s, &m, e);
		else
			r = mount_filesystem(s, &m, e);
		mount_entry_fini(&m);
		if (r < 0)
			return err_wrap(e, r, "mounts[%zu] on '%s'", i,
					s->spec->mounts[i]->destination);
	}
	return 0;
}
