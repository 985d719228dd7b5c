#include "host/hypervisor/qemu/device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/hypervisor/qemu/qemu.h"

#define FS_QUEUE_DEFAULT 1024

/* The bridge is far from the slots that QEMU gives to devices whose slot nobody cares for. */
#define PLUG_BUS        "plug"
#define PLUG_BUS_SLOT   0x1e
#define PLUG_FIRST_SLOT 2 /* 1 has the source of randomness */
/* Where a saved guest sees its first device come: four slots behind the source of randomness, which
 * has the same interrupt, so that the guest need not evaluate ACPI to find it (14 ms under TCG). */
#define PLUG_SHIFT         3
#define ROOT_FIRST_SLOT    8
#define ROOT_LAST_SLOT     0x1d
#define DEVICE_NAME_FORMAT "kata-%s" /* QEMU's names begin with a letter */
#define DEVICE_NAME_BYTES  (DEVICE_ID_MAX + 8)

AUTO_PTR(json_t, json_decref)

/* ---- what a device consists of, and where it goes ---- */

static const struct part {
	const char *option, *command;
} back_end = {"-blockdev", "blockdev-add"}, net_back_end = {"-netdev", "netdev_add"},
  front_end = {"-device", "device_add"};

static int put(const struct qemu_sink *s, const struct part *part, json_t *swallow_json,
	       struct err *e)
{
	auto_ptr(json_decref) json_t *json = swallow_json;
	auto_free char *text = NULL;

	if (json && s->plugs && part == &front_end) {
		if (json_array_append(s->plugs, json) < 0)
			return err_sys(e, ENOMEM, "describe a device");
		return 0;
	}
	if (json && !s->command)
		return qmp_call(s->qmp, part->command, json_incref(json), s->deadline, NULL, e);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text)
		return err_sys(e, ENOMEM, "describe a device");
	qemu_addf(s->command, part->option, "%s", text);
	return 0;
}

/* Device @name for the machine's bus: "virtio-rng" becomes "virtio-rng-pci". */
static int put_device(const struct qemu_sink *s, const char *name, json_t *swallow_options,
		      struct err *e)
{
	auto_ptr(json_decref) json_t *options = swallow_options;
	auto_free char *driver = str_printf("%s-%s", name, s->machine->bus);
	/* vhost and vhost-user devices have no legacy mode, and so not this option either. */
	bool knows_legacy = s->machine->has_legacy && strncmp(name, "vhost-", 6) != 0;
	json_t *device = driver ? json_pack("{s:s,s:s*}", "driver", driver, "disable-legacy",
					    knows_legacy ? "on" : NULL)
				: NULL;

	if (device && (!options || json_object_update(device, options) < 0)) {
		json_decref(device);
		device = NULL;
	}
	return put(s, &front_end, device, e);
}

/* Lends an open file. Returns N of "/dev/fdset/N", or -errno. */
static int lend_file(const struct qemu_sink *s, int swallow_fd, struct err *e)
{
	auto_close int fd = swallow_fd;
	auto_ptr(json_decref) json_t *answer = NULL;
	int set = -1;

	if (s->command) {
		set = qemu_give_fdset(s->command, take_fd(&fd));
		return set < 0 ? err_sys(e, -set, "lend QEMU a file") : set;
	}

	int r = qmp_call_fd(s->qmp, "add-fd", NULL, fd, s->deadline, &answer, e);

	if (r < 0)
		return r;
	if (json_unpack(answer, "{s:i}", "fdset-id", &set) < 0 || set < 0)
		return err_say(e, EPROTO, "QEMU does not say where it has the file");
	return set;
}

static int take_back_file(struct qmp *qmp, int set, msec_t deadline, struct err *e)
{
	return qmp_call(qmp, "remove-fd", json_pack("{s:i}", "fdset-id", set), deadline, NULL, e);
}

static int take_back_disk(struct qmp *qmp, const char *node, int set, msec_t deadline,
			  struct err *e)
{
	int r = qmp_call(qmp, "blockdev-del", json_pack("{s:s}", "node-name", node), deadline, NULL,
			 e);

	return r < 0 ? r : take_back_file(qmp, set, deadline, e);
}

/* ---- the builders ---- */

/* Where a disk or an interface goes; "bus" NULL: the machine has no PCI. */
struct place {
	const char *bus;
	char slot[4];
};

static int open_disk(const struct device *d, struct err *e)
{
	const struct device_disk *disk = &d->disk;
	int fd;

	if (disk->path)
		fd = open(disk->path, (disk->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	else
		fd = fcntl(disk->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return err_sys(e, errno, "open disk '%s'", disk->path ? disk->path : d->id);
	return fd;
}

/* QEMU does not lock the disk, because the caller ensures that nobody uses it who should not. What
 * the guest discards is given back to the host. */
static json_t *raw_file(const char *name, const struct device_disk *disk, int set, bool is_device)
{
	char file[32];

	(void) snprintf(file, sizeof file, "/dev/fdset/%d", set);
	return json_pack("{s:s,s:s,s:b,s:{s:b},s:s,s:{s:s,s:s,s:s,s:s}}", "driver", "raw",
			 "node-name", name, "read-only", disk->readonly, "cache", "direct",
			 disk->direct, "discard", "unmap", "file", "driver",
			 is_device ? "host_device" : "file", "filename", file, "locking", "off",
			 "discard", "unmap");
}

/* The size of a block device's sectors, NULL: 512 or not known. QEMU 7.2 does not look at it, and a
 * partition table and some file systems are right for one size only. */
static json_t *sector_bytes(int fd)
{
	int bytes = 0;

	return ioctl(fd, BLKSSZGET, &bytes) == 0 && bytes > 512 ? json_integer(bytes) : NULL;
}

/* The same of the blocks that it writes at once. */
static json_t *block_bytes(int fd)
{
	unsigned bytes = 0;

	return ioctl(fd, BLKPBSZGET, &bytes) == 0 && bytes > 512 ? json_integer(bytes) : NULL;
}

/* The guest is told of every error, because QEMU would else stop the machine when the host is out
 * of space. */
static json_t *disk_front_end(const struct device *d, const char *name, const struct place *at,
			      int fd)
{
	return json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:s,s:s,s:o*,s:o*}", "id", name, "drive", name,
			 "serial", d->id, "bus", at->bus, "addr", at->bus ? at->slot : NULL,
			 "werror", "report", "rerror", "report", "logical_block_size",
			 sector_bytes(fd), "physical_block_size", block_bytes(fd));
}

/* *@ret_set: where QEMU has the disk's file. */
static int add_disk(const struct qemu_sink *s, const struct device *d, const struct place *at,
		    int *ret_set, struct err *e)
{
	char name[DEVICE_NAME_BYTES];
	struct stat st;
	auto_close int fd = open_disk(d, e);

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "inspect disk '%s'", d->id);
	(void) snprintf(name, sizeof name, DEVICE_NAME_FORMAT, d->id);

	auto_ptr(json_decref) json_t *front = disk_front_end(d, name, at, fd);
	int set = front ? lend_file(s, take_fd(&fd), e) : err_sys(e, ENOMEM, "describe a device");

	if (set < 0)
		return set;

	int r = put(s, &back_end, raw_file(name, &d->disk, set, S_ISBLK(st.st_mode)), e);

	if (r == 0) {
		r = put_device(s, "virtio-blk", take_ptr(front), e);
		if (r < 0 && s->qmp)
			(void) qmp_call(s->qmp, "blockdev-del",
					json_pack("{s:s}", "node-name", name), s->deadline, NULL,
					NULL);
	}
	if (r < 0 && s->qmp)
		(void) take_back_file(s->qmp, set, s->deadline, NULL);
	*ret_set = set;
	return r;
}

static int add_virtio_fs(const struct qemu_sink *s, const struct device *d, const struct place *at,
			 struct err *e)
{
	const struct device_virtio_fs *fs = &d->virtio_fs;
	int as = qemu_give_copy(s->command, fs->socket_fd, "virtiofsd", e);

	if (as < 0)
		return as;
	qemu_addf(s->command, "-chardev", "socket,id=" DEVICE_NAME_FORMAT ",fd=%d", d->id, as);
	return put_device(s, "vhost-user-fs",
			  json_pack("{s:s+,s:s,s:i,s:s*,s:s*}", "chardev", "kata-", d->id, "tag",
				    fs->tag, "queue-size",
				    fs->queue_size ? (int) fs->queue_size : FS_QUEUE_DEFAULT, "bus",
				    at->bus, "addr", at->bus ? at->slot : NULL),
			  e);
}

/* *@ret_as: QEMU's number for the folder. */
static int add_9p(const struct qemu_sink *s, const struct device *d, const struct place *at,
		  int *ret_as, struct err *e)
{
	const struct device_9p *p = &d->nine_p;
	int fd = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open shared folder '%s'", p->path);
	*ret_as = qemu_give_fd(s->command, fd);
	/* Without capabilities (rootless) QEMU cannot chown: it owns every file it makes. */
	qemu_addf(s->command, "-fsdev",
		  "local,id=" DEVICE_NAME_FORMAT
		  ",path=/proc/self/fd/%d,security_model=%s,multidevs=remap",
		  d->id, *ret_as, p->rootless ? "none" : "passthrough");
	return put_device(s, "virtio-9p",
			  json_pack("{s:s+,s:s,s:s*,s:s*}", "fsdev", "kata-", d->id, "mount_tag",
				    p->tag, "bus", at->bus, "addr", at->bus ? at->slot : NULL),
			  e);
}

static int add_vsock(const struct qemu_sink *s, const struct device *d, struct err *e)
{
	char number[16];
	int as = qemu_give_copy(s->command, d->vsock.vhost_fd, "vhost-vsock", e);

	if (as < 0)
		return as;
	(void) snprintf(number, sizeof number, "%d", as);
	return put_device(
		s, "vhost-vsock",
		json_pack("{s:s,s:I}", "vhostfd", number, "guest-cid", (json_int_t) d->vsock.cid),
		e);
}

static int add_port(const struct qemu_sink *s, const struct device *d, struct err *e)
{
	/* Port 0 is reserved for a console; each port costs two queues, used or not. */
	int r = put_device(s, "virtio-serial", json_pack("{s:i}", "max_ports", 2), e);

	if (r < 0)
		return r;
	qemu_addf(s->command, "-chardev", "socket,id=" DEVICE_NAME_FORMAT ",fd=%d", d->id,
		  QEMU_FD_AGENT);
	return put(s, &front_end,
		   json_pack("{s:s,s:s+,s:s}", "driver", "virtserialport", "chardev", "kata-",
			     d->id, "name", d->port.name),
		   e);
}

#define QUEUE_NAME_BYTES (DEVICE_NAME_BYTES + sizeof ".15")

/* Of a tap, as QEMU was given them. */
struct queues {
	char words[DEVICE_NIC_QUEUES_MAX * QUEUE_NAME_BYTES]; /* with colons between them */
	size_t bytes, n;
};

/* Gives QEMU @fd under @name, and adds its word for an option of a back end to @to. */
static int lend_queue(const struct qemu_sink *s, int fd, const char *name, struct queues *to,
		      struct err *e)
{
	char number[16];
	int r;

	if (s->command)
		r = qemu_give_copy(s->command, fd, "a tap", e);
	else
		r = qmp_call_fd(s->qmp, "getfd", json_pack("{s:s}", "fdname", name), fd,
				s->deadline, NULL, e);
	if (r < 0)
		return r;
	(void) snprintf(number, sizeof number, "%d", r);
	to->bytes += (size_t) snprintf(to->words + to->bytes, sizeof to->words - to->bytes, "%s%s",
				       to->n > 0 ? ":" : "", s->command ? number : name);
	assert(to->bytes < sizeof to->words);
	to->n++;
	return 0;
}

/* The first queue has the name of its device, because most have no other. */
static void name_queue(char to[QUEUE_NAME_BYTES], const char *device, size_t queue)
{
	if (queue == 0)
		(void) snprintf(to, QUEUE_NAME_BYTES, "%s", device);
	else
		(void) snprintf(to, QUEUE_NAME_BYTES, "%s.%zu", device, queue);
}

/* Those that QEMU was given by the monitor, and no back end has taken. */
static void take_back_queues(const struct qemu_sink *s, const char *device,
			     const struct queues *lent)
{
	char name[QUEUE_NAME_BYTES];

	for (size_t i = 0; s->qmp && i < lent->n; i++) {
		name_queue(name, device, i);
		(void) qmp_call(s->qmp, "closefd", json_pack("{s:s}", "fdname", name), s->deadline,
				NULL, NULL);
	}
}

static int add_tap(const struct qemu_sink *s, const struct device_nic *nic, const char *device,
		   struct err *e)
{
	char name[QUEUE_NAME_BYTES];
	struct queues lent = {0};
	int r = 0;

	assert(nic->n_queues >= 1 && nic->n_queues <= DEVICE_NIC_QUEUES_MAX);
	for (size_t i = 0; r == 0 && i < nic->n_queues; i++) {
		name_queue(name, device, i);
		r = lend_queue(s, nic->tap_fds[i], name, &lent, e);
	}
	/* vhost-net would be another descriptor with which QEMU reaches the host's kernel. */
	if (r == 0)
		r = put(s, &net_back_end,
			json_pack("{s:s,s:s,s:s,s:b}", "type", "tap", "id", device,
				  nic->n_queues > 1 ? "fds" : "fd", lent.words, "vhost", false),
			e);
	if (r < 0)
		take_back_queues(s, device, &lent);
	return r;
}

/* QEMU gives a card on PCI as many interrupts as it needs. */
static json_t *net_card(const struct device_nic *nic, const char *name, const struct place *at)
{
	const uint8_t *m = nic->mac;
	char mac[18];

	(void) snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			m[4], m[5]);
	/* A card on PCI has a program to boot from the network. */
	return json_pack("{s:s,s:s,s:s,s:s*,s:s*,s:s*,s:o*}", "id", name, "netdev", name, "mac",
			 mac, "romfile", at->bus ? "" : NULL, "bus", at->bus, "addr",
			 at->bus ? at->slot : NULL, "mq", nic->n_queues > 1 ? json_true() : NULL);
}

static int add_nic(const struct qemu_sink *s, const struct device *d, const struct place *at,
		   struct err *e)
{
	char name[DEVICE_NAME_BYTES];

	(void) snprintf(name, sizeof name, DEVICE_NAME_FORMAT, d->id);

	int r = add_tap(s, &d->nic, name, e);

	if (r < 0)
		return r;
	r = put_device(s, "virtio-net", net_card(&d->nic, name, at), e);
	if (r < 0 && s->qmp)
		(void) qmp_call(s->qmp, "netdev_del", json_pack("{s:s}", "id", name), s->deadline,
				NULL, NULL);
	return r;
}

int qemu_add_entropy(struct qemu_command *c, const struct qemu_machine *machine, bool on_plug_bus,
		     int take_fd, struct err *e)
{
	const struct qemu_sink s = {.machine = machine, .command = c};

	qemu_addf(c, "-object", "rng-random,id=entropy,filename=/dev/fdset/%d",
		  qemu_give_fdset(c, take_fd));
	return put_device(&s, "virtio-rng",
			  json_pack("{s:s,s:s*,s:s*}", "rng", "entropy", "bus",
				    on_plug_bus ? PLUG_BUS : NULL, "addr",
				    on_plug_bus ? "1" : NULL),
			  e);
}

int qemu_add_reclaim(struct qemu_command *c, const struct qemu_machine *machine, struct err *e)
{
	const struct qemu_sink s = {.machine = machine, .command = c};

	return put_device(&s, "virtio-balloon", json_pack("{s:b}", "free-page-reporting", true), e);
}

int qemu_add_channel(struct qemu_command *c, const struct qemu_machine *machine,
		     const struct device *channel, struct err *e)
{
	const struct qemu_sink s = {.machine = machine, .command = c};

	return channel->kind == DEVICE_PORT ? add_port(&s, channel, e) : add_vsock(&s, channel, e);
}

void qemu_add_plug_bus(struct qemu_command *c)
{
	qemu_addf(c, "-device",
		  "{\"driver\":\"pci-bridge\",\"id\":\"" PLUG_BUS "\",\"addr\":\"%x\","
		  "\"chassis_nr\":1,\"shpc\":false}",
		  PLUG_BUS_SLOT);
}

/* ---- the table, and the methods of struct hv_ops ---- */

static struct qemu_device *find_device(struct qemu_devices *all, const char *id)
{
	for (size_t i = 0; i < HV_DEVICES_MAX; i++)
		if (strcmp(all->table[i].id, id) == 0)
			return &all->table[i];
	return NULL;
}

/* The place of the disk or interface that is @i in the table. */
static struct place place_of(const struct qemu *q, size_t i, const struct device *d,
			     struct device_address *ret)
{
	struct place at = {.bus = q->machine->root_bus};
	size_t slot = ROOT_FIRST_SLOT + i;

	if (!at.bus) {
		ret->kind = d->kind == DEVICE_NIC ? DEVICE_AT_NAME : DEVICE_AT_SERIAL;
		(void) snprintf(ret->text, sizeof ret->text, "%s",
				d->kind == DEVICE_NIC ? "" : d->id);
		return at;
	}
	ret->kind = DEVICE_AT_PCI;
	if (q->devices.has_plug_bus) {
		at.bus = PLUG_BUS;
		slot = PLUG_FIRST_SLOT + (i + (q->saved.loads ? PLUG_SHIFT : 0)) % HV_DEVICES_MAX;
		(void) snprintf(ret->text, sizeof ret->text, "%02x/%02zx", PLUG_BUS_SLOT, slot);
	} else {
		(void) snprintf(ret->text, sizeof ret->text, "%02zx", slot);
	}
	(void) snprintf(at.slot, sizeof at.slot, "%zx", slot & 0x1f);
	return at;
}

/* A share needs no place, and the guest finds it by its tag; but one that comes after the start has
 * to go where it can be plugged in. */
static struct place place_of_share(const struct qemu *q, const struct qemu_sink *s, size_t i,
				   const struct device *d, const char *tag,
				   struct device_address *ret)
{
	if (s->plugs)
		return place_of(q, i, d, ret);
	ret->kind = DEVICE_AT_NAME;
	(void) snprintf(ret->text, sizeof ret->text, "%s", tag);
	return (struct place){0};
}

static int build(struct qemu *q, const struct qemu_sink *s, const struct device *d,
		 struct qemu_device *entry, struct device_address *ret, struct err *e)
{
	struct qemu_devices *all = &q->devices;
	size_t i = (size_t) (entry - all->table);
	struct place at;

	switch (d->kind) {
	case DEVICE_DISK:
	case DEVICE_NIC:
		if (!all->has_plug_bus && i > ROOT_LAST_SLOT - ROOT_FIRST_SLOT)
			return err_say(e, E2BIG, "the machine's bus is full");
		at = place_of(q, i, d, ret);
		return d->kind == DEVICE_NIC ? add_nic(s, d, &at, e)
					     : add_disk(s, d, &at, &entry->fdset, e);
	case DEVICE_VIRTIO_FS:
		all->share_memory = true;
		at = place_of_share(q, s, i, d, d->virtio_fs.tag, ret);
		return add_virtio_fs(s, d, &at, e);
	case DEVICE_9P:
		all->serves_others = !d->nine_p.rootless;
		at = place_of_share(q, s, i, d, d->nine_p.tag, ret);
		return add_9p(s, d, &at, &all->served_fd, e);
	default: /* hv_attach() asks struct hv_ops */
		return -EOPNOTSUPP;
	}
}

/* Whether devices come and go while the machine runs. */
static int check_hotplug(const struct qemu *q, struct err *e)
{
	if (!q->machine->can_plug)
		return err_say(e, EOPNOTSUPP,
			       "a machine of type '%s' keeps the devices that it "
			       "started with",
			       q->machine->name);
	if (!q->devices.has_plug_bus)
		return err_say(e, EOPNOTSUPP,
			       "the machine has no bus for devices that come while it runs");
	return 0;
}

int qemu_attach(struct hv *hv, const struct device *d, msec_t deadline, struct device_address *ret,
		struct err *e)
{
	struct qemu *q = qemu_of(hv);
	bool runs = hv->state == HV_RUNNING;
	const struct qemu_sink s = {
		.machine = q->machine,
		.command = runs ? NULL : &q->command,
		.qmp = runs ? q->qmp : NULL,
		.deadline = deadline,
		.plugs = runs ? NULL : q->saved.plugs,
	};
	struct qemu_device *entry = find_device(&q->devices, "");
	int r = runs ? check_hotplug(q, e) : 0;

	if (r < 0)
		return r;
	if (!runs && q->is_complete)
		return err_say(e, EBUSY, "its start was tried already");
	if (find_device(&q->devices, d->id))
		return err_say(e, EEXIST, "the machine has a device of this name");
	if (!entry)
		return err_say(e, E2BIG, "the machine has %d devices already", HV_DEVICES_MAX);
	r = build(q, &s, d, entry, ret, e);
	if (r < 0)
		return r;
	entry->kind = d->kind;
	(void) snprintf(entry->id, sizeof entry->id, "%s", d->id);
	return 0;
}

int qemu_detach(struct hv *hv, const char *id, msec_t deadline, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	struct qemu_device *entry = find_device(&q->devices, id);
	char name[DEVICE_NAME_BYTES];
	int r = check_hotplug(q, e);

	if (r < 0)
		return r;
	if (!entry || !*id)
		return err_say(e, ENOENT, "the machine has no device of this name");
	if (entry->kind != DEVICE_DISK && entry->kind != DEVICE_NIC)
		return err_say(e, EOPNOTSUPP, "a %s stays", device_kind_name(entry->kind));
	(void) snprintf(name, sizeof name, DEVICE_NAME_FORMAT, id);
	r = qmp_call_until(q->qmp, "device_del", json_pack("{s:s}", "id", name), "DEVICE_DELETED",
			   name, deadline, e);
	if (r == 0 && entry->kind == DEVICE_NIC)
		r = qmp_call(q->qmp, "netdev_del", json_pack("{s:s}", "id", name), deadline, NULL,
			     e);
	else if (r == 0)
		r = take_back_disk(q->qmp, name, entry->fdset, deadline, e);
	if (r == 0)
		entry->id[0] = '\0';
	return r;
}

/* A file has this size already, and a device cannot be given one: QEMU looks at it and tells the
 * guest. */
int qemu_resize_disk(struct hv *hv, const char *id, uint64_t bytes, msec_t deadline, struct err *e)
{
	struct qemu *q = qemu_of(hv);
	const struct qemu_device *entry = find_device(&q->devices, id);
	char name[DEVICE_NAME_BYTES];

	if (!entry || !*id || entry->kind != DEVICE_DISK)
		return err_say(e, ENOENT, "the machine has no disk of this name");
	(void) snprintf(name, sizeof name, DEVICE_NAME_FORMAT, id);
	return qmp_call(q->qmp, "block_resize",
			json_pack("{s:s,s:I}", "node-name", name, "size", (json_int_t) bytes),
			deadline, NULL, e);
}
