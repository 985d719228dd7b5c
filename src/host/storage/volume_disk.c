/* Volumes that are file systems on disks: block devices and images. The guest's kernel mounts them,
 * because what an image holds would else reach the host's file system code. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/storage/kernel_files.h"
#include "host/storage/volume_driver.h"

static const struct disk_type {
	char name[10];
	bool is_readonly; /* nothing can be written in such a file system */
} types[] = {
	{"ext2", false},  {"ext3", false}, {"ext4", false},    {"xfs", false},
	{"btrfs", false}, {"erofs", true}, {"squashfs", true},
};

static const struct disk_type *find_type(const char *fstype)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i].name, fstype) == 0)
			return &types[i];
	return NULL;
}

bool volume_is_disk_type(const char *fstype)
{
	return find_type(fstype) != NULL;
}

bool volume_is_disk(const struct volume_task *t)
{
	return !t->is_bind && !(t->options.flags & MS_REMOUNT) && t->mount->type &&
	       volume_is_disk_type(t->mount->type);
}

/* ---- the host's side: the device or file ---- */

/* Refuses an image that another machine or container has, unless both only read. The claim is the
 * open file's, so it holds until the VMM has closed it. */
static int claim(int fd, const char *source, const struct stat *st, bool readonly, struct err *e)
{
	if (S_ISREG(st->st_mode) && flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			       ? err_say(e, EBUSY, "'%s' is used by another machine or container",
					 source)
			       : err_sys(e, errno, "lock '%s'", source);
	return 0;
}

/* What is opened is what was looked at, even if the name means another file meanwhile. */
static int open_again(int look, const char *source, bool readonly, int more_flags, struct err *e)
{
	int fd = fd_reopen(look, (readonly ? O_RDONLY : O_RDWR) | more_flags);

	if (fd == -EBUSY)
		return err_say(e, EBUSY, "'%s' is mounted on the host or used by a machine",
			       source);
	return fd < 0 ? err_sys(e, -fd, "open '%s'", source) : fd;
}

static int check_kind(const struct volume_owner *owner, int look, const char *source,
		      const struct stat *st, struct err *e)
{
	auto_free char *kernel_place = NULL;

	if (S_ISBLK(st->st_mode) && owner->no_block_devices)
		return err_say(e, EPERM,
			       "'%s' is a block device, which are not passed on (key "
			       "'disable_block_device_use')",
			       source);
	if (S_ISBLK(st->st_mode))
		return 0;
	if (!S_ISREG(st->st_mode))
		return err_say(e, ENOTBLK, "'%s' is neither a block device nor an image file",
			       source);

	int r = kernel_files_place(look, source, &kernel_place, e);

	if (r == 0 && kernel_place)
		r = err_say(e, ENOTSUP, "'%s' is a file of the kernel and no image", source);
	return r;
}

/* For a machine that has it already: who else has it is found out when it is lent. */
static int open_taken(int look, const char *source, struct disk_wanted *w, struct err *e)
{
	w->is_taken = true;
	w->swallow_fd = open_again(look, source, w->readonly, 0, e);
	return w->swallow_fd < 0 ? w->swallow_fd : 0;
}

/* Opens it as the only one who writes, or of what is shared perhaps as a further one. */
static int open_source(const struct volume_owner *owner, const char *source, struct disk_wanted *w,
		       struct err *e)
{
	/* O_PATH, because opening a FIFO or some devices has effects or waits. */
	auto_close int look = open(source, O_PATH | O_CLOEXEC);
	struct stat st;

	if (look < 0 || fstat(look, &st) < 0)
		return err_sys(e, errno, "open '%s'", source);

	int r = check_kind(owner, look, source, &st, e);

	if (r < 0)
		return r;

	/* Of a block device this means that nobody else has it so, mounts of this host included. */
	int alone = S_ISBLK(st.st_mode) && !w->readonly ? O_EXCL : 0;
	auto_close int fd = open_again(look, source, w->readonly, alone, e);

	r = fd < 0 ? fd : claim(fd, source, &st, w->readonly, e);
	if (r == -EBUSY && w->is_shared) {
		err_clear(e);
		return open_taken(look, source, w, e);
	}
	w->swallow_fd = r < 0 ? -1 : take_fd(&fd);
	return r;
}

/* ---- the guest's side: its mount ---- */

/* Whether an option is about how this host would mount it: "loop" makes a block device of a file,
 * which a machine does not need, and "rw" is what a mount is anyway. */
static bool is_hosts(const char *word)
{
	return strcmp(word, "loop") == 0 || strcmp(word, "rw") == 0;
}

static int describe(Grpc__Storage *s, char *const *options, size_t n, bool readonly, struct err *e)
{
	bool says_ro = false;

	for (size_t i = 0; i < n; i++) {
		int r = is_hosts(options[i]) ? 0 : volume_storage_add_option(s, options[i], e);

		if (r < 0)
			return r;
		says_ro |= strcmp(options[i], "ro") == 0;
	}
	return readonly && !says_ro ? volume_storage_add_option(s, "ro", e) : 0;
}

static int is_readonly(const char *fstype, char *const *options, size_t n, bool *ret, struct err *e)
{
	const struct disk_type *type = find_type(fstype);
	struct oci_mount_options o = {0};
	int r = oci_mount_options_parse(options, n, &o, e);

	if (r == 0)
		*ret = o.flags & MS_RDONLY || (type && type->is_readonly);
	oci_mount_options_fini(&o);
	return r;
}

int volume_disk_lend(const struct volume_owner *owner, const struct volume_disk *disk,
		     struct volume *ret, struct err *e)
{
	struct disk_wanted wanted = {.swallow_fd = -1, .is_shared = disk->is_shared};
	int r = is_readonly(disk->fstype, disk->options, disk->n_options, &wanted.readonly, e);

	if (r == 0)
		r = open_source(owner, disk->source, &wanted, e);
	if (r < 0)
		return r;
	r = owner->disks->lend(owner->disks->arg, &wanted, &ret->disk, e);
	if (r < 0)
		return wanted.is_taken ? err_wrap(e, r, "'%s'", disk->source) : r;
	ret->storage = volume_storage_new("", "", disk->fstype, disk->place);
	return ret->storage
		       ? describe(ret->storage, disk->options, disk->n_options, wanted.readonly, e)
		       : err_sys(e, ENOMEM, "describe what the guest mounts");
}

/* ---- a mount of the spec ---- */

static bool is_propagation(char *word)
{
	struct oci_mount_options o = {0};
	bool is = oci_mount_options_parse(&word, 1, &o, NULL) == 0 && o.n_propagation > 0;

	oci_mount_options_fini(&o);
	return is;
}

/* Whether an option is the file system's own, which the bind mount in the guest must not have. */
static bool is_file_systems(char *word)
{
	struct oci_mount_options o = {0};
	bool own = oci_mount_options_parse(&word, 1, &o, NULL) == 0 && o.data;

	oci_mount_options_fini(&o);
	return own;
}

int volume_make_disk(struct volume_task *t, struct volume *ret, struct err *e)
{
	Grpc__Mount *m = t->mount;
	auto_free char *source = volume_host_path(t->owner, m->source ? m->source : "");
	auto_free char *place = volume_next_guest_place(t->owner, "disks");
	auto_free char **options = calloc(m->n_options + 1, sizeof *options);
	size_t n = 0;

	if (!source || !place || !options)
		return err_sys(e, ENOMEM, "rewrite the spec");
	for (size_t i = 0; i < m->n_options; i++)
		if (!is_propagation(m->options[i]))
			options[n++] = m->options[i];

	int r = volume_disk_lend(t->owner,
				 &(struct volume_disk){.source = source,
						       .fstype = m->type,
						       .options = options,
						       .n_options = n,
						       .place = place},
				 ret, e);

	if (r < 0)
		return err_wrap(e, r, "source");
	volume_mount_drop_options(m, is_file_systems);
	r = volume_mount_set(&m->source, place, e);
	return r < 0 ? r : volume_mount_set(&m->type, "bind", e);
}
