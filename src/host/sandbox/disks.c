#include "host/sandbox/disks.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/log.h"

/* How long a guest may take to let go of a disk that it has unmounted. */
#define DETACH_TIMEOUT_MS 10000
#define ATTACH_TIMEOUT_MS 10000

struct disk {
	struct list link;
	char id[DEVICE_ID_MAX + 1];
	int fd; /* until a running machine has it; then -1 */
	bool readonly;
	bool is_shared; /* see struct disk_wanted */
	bool write_protected;
	bool is_attached;
	uint64_t bytes;   /* as the guest knows it */
	unsigned holders; /* 0: the guest did not let go of it */
	dev_t dev;        /* of an image; else 0 */
	ino_t ino;
	dev_t rdev;               /* of a block device that may be shared; else 0 */
	struct device_address at; /* once it is attached */
};

static void disk_free(struct disk *d)
{
	list_remove(&d->link);
	fd_close(d->fd);
	free(d);
}

/* With the lock. */
static int attach(struct disks *all, struct disk *d, msec_t deadline, struct err *e)
{
	const struct device device = {
		.kind = DEVICE_DISK,
		.id = d->id,
		.disk = {.fd = d->fd, .readonly = d->readonly},
	};
	int r = hv_attach(all->hv, &device, deadline, &d->at, e);

	if (r < 0)
		return r;
	/* The VMM has a duplicate, and closes it when the guest has let go. A machine that has not
	 * started may have to be replaced by another one, which needs it again. */
	if (hv_state(all->hv) == HV_RUNNING)
		d->fd = fd_close(d->fd);
	d->is_attached = true;
	return 0;
}

static bool is_same_object(const struct disk *a, const struct disk *b)
{
	if (a->rdev || b->rdev)
		return a->rdev == b->rdev;
	return a->ino && a->dev == b->dev && a->ino == b->ino;
}

/* Whether who wants the one can have the other: if both only read, or as is_shared says. */
static bool is_same(const struct disk *d, const struct disk *wanted)
{
	bool shared = d->is_shared && wanted->is_shared && !wanted->write_protected;

	return is_same_object(d, wanted) &&
	       (wanted->readonly ? d->readonly || shared : shared && !d->readonly);
}

/* With the lock: one that is lent already. */
static struct disk *find_same(struct disks *all, const struct disk *wanted)
{
	list_for_each (pos, &all->list) {
		struct disk *d = container_of(pos, struct disk, link);

		if (d->holders && is_same(d, wanted))
			return d;
	}
	return NULL;
}

static int size_of(int fd, const struct stat *st, uint64_t *ret)
{
	*ret = (uint64_t) st->st_size;
	return S_ISBLK(st->st_mode) && ioctl(fd, BLKGETSIZE64, ret) < 0 ? -errno : 0;
}

/* Which file or device it is. Only what is shared can be found by its device. */
static void identify(struct disk *d, const struct stat *st)
{
	if (d->is_shared)
		d->rdev = st->st_rdev;
	if (S_ISREG(st->st_mode)) {
		d->dev = st->st_dev;
		d->ino = st->st_ino;
	}
}

static int disk_new(const struct disk_wanted *wanted, struct disk **ret, struct err *e)
{
	auto_close int fd = wanted->swallow_fd;
	struct disk *d = calloc(1, sizeof *d);
	struct stat st;

	if (!d)
		return err_sys(e, ENOMEM, "lend a disk");
	if (fstat(fd, &st) < 0 || size_of(fd, &st, &d->bytes) < 0) {
		free(d);
		return err_sys(e, errno, "inspect a disk");
	}
	list_init(&d->link);
	d->readonly = wanted->readonly;
	d->holders = 1;
	d->is_shared = wanted->is_shared;
	d->write_protected = wanted->write_protected;
	identify(d, &st);
	d->fd = take_fd(&fd);
	*ret = d;
	return 0;
}

/* With the lock. */
static int enter(struct disks *all, struct disk *d, struct err *e)
{
	(void) snprintf(d->id, sizeof d->id, "disk%lu", ++all->last_id);
	list_add(&all->list, &d->link);
	return all->hv ? attach(all, d, clock_deadline(ATTACH_TIMEOUT_MS), e) : 0;
}

static int lend(void *arg, const struct disk_wanted *wanted, struct disk **ret, struct err *e)
{
	struct disks *all = arg;
	struct disk *d = NULL, *same;
	int r = disk_new(wanted, &d, e);

	if (!d)
		return r;
	pthread_mutex_lock(&all->lock);
	same = find_same(all, d);
	if (same)
		same->holders++;
	else if (wanted->is_taken)
		r = err_say(e, EBUSY, "it is mounted on the host or used by a machine");
	else
		r = enter(all, d, e);
	if (same || r < 0)
		disk_free(d);
	pthread_mutex_unlock(&all->lock);
	if (r == 0)
		*ret = same ? same : d;
	return r;
}

/* With the lock. */
static int detach(struct disks *all, const struct disk *d, struct err *e)
{
	if (!d->is_attached || hv_state(all->hv) != HV_RUNNING)
		return 0;
	return hv_detach(all->hv, d->id, clock_deadline(DETACH_TIMEOUT_MS), e);
}

static void take_back(void *arg, struct disk *d)
{
	struct disks *all = arg;
	struct err e = {0};

	pthread_mutex_lock(&all->lock);
	if (--d->holders == 0) {
		if (detach(all, d, &e) == 0)
			disk_free(d);
		else
			log_err(LOG_WARN, &e, "ignoring: the machine keeps a disk until it ends");
	}
	pthread_mutex_unlock(&all->lock);
}

/* With the lock: what the machine has of it and can write to, or else can only read. */
static struct disk *find_object(struct disks *all, const struct disk *object)
{
	struct disk *found = NULL;

	list_for_each (pos, &all->list) {
		struct disk *d = container_of(pos, struct disk, link);

		if (d->holders && is_same_object(d, object) && (!found || found->readonly))
			found = d;
	}
	return found;
}

static int check_size(const struct disk *d, uint64_t bytes, uint64_t at_least, struct err *e)
{
	if (d->readonly)
		return err_say(e, EROFS, "the machine has it for reading only");
	if (bytes < at_least || bytes < d->bytes)
		return err_say(e, EINVAL, "it has %" PRIu64 " bytes, not %" PRIu64, bytes,
			       at_least < d->bytes ? d->bytes : at_least);
	/* QEMU would cut off the rest. */
	if (bytes % 512)
		return err_say(e, EINVAL, "its size is no whole number of sectors");
	return 0;
}

/* With the lock. */
static int resize(struct disks *all, const struct disk *object, uint64_t bytes, uint64_t at_least,
		  msec_t deadline, struct err *e)
{
	struct disk *d = find_object(all, object);

	if (!d || !d->is_attached || hv_state(all->hv) != HV_RUNNING)
		return err_say(e, ENOENT, "the machine does not have it");

	int r = check_size(d, bytes, at_least, e);

	if (r == 0)
		r = hv_resize_disk(all->hv, d->id, bytes, deadline, e);
	if (r == 0)
		d->bytes = bytes;
	return r;
}

int disks_resize(struct disks *d, int fd, uint64_t at_least, msec_t deadline, struct err *e)
{
	struct disk object = {.is_shared = true};
	uint64_t bytes = 0;
	struct stat st;

	if (fstat(fd, &st) < 0 || size_of(fd, &st, &bytes) < 0)
		return err_sys(e, errno, "inspect a disk");
	identify(&object, &st);
	pthread_mutex_lock(&d->lock);

	int r = resize(d, &object, bytes, at_least, deadline, e);

	pthread_mutex_unlock(&d->lock);
	return r;
}

void disks_init(struct disks *d)
{
	*d = (struct disks){.lender = {.lend = lend, .take_back = take_back, .arg = d}};
	(void) pthread_mutex_init(&d->lock, NULL);
	list_init(&d->list);
}

void disks_forget(struct disks *d)
{
	pthread_mutex_lock(&d->lock);
	d->hv = NULL;
	while (!list_empty(&d->list))
		disk_free(container_of(d->list.next, struct disk, link));
	pthread_mutex_unlock(&d->lock);
}

void disks_fini(struct disks *d)
{
	disks_forget(d);
	(void) pthread_mutex_destroy(&d->lock);
}

int disks_attach(struct disks *d, struct hv *hv, msec_t deadline, struct err *e)
{
	int r = 0;

	pthread_mutex_lock(&d->lock);
	d->hv = hv;
	list_for_each (pos, &d->list)
		if (r == 0)
			r = attach(d, container_of(pos, struct disk, link), deadline, e);
	pthread_mutex_unlock(&d->lock);
	return r;
}

static int set(char **field, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (!copy)
		return err_sys(e, ENOMEM, "describe a disk");
	if (*field != protobuf_c_empty_string)
		free(*field);
	*field = copy;
	return 0;
}

void disks_started(struct disks *d)
{
	pthread_mutex_lock(&d->lock);
	list_for_each (pos, &d->list) {
		struct disk *disk = container_of(pos, struct disk, link);

		disk->fd = fd_close(disk->fd);
	}
	pthread_mutex_unlock(&d->lock);
}

void disks_reclaim(struct disks *d)
{
	pthread_mutex_lock(&d->lock);
	d->hv = NULL;
	list_for_each (pos, &d->list)
		container_of(pos, struct disk, link)->is_attached = false;
	pthread_mutex_unlock(&d->lock);
}

int disk_find_in_guest(const struct volume *v, struct err *e)
{
	const struct device_address *at = &v->disk->at;
	/* The agent finds the disks of a machine without PCI by their serial numbers. */
	const char *kind = at->kind == DEVICE_AT_PCI ? "blk" : "mmioblk";
	int r = 0;

	if (v->storage)
		r = set(&v->storage->driver, kind, e);
	if (r == 0 && v->storage)
		r = set(&v->storage->source, at->text, e);
	if (r == 0 && v->device)
		r = set(&v->device->type, kind, e);
	if (r == 0 && v->device)
		r = set(&v->device->id, at->text, e);
	return r;
}
