/* A root file system that consists of disks: the guest mounts each, and joins them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "host/storage/root_image.h"
#include "host/storage/root_template.h"
#include "host/storage/volume_driver.h"

/* The most mounts of one root: more than disks fit into a machine. */
#define ROOT_MOUNTS_MAX 128

/* Options that begin so are for who makes the mount, not for the kernel. */
#define INSTRUCTION   "X-containerd."
#define MAKE_FOLDER   INSTRUCTION "mkdir.path="
#define FOLDER_MODE   "0755"
#define CREATE_FOLDER "io.katacontainers.volume.overlayfs.create_directory="

/* What the prefixes of a mount's type ask for: "format/mkdir/overlay". */
struct kind {
	bool has_templates;
	bool makes_folders;
	bool makes_image;
	const char *fstype;
};

/* A mount of the root, and the places of those before it. */
struct part {
	const struct volume_owner *owner;
	const Grpc__Mount *mount;
	struct kind kind;
	char **places; /* where the guest mounts each; owned */
	size_t n;      /* which of them is this one */
};

static bool skip_prefix(const char **type, const char *prefix)
{
	size_t n = strlen(prefix);

	if (strncmp(*type, prefix, n) != 0)
		return false;
	*type += n;
	return true;
}

static struct kind kind_of(const Grpc__Mount *m)
{
	struct kind k = {.fstype = m->type ? m->type : ""};

	for (bool more = true; more;) {
		const char *before = k.fstype;

		k.has_templates |= skip_prefix(&k.fstype, "format/");
		k.makes_folders |= skip_prefix(&k.fstype, "mkdir/");
		k.makes_image |= skip_prefix(&k.fstype, "mkfs/");
		more = k.fstype != before;
	}
	return k;
}

bool volume_root_is_guests(Grpc__Mount *const *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct kind k = kind_of(mounts[i]);

		if (volume_is_disk_type(k.fstype) || k.has_templates || k.makes_folders ||
		    k.makes_image)
			return true;
	}
	return false;
}

static bool begins(const char *word, const char *prefix)
{
	return strncmp(word, prefix, strlen(prefix)) == 0;
}

static int expanded(const struct part *p, const char *text, char **ret, struct err *e)
{
	if (p->kind.has_templates)
		return root_template_expand(text, (const char *const *) p->places, p->n, ret, e);
	*ret = strdup(text);
	return *ret ? 0 : err_sys(e, ENOMEM, "expand '%s'", text);
}

/* Whether the folder @path is a place of the guest, or below one. */
static bool is_in_guest(const struct part *p, const char *path, size_t bytes)
{
	for (size_t i = 0; i < p->n; i++) {
		size_t n = strlen(p->places[i]);

		if (bytes >= n && memcmp(path, p->places[i], n) == 0 &&
		    (bytes == n || path[n] == '/'))
			return true;
	}
	return false;
}

/* ---- one disk ---- */

static int check_disk_options(const Grpc__Mount *m, const struct kind *k, struct err *e)
{
	for (size_t i = 0; i < m->n_options; i++) {
		const char *word = m->options[i];

		if (begins(word, INSTRUCTION) && !(k->makes_image && root_image_knows(word)))
			return err_say(e, ENOTSUP, "option '%s' is not supported", word);
		if (strcmp(k->fstype, "erofs") == 0 && begins(word, "device="))
			return err_say(e, ENOTSUP,
				       "option '%s': an EROFS of several devices is not supported: "
				       "keep the snapshotter from merging layers",
				       word);
	}
	return 0;
}

static int lend_disk(const struct part *p, struct volume *v, struct err *e)
{
	const Grpc__Mount *m = p->mount;
	auto_free char **options = calloc(m->n_options + 1, sizeof *options);
	size_t n = 0;
	int r = options ? check_disk_options(m, &p->kind, e)
			: err_sys(e, ENOMEM, "describe a disk of the root");

	if (r < 0)
		return r;
	if (!m->source || m->source[0] != '/')
		return err_say(e, EINVAL, "source '%s' is not absolute",
			       m->source ? m->source : "");
	for (size_t i = 0; i < m->n_options; i++)
		if (!begins(m->options[i], INSTRUCTION))
			options[n++] = m->options[i];
	if (p->kind.makes_image)
		r = root_image_make(m->source, p->kind.fstype, m->options, m->n_options, e);
	return r < 0 ? r
		     : volume_disk_lend(p->owner,
					&(struct volume_disk){.source = m->source,
							      .fstype = p->kind.fstype,
							      .options = options,
							      .n_options = n,
							      .place = p->places[p->n]},
					v, e);
}

/* ---- an overlay of the disks ---- */

/* Checks the folders of "lowerdir=A:B" and the like. */
static int check_folders(const struct part *p, const char *word, struct err *e)
{
	static const char *const names[] = {"lowerdir=", "upperdir=", "workdir="};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (begins(word, names[i]))
			n = strlen(names[i]);
	for (const char *dir = word + n; n > 0; dir += strcspn(dir, ":") + 1) {
		size_t bytes = strcspn(dir, ":");

		if (!is_in_guest(p, dir, bytes))
			return err_say(e, ENOTSUP,
				       "'%.*s' of '%.*s' is a folder of the host, and the guest "
				       "joins disks only: let the snapshotter write into an image "
				       "(key 'default_size' of the EROFS snapshotter)",
				       (int) bytes, dir, (int) n - 1, word);
		if (!dir[bytes])
			break;
	}
	return 0;
}

/* "X-containerd.mkdir.path=PATH:MODE" */
static int make_folder(const struct part *p, const char *path, Grpc__Storage *s, struct err *e)
{
	size_t bytes = strcspn(path, ":");
	auto_free char *word = str_printf(CREATE_FOLDER "%.*s", (int) bytes, path);

	if (!p->kind.makes_folders)
		return err_say(e, EINVAL, "folder '%s' is to be made, but the type has no 'mkdir/'",
			       path);
	if (!is_in_guest(p, path, bytes))
		return err_say(e, ENOTSUP, "folder '%s' is one of the host", path);
	if (path[bytes] && strcmp(path + bytes, ":" FOLDER_MODE) != 0)
		return err_say(e, ENOTSUP, "folder '%s': no mode but " FOLDER_MODE, path);
	return word ? volume_storage_add_driver_option(s, word, e)
		    : err_sys(e, ENOMEM, "describe the root");
}

static int add_overlay_option(const struct part *p, const char *text, Grpc__Storage *s,
			      struct err *e)
{
	auto_free char *word = NULL;
	int r = expanded(p, text, &word, e);

	if (r < 0)
		return r;
	if (begins(word, MAKE_FOLDER))
		return make_folder(p, word + strlen(MAKE_FOLDER), s, e);
	if (begins(word, INSTRUCTION) || begins(word, "uidmap=") || begins(word, "gidmap="))
		return err_say(e, ENOTSUP, "option '%s' is not supported", word);
	r = check_folders(p, word, e);
	return r < 0 ? r : volume_storage_add_option(s, word, e);
}

static int describe_overlay(const struct part *p, struct volume *v, struct err *e)
{
	const Grpc__Mount *m = p->mount;
	int r = 0;

	v->storage = volume_storage_new("overlayfs", "overlay", "overlay", p->places[p->n]);
	if (!v->storage)
		return err_sys(e, ENOMEM, "describe the root");
	for (size_t i = 0; r == 0 && i < m->n_options; i++)
		r = add_overlay_option(p, m->options[i], v->storage, e);
	return r;
}

/* ---- all ---- */

/* A bind mount of one of the others is that other: nothing has to be mounted. */
static int follow_bind(const struct part *p, struct err *e)
{
	auto_free char *source = NULL;
	int r = expanded(p, p->mount->source ? p->mount->source : "", &source, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->places[i], source) != 0)
			continue;
		free(p->places[p->n]);
		p->places[p->n] = take_ptr(source);
		return 0;
	}
	return err_say(e, ENOTSUP, "a bind mount of '%s', which is none of the disks", source);
}

static int make_part(struct part *p, struct err *e)
{
	struct volume *v = calloc(1, sizeof *v);
	int r;

	if (!v)
		return err_sys(e, ENOMEM, "describe the root");
	if (volume_is_disk_type(p->kind.fstype))
		r = lend_disk(p, v, e);
	else if (strcmp(p->kind.fstype, "overlay") == 0)
		r = describe_overlay(p, v, e);
	else if (strcmp(p->kind.fstype, "bind") == 0)
		r = follow_bind(p, e);
	else
		r = err_say(e, ENOTSUP, "the guest does not mount such a thing");
	if (r < 0)
		volume_discard(p->owner, v);
	else
		list_add(p->owner->volumes, &v->link);
	return r;
}

static int add_part(struct part *p, struct err *e)
{
	if (p->mount->destination && p->mount->destination[0])
		return err_say(e, ENOTSUP, "mounts below the root are not supported yet");
	p->kind = kind_of(p->mount);
	p->places[p->n] = volume_guest_place(p->owner, "root", p->n);
	return p->places[p->n] ? make_part(p, e) : err_sys(e, ENOMEM, "describe the root");
}

int volume_root_add_disks(const struct volume_owner *owner, Grpc__Mount *const *mounts, size_t n,
			  Grpc__Root *root, struct err *e)
{
	char *places[ROOT_MOUNTS_MAX] = {NULL};
	struct part p = {.owner = owner, .places = places};
	int r = n > ROOT_MOUNTS_MAX ? err_say(e, E2BIG, "the root has %zu mounts", n) : 0;

	for (p.n = 0; r == 0 && p.n < n; p.n++) {
		p.mount = mounts[p.n];
		r = err_wrap(e, add_part(&p, e), "mount %zu of the root, type '%s'", p.n,
			     p.mount->type ? p.mount->type : "");
	}
	if (r == 0)
		r = volume_mount_set(&root->path, places[n - 1], e);
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		free(places[i]);
	return r;
}
