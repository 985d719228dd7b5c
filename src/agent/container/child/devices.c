#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/container/child/mount_ops.h"
#include "agent/container/child/resolve.h"
#include "agent/container/child/setup.h"
#include "base/array.h"
#include "base/file.h"

/* The devices that every container has in /dev, and those that the specification asks for. */

struct device {
	const char *path;
	char type; /* c, b, p; u is c */
	unsigned major, minor;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	bool asked_for; /* by the specification */
};

static const struct device default_devices[] = {
	{"/dev/null", 'c', 1, 3, 0666, 0, 0, false},
	{"/dev/zero", 'c', 1, 5, 0666, 0, 0, false},
	{"/dev/full", 'c', 1, 7, 0666, 0, 0, false},
	{"/dev/random", 'c', 1, 8, 0666, 0, 0, false},
	{"/dev/urandom", 'c', 1, 9, 0666, 0, 0, false},
	{"/dev/tty", 'c', 5, 0, 0666, 0, 0, false},
};

static const struct {
	const char *path, *target;
} links[] = {
	{"/dev/fd", "/proc/self/fd"},
	{"/dev/stdin", "/proc/self/fd/0"},
	{"/dev/stdout", "/proc/self/fd/1"},
	{"/dev/stderr", "/proc/self/fd/2"},
};

/* Binds the guest's own device, because mknod(2) is refused in a user namespace, and in a folder of
 * the host, where the node would be a device of the host. The uevent file has the device's name. */
static int bind_device(struct setup *s, const struct device *d, struct err *e)
{
	auto_free char *text = NULL;
	char path[64], name[256] = "";

	(void) snprintf(path, sizeof path, "/sys/dev/%s/%u:%u/uevent",
			d->type == 'b' ? "block" : "char", d->major, d->minor);

	int r = file_read(AT_FDCWD, path, 4096, &text, NULL, NULL);
	const char *line = r == 0 ? strstr(text, "DEVNAME=") : NULL;

	if (!line || sscanf(line, "DEVNAME=%240s", name) != 1)
		return err_say(e, ENODEV, "the guest has no device %c %u:%u", d->type, d->major,
			       d->minor);

	auto_free char *node = str_printf("/dev/%s", name);
	auto_close int source = node ? mount_copy(AT_FDCWD, node, false) : -ENOMEM;

	if (source < 0)
		return err_sys(e, -source, "open the guest's '/dev/%s'", name);

	auto_close int target = resolve_file(s->root, d->path, e);

	if (target < 0)
		return target;
	r = mount_attach(source, target);
	return r < 0 ? err_sys(e, -r, "bind the guest's '/dev/%s'", name) : 0;
}

static mode_t type_of(const struct device *d)
{
	return d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
}

/* A file that the image or a mount has there stays; where the specification asks for a device, the
 * file must be that device. */
static int check_existing(int dir, const char *name, const struct device *d, struct err *e)
{
	struct stat st;

	if (!d->asked_for)
		return 0;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_sys(e, errno, "look at '%s'", d->path);
	if ((st.st_mode & S_IFMT) != type_of(d) ||
	    (d->type != 'p' && st.st_rdev != makedev(d->major, d->minor)))
		return err_say(e, EEXIST, "'%s' is there and is not this device", d->path);
	return 0;
}

static int make_node(struct setup *s, const struct device *d, int dir, const char *name,
		     struct err *e)
{
	if (mknodat(dir, name, type_of(d) | d->mode, makedev(d->major, d->minor)) < 0) {
		if (errno == EPERM && d->type != 'p')
			return bind_device(s, d, e);
		return errno == EEXIST ? 0 : err_sys(e, errno, "make device '%s'", d->path);
	}
	if (fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, errno, "set the owner of device '%s'", d->path);
	return 0;
}

static int make_device(struct setup *s, const struct device *d, struct err *e)
{
	const char *name;
	auto_close int dir = resolve_parent(s->root, d->path, &name, e);

	if (dir < 0)
		return dir;

	int r = check_existing(dir, name, d, e);

	if (r < 0)
		return r;
	if ((s->namespaces & CLONE_NEWUSER) && d->type != 'p')
		return bind_device(s, d, e);
	return make_node(s, d, dir, name, e);
}

static bool is_overridden(const struct setup *s, const char *path)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_devices; i++)
		if (l->devices[i]->path && strcmp(l->devices[i]->path, path) == 0)
			return true;
	return false;
}

static int read_device(const Grpc__LinuxDevice *d, size_t i, struct device *ret, struct err *e)
{
	if (!d->path || d->path[0] != '/')
		return err_say(e, EINVAL,
			       "linux.devices[%zu].path: '%.128s' is not an absolute path", i,
			       d->path ? d->path : "");
	if (!d->type || strlen(d->type) != 1 || !strchr("cubp", d->type[0]))
		return err_say(e, EINVAL, "linux.devices[%zu].type: '%.32s' is not c, u, b or p", i,
			       d->type ? d->type : "");
	if (d->major < 0 || d->minor < 0 || d->major > UINT32_MAX || d->minor > UINT32_MAX)
		return err_say(e, EINVAL, "linux.devices[%zu]: %lld:%lld is no device number", i,
			       (long long) d->major, (long long) d->minor);
	*ret = (struct device){
		.path = d->path,
		.type = d->type[0],
		.major = (unsigned) d->major,
		.minor = (unsigned) d->minor,
		.mode = d->has_filemode ? d->filemode & 07777 : 0666,
		.uid = d->uid,
		.gid = d->gid,
		.asked_for = true,
	};
	return 0;
}

static int make_spec_devices(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_devices; i++) {
		struct device d = {0};
		int r = read_device(l->devices[i], i, &d, e);

		/* make_devices() makes /dev/ptmx a link into the container's own devpts. */
		if (r == 0 && strcmp(d.path, "/dev/ptmx") == 0)
			continue;
		if (r == 0)
			r = err_wrap(e, make_device(s, &d, e), "linux.devices[%zu]", i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int make_link(struct setup *s, const char *path, const char *target, bool replace,
		     struct err *e)
{
	const char *name;
	auto_close int dir = resolve_parent(s->root, path, &name, e);

	if (dir < 0)
		return dir;
	if (replace && unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, errno, "replace '%s'", path);
	if (symlinkat(target, dir, name) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make link '%s'", path);
	return 0;
}

int make_devices(struct setup *s, struct err *e)
{
	int r = 0;

	if (!s->setup_dev)
		return 0;

	mode_t mask = umask(0);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(default_devices); i++)
		if (!is_overridden(s, default_devices[i].path))
			r = make_device(s, &default_devices[i], e);
	if (r == 0)
		r = make_spec_devices(s, e);
	(void) umask(mask);
	if (r == 0)
		r = make_link(s, "/dev/ptmx", "pts/ptmx", true, e);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(links); i++)
		r = make_link(s, links[i].path, links[i].target, false, e);
	if (r == 0 && faccessat(s->proc_fd, "kcore", F_OK, 0) == 0)
		r = make_link(s, "/dev/core", "/proc/kcore", false, e);
	return r;
}
