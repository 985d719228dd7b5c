/* Volumes that are files or folders of the host: the guest sees them through the share. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "base/auto.h"
#include "base/log.h"
#include "base/userns.h"
#include "host/storage/volume_driver.h"
#include "oci/oci.h"

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

static bool is_about_owners(char *word)
{
	return strcmp(word, "idmap") == 0 || strcmp(word, "ridmap") == 0;
}

/* Takes the mapping out of the guest's spec, because the host maps owners, by an idmapped mount. */
static void forget_mapping(Grpc__Mount *m)
{
	drop_mappings(&m->uidmappings, &m->n_uidmappings);
	drop_mappings(&m->gidmappings, &m->n_gidmappings);
	volume_mount_drop_options(m, is_about_owners);
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

int volume_make_shared(struct volume_task *t, struct volume *ret, struct err *e)
{
	const struct volume_owner *owner = t->owner;
	const struct oci_mount_options *o = &t->options;
	Grpc__Mount *m = t->mount;
	auto_close int userns = -1;
	auto_free char *guest_path = NULL;
	struct share_flags flags = {
		.recursive = o->flags & MS_REC,
		.readonly = o->flags & MS_RDONLY || o->rec_attr_set & MOUNT_ATTR_RDONLY,
		.mapped = o->idmap || o->ridmap || m->n_uidmappings || m->n_gidmappings,
		.mapped_children = o->ridmap,
	};
	int r = flags.mapped ? open_mappings(m, owner->linux, &userns, e) : 0;

	flags.userns_fd = userns;
	judge_propagation(m, owner->linux, o, &flags);
	if (r == 0)
		r = share_add(owner->share, owner->container_id, t->source_fd, m->destination,
			      flags, &guest_path, e);
	if (r < 0)
		return r;
	if (flags.mapped)
		forget_mapping(m);
	r = volume_mount_set(&m->source, guest_path, e);
	if (r == 0)
		r = volume_mount_set(&m->type, "bind", e);
	if (r < 0)
		(void) share_remove(owner->share, guest_path, NULL);
	else
		ret->guest_path = take_ptr(guest_path);
	return r;
}

bool volume_is_shared(const struct volume_task *t)
{
	return t->is_bind;
}
