#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "agent/container/child/mount_list.h"
#include "agent/container/child/mount_ops.h"
#include "agent/container/child/resolve.h"
#include "base/array.h"
#include "base/file.h"

int mount_entry_read(const struct setup *s, size_t index, struct mount_entry *ret, struct err *e)
{
	const Grpc__Mount *m = s->spec->mounts[index];
	struct mount_entry *entry = ret;
	int r;

	*entry = (struct mount_entry){.spec = m, .index = index};
	if (!m->destination || !m->destination[0])
		return err_say(e, EINVAL, "mounts[%zu].destination: is missing", index);
	r = path_clean(m->destination, entry->path, sizeof entry->path);
	if (r < 0)
		return err_sys(e, -r, "mounts[%zu].destination", index);
	if (strcmp(entry->path, "/") == 0)
		return err_say(e, EINVAL, "mounts[%zu].destination: nothing can be mounted on '/'",
			       index);
	r = oci_mount_options_parse(m->options, m->n_options, &entry->options, e);
	if (r < 0)
		return err_wrap(e, r, "mounts[%zu].options", index);
	entry->is_bind =
		(entry->options.flags & MS_BIND) || (m->type && strcmp(m->type, "bind") == 0);
	return 0;
}

void mount_entry_fini(struct mount_entry *m)
{
	oci_mount_options_fini(&m->options);
}

static bool wants_mapping(const struct mount_entry *m)
{
	return m->options.idmap || m->options.ridmap || m->spec->n_uidmappings ||
	       m->spec->n_gidmappings;
}

static int map_owners(const struct setup *s, const struct mount_entry *m, int fd, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;
	bool own = m->spec->n_uidmappings || m->spec->n_gidmappings;

	if (!own && !l->n_uidmappings)
		return err_say(e, EINVAL, "idmap needs uidMappings and gidMappings");
	return own ? mount_map_ids(fd, m->options.ridmap, m->spec->uidmappings,
				   m->spec->n_uidmappings, m->spec->gidmappings,
				   m->spec->n_gidmappings, s->proc_fd, e)
		   : mount_map_ids(fd, m->options.ridmap, l->uidmappings, l->n_uidmappings,
				   l->gidmappings, l->n_gidmappings, s->proc_fd, e);
}

int mount_entry_open_source(const struct setup *s, const struct mount_entry *m, struct err *e)
{
	const char *source = m->spec->source ? m->spec->source : "";

	/* Without this check an empty source would name the bundle. */
	if (!source[0])
		return err_say(e, EINVAL, "mounts[%zu].source: is missing", m->index);

	auto_free char *path =
		source[0] == '/' ? strdup(source) : str_printf("%s/%s", s->bundle, source);

	if (!path)
		return err_sys(e, ENOMEM, "mounts[%zu].source", m->index);

	auto_close int fd = mount_copy(AT_FDCWD, path, m->options.flags & MS_REC);

	if (fd < 0)
		return err_sys(e, -fd, "mounts[%zu].source '%s'", m->index, path);
	if (wants_mapping(m)) {
		int r = map_owners(s, m, fd, e);

		if (r < 0)
			return err_wrap(e, r, "mounts[%zu] on '%s'", m->index, m->path);
	}
	return take_fd(&fd);
}

static bool needs_agents_rights(const struct setup *s, const struct mount_entry *m)
{
	const Grpc__Linux *l = s->spec->linux;

	if (!m->is_bind || (m->options.flags & MS_REMOUNT))
		return false;
	for (size_t i = 0; i < l->n_namespaces; i++)
		if (l->namespaces[i]->type && strcmp(l->namespaces[i]->type, "user") == 0)
			return true;
	return wants_mapping(m);
}

/* Each mount needs a descriptor: raises the limit if there are many. */
static void make_room_for_fds(size_t n)
{
	struct rlimit limit;

	if (n < 500 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit); /* else opening a source fails */
}

int open_sources(struct setup *s, struct err *e)
{
	int r = open_root(s, e);

	if (r < 0)
		return r;
	s->sources = calloc(s->spec->n_mounts + 1, sizeof *s->sources);
	if (!s->sources)
		return err_sys(e, ENOMEM, "mounts");
	make_room_for_fds(s->spec->n_mounts);
	for (size_t i = 0; i < s->spec->n_mounts; i++) {
		struct mount_entry m;

		s->sources[i] = -1;
		r = mount_entry_read(s, i, &m, e);
		if (r < 0)
			return r;
		if (wants_mapping(&m) && !m.is_bind)
			r = err_say(e, ENOTSUP, "mounts[%zu].uidMappings: only for bind mounts", i);
		else if (needs_agents_rights(s, &m))
			r = s->sources[i] = mount_entry_open_source(s, &m, e);
		mount_entry_fini(&m);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Files of /proc that may be mounted over, as lxcfs does to show another machine's size. */
static const char *const proc_files[] = {
	"/proc/cpuinfo", "/proc/diskstats",
	"/proc/meminfo", "/proc/stat",
	"/proc/swaps",   "/proc/uptime",
	"/proc/loadavg", "/proc/slabinfo",
	"/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
};

static bool source_is_proc(const struct mount_entry *m)
{
	struct statfs fs;

	if (!m->is_bind)
		return m->spec->type && strcmp(m->spec->type, "proc") == 0;
	return m->spec->source && statfs(m->spec->source, &fs) == 0 &&
	       fs.f_type == PROC_SUPER_MAGIC;
}

int mount_entry_check_proc(const struct setup *s, const struct mount_entry *m, int target_fd,
			   struct err *e)
{
	char path[4096];
	int r = resolve_path_of(s->root->fd, target_fd, path, sizeof path, e);

	if (r < 0)
		return r;
	if (strcmp(path, "/proc") == 0)
		return source_is_proc(m)
			       ? 0
			       : err_say(e, EPERM, "'/proc' cannot be anything but a procfs");
	if (strncmp(path, "/proc/", 6) != 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(proc_files); i++)
		if (strcmp(path, proc_files[i]) == 0)
			return 0;
	return err_say(e, EPERM, "'%s' cannot be mounted on: it is inside '/proc'", path);
}
