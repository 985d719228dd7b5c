#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/log.h"
#include "base/userns.h"
#include "host/spec/spec.h"
#include "host/storage/kernel_files.h"
#include "oci/names.h"
#include "oci/oci.h"

/* File systems that belong to a kernel, not to a disk: the guest mounts its own. */
static const char *const guest_types[] = {
	"proc",   "sysfs",   "tmpfs",      "ramfs",       "devpts",   "devtmpfs",   "mqueue",
	"cgroup", "cgroup2", "securityfs", "debugfs",     "tracefs",  "bpf",        "hugetlbfs",
	"pstore", "fusectl", "configfs",   "binfmt_misc", "efivarfs", "rpc_pipefs",
};

static bool is_guest_type(const char *type)
{
	for (size_t i = 0; i < ARRAY_LEN(guest_types); i++)
		if (strcmp(type, guest_types[i]) == 0)
			return true;
	return false;
}

static int set_string(char **where, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (!copy)
		return err_sys(e, ENOMEM, "rewrite the spec");
	free(*where);
	*where = copy;
	return 0;
}

static char *absolute(const char *bundle, const char *path)
{
	return path[0] == '/' ? strdup(path) : str_printf("%s/%s", bundle, path);
}

/* The host's tmpfs on /dev/shm becomes a tmpfs of the guest, of the same size, because the share
 * would be a detour. Its options are those of a tmpfs, not those of the bind mount. */
static int make_shm(Grpc__Mount *m, const struct statfs *fs, struct err *e)
{
	char *words[] = {"nosuid", "noexec", "nodev", "mode=1777", NULL};
	size_t n = ARRAY_LEN(words);
	char **options = calloc(n, sizeof *options);

	if (!options)
		return err_sys(e, ENOMEM, "rewrite the spec");
	for (size_t i = 0; i < n; i++) {
		options[i] = words[i] ? strdup(words[i])
				      : str_printf("size=%llu",
						   (unsigned long long) fs->f_blocks *
							   (unsigned long long) fs->f_bsize);
	}
	for (size_t i = 0; i < m->n_options; i++)
		free(m->options[i]);
	free(m->options);
	m->options = options;
	m->n_options = n;

	int r = set_string(&m->type, "tmpfs", e);

	return r < 0 ? r : set_string(&m->source, "shm", e);
}

/* Mappings of users and groups, borrowed from the spec. */
struct id_maps {
	Grpc__LinuxIDMapping *const *uids, *const *gids;
	size_t n_uids, n_gids;
};

/* The mappings that a mount wants: its own, or else the container's. */
static int find_mappings(const Grpc__Mount *m, const Grpc__Linux *l, struct id_maps *ret,
			 struct err *e)
{
	bool own = m->n_uidmappings || m->n_gidmappings;
	struct id_maps maps = {l->uidmappings, l->gidmappings, l->n_uidmappings, l->n_gidmappings};

	if (own)
		maps = (struct id_maps){m->uidmappings, m->gidmappings, m->n_uidmappings,
					m->n_gidmappings};
	if (!maps.n_uids || !maps.n_gids)
		return err_say(e, EINVAL,
			       own ? "uidMappings and gidMappings go together"
				   : "idmap needs uidMappings and gidMappings");
	*ret = maps;
	return 0;
}

/* Makes a user namespace with the mappings that @m wants. */
static int open_mappings(const Grpc__Mount *m, const Grpc__Linux *l, int *ret_userns, struct err *e)
{
	struct id_maps maps = {0};
	auto_free char *uid_map = NULL, *gid_map = NULL;
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	int r = find_mappings(m, l, &maps, e);

	if (r < 0)
		return r;
	if (proc < 0)
		return err_sys(e, errno, "open '/proc'");
	r = oci_id_map_print(maps.uids, maps.n_uids, &uid_map, e);
	if (r == 0)
		r = oci_id_map_print(maps.gids, maps.n_gids, &gid_map, e);
	if (r == 0)
		r = userns_make(uid_map, gid_map, proc, ret_userns, e);
	return err_wrap(e, r, "uidMappings");
}

static void drop_mappings(Grpc__LinuxIDMapping ***list, size_t *n)
{
	for (size_t i = 0; i < *n; i++)
		grpc__linux_idmapping__free_unpacked((*list)[i], NULL);
	free(take_ptr(*list));
	*n = 0;
}

static void drop_options(Grpc__Mount *m, bool (*is_to_go)(char *word))
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_options; i++) {
		if (is_to_go(m->options[i]))
			free(m->options[i]);
		else
			m->options[kept++] = m->options[i];
	}
	m->n_options = kept;
}

static bool is_about_owners(char *word)
{
	return strcmp(word, "idmap") == 0 || strcmp(word, "ridmap") == 0;
}

/* Takes the mapping out of the guest's spec, because the host maps owners, by an idmapped mount. */
static void forget_mapping(Grpc__Mount *m)
{
	drop_mappings(&m->uidmappings, &m->n_uidmappings);
	drop_mappings(&m->gidmappings, &m->n_gidmappings);
	drop_options(m, is_about_owners);
}

/* Propagation from the host is set on the share; propagation to the host ends at the VM boundary.
 * As under runc, a mount without a propagation option is like the root. Once an option has made a
 * mount private, a later 'shared' does not link it to the host again. */
static void judge_propagation(const Grpc__Mount *m, const Grpc__Linux *linux,
			      const struct oci_mount_options *o, struct share_flags *flags)
{
	const char *root = linux->rootfspropagation;
	unsigned long like_root = root ? oci_propagation_flags(root) : 0;
	const unsigned long *words = o->n_propagation ? o->propagation : &like_root;
	size_t n = o->n_propagation ?: 1;

	for (size_t i = 0; i < n; i++) {
		bool apart = words[i] & (MS_PRIVATE | MS_UNBINDABLE);

		flags->apart |= apart;
		flags->apart_children |= apart && words[i] & MS_REC;
		if (o->n_propagation && words[i] & MS_SHARED)
			log_warn(
				"mounts: what the container mounts on '%s' is not seen by the host",
				m->destination);
	}
}

static int show(const struct guest_rules *rules, const Grpc__Linux *linux, Grpc__Mount *m,
		int source_fd, const struct oci_mount_options *o, struct err *e)
{
	auto_close int userns = -1;
	struct share_flags flags = {
		.recursive = o->flags & MS_REC,
		.readonly = o->flags & MS_RDONLY || o->rec_attr_set & MOUNT_ATTR_RDONLY,
		.mapped = o->idmap || o->ridmap || m->n_uidmappings || m->n_gidmappings,
		.mapped_children = o->ridmap,
	};
	char *guest_path;
	int r = flags.mapped ? open_mappings(m, linux, &userns, e) : 0;

	flags.userns_fd = userns;
	judge_propagation(m, linux, o, &flags);
	if (r == 0)
		r = share_add(rules->share, rules->container_id, source_fd, m->destination, flags,
			      &guest_path, e);
	if (r < 0)
		return r;
	if (flags.mapped)
		forget_mapping(m);
	free(m->source);
	m->source = guest_path;
	return set_string(&m->type, "bind", e);
}

/* Makes a bind mount of the host. *@ret_is_dir is set also where the guest uses its own file. */
static int make_bind(const struct guest_rules *rules, const Grpc__Linux *linux, Grpc__Mount *m,
		     const struct oci_mount_options *o, bool *ret_is_dir, struct err *e)
{
	auto_free char *source = absolute(rules->bundle, m->source ? m->source : "");
	struct stat st;
	struct statfs fs;

	if (!source)
		return err_sys(e, ENOMEM, "rewrite the spec");

	auto_close int fd = open(source, O_PATH | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return err_sys(e, errno, "source '%s'", source);
	*ret_is_dir = S_ISDIR(st.st_mode);

	auto_free char *place = NULL;
	int r = kernel_files_place(fd, source, &place, e);

	if (r < 0)
		return err_wrap(e, r, "source");
	if (place)
		return set_string(&m->source, place, e);
	if (strcmp(m->destination, "/dev/shm") == 0 && fs.f_type == TMPFS_MAGIC && *ret_is_dir)
		return make_shm(m, &fs, e);
	return show(rules, linux, m, fd, o, e);
}

static int make_overlay(const struct guest_rules *rules, const Grpc__Linux *linux, Grpc__Mount *m,
			const struct oci_mount_options *o, struct err *e)
{
	auto_free char *path = str_printf("%s/overlay", share_private_path(rules->share));

	if (!path)
		return err_sys(e, ENOMEM, "mount overlay");

	int r = guest_overlay_mount(m, o, path, e);

	if (r < 0)
		return r;

	auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	r = fd < 0 ? err_sys(e, errno, "open '%s'", path) : show(rules, linux, m, fd, o, e);
	guest_overlay_unmount(path);
	if (r == 0)
		drop_options(m, guest_overlay_has_option);
	return r;
}

static int make_mount(const struct guest_rules *rules, const Grpc__Linux *linux, Grpc__Mount *m,
		      bool *ret_is_dir, struct err *e)
{
	struct oci_mount_options o = {0};
	const char *type = m->type ? m->type : "";
	int r = oci_mount_options_parse(m->options, m->n_options, &o, e);

	if (r < 0)
		return r;

	bool is_bind = o.flags & MS_BIND || strcmp(type, "bind") == 0;

	*ret_is_dir = true;
	/* For a bind mount the kernel takes flags only. */
	if (o.data && !(o.flags & MS_REMOUNT) && is_bind)
		log_warn("ignoring options '%s' of the bind mount on '%s': they are no flags",
			 o.data, m->destination);
	if (is_bind)
		r = make_bind(rules, linux, m, &o, ret_is_dir, e);
	else if (strcmp(type, "overlay") == 0 && !(o.flags & MS_REMOUNT))
		r = make_overlay(rules, linux, m, &o, e);
	else if (!is_guest_type(type))
		r = err_say(e, ENOTSUP, "type '%s' is not supported yet", type);
	oci_mount_options_fini(&o);
	return r;
}

static int open_root(const struct guest_rules *rules, const Grpc__Root *root, struct err *e)
{
	auto_free char *path = absolute(rules->bundle, root->path);

	if (!path)
		return err_sys(e, ENOMEM, "open the root");

	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "root.path '%s'", path) : fd;
}

static int show_root(const struct guest_rules *rules, Grpc__Root *root, int root_fd, struct err *e)
{
	struct share_flags flags = {
		.exact_name = true,
		.recursive = true,
		.readonly = root->has_readonly && root->readonly,
	};
	char *guest_path;
	int r = share_add(rules->share, rules->container_id, root_fd, "rootfs", flags, &guest_path,
			  e);

	if (r < 0)
		return err_wrap(e, r, "root.path '%s'", root->path);
	free(root->path);
	root->path = guest_path;
	return 0;
}

int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e)
{
	auto_close int root_fd = open_root(rules, spec->root, e);
	auto_free bool *is_dir = calloc(spec->n_mounts + 1, sizeof *is_dir);

	if (root_fd < 0)
		return root_fd;
	if (!is_dir)
		return err_sys(e, ENOMEM, "rewrite the spec");
	for (size_t i = 0; i < spec->n_mounts; i++) {
		int r = make_mount(rules, spec->linux, spec->mounts[i], &is_dir[i], e);

		if (r < 0)
			return err_wrap(e, r, "mounts[%zu]", i);
	}
	if (spec->root->has_readonly && spec->root->readonly) {
		int r = guest_root_prepare(root_fd, spec, is_dir, e);

		if (r < 0)
			return r;
	}
	return show_root(rules, spec->root, root_fd, e);
}
