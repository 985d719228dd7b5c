#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "host/storage/volumes.h"

/* Roots of a container "c1" whose disks are files in a folder, lent to a machine that only
 * counts. */
static char folder[32];
static struct list volumes;
static struct {
	int lent, writable, taken_back;
} machine;

static int lend(void *arg, const struct disk_wanted *wanted, struct disk **ret, struct err *e)
{
	(void) e;
	machine.lent++;
	machine.writable += !wanted->readonly;
	CHECK(!wanted->is_shared);
	CHECK_EQ(fcntl(wanted->swallow_fd, F_GETFL) & O_ACCMODE,
		 wanted->readonly ? O_RDONLY : O_RDWR);
	fd_close(wanted->swallow_fd);
	*ret = arg;
	return 0;
}

static void take_back(void *arg, struct disk *disk)
{
	CHECK(arg == disk);
	machine.taken_back++;
}

static const struct volume_disks disks = {.lend = lend, .take_back = take_back, .arg = &machine};
static const struct volume_owner owner = {
	.container_id = "c1", .bundle = folder, .disks = &disks, .volumes = &volumes};

static void make_file(const char *name)
{
	auto_free char *path = str_printf("%s/%s", folder, name);

	fd_close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static void up(void)
{
	strcpy(folder, "/tmp/test-root-disks-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	make_file("base");
	make_file("top");
	make_file("rw");
	list_init(&volumes);
}

static void down(void)
{
	CHECK_EQ(volumes_release(&volumes, NULL, &disks, NULL), 0);
	CHECK_EQ(machine.taken_back, machine.lent);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

#define MOUNTS_MAX 6

/* A root: each mount is "TYPE|FILE|OPTION|OPTION...". */
struct root {
	Grpc__Mount mounts[MOUNTS_MAX], *list[MOUNTS_MAX];
	char *options[MOUNTS_MAX][8], *text[MOUNTS_MAX], *sources[MOUNTS_MAX];
	size_t n;
	Grpc__Root spec;
};

static void root_add(struct root *r, const char *text)
{
	Grpc__Mount *m = &r->mounts[r->n];
	char *rest = r->text[r->n] = strdup(text);

	grpc__mount__init(m);
	m->type = strsep(&rest, "|");
	m->source = strsep(&rest, "|");
	if (m->source[0] != '/' && m->source[0] != '{')
		m->source = r->sources[r->n] = str_printf("%s/%s", folder, m->source);
	m->options = r->options[r->n];
	while (rest)
		m->options[m->n_options++] = strsep(&rest, "|");
	r->list[r->n++] = m;
}

static int root_make(struct root *r, struct err *e)
{
	grpc__root__init(&r->spec);
	r->spec.path = strdup("rootfs");
	return volume_root_add_disks(&owner, r->list, r->n, &r->spec, e);
}

static void root_fini(struct root *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->text[i]);
		free(r->sources[i]);
	}
	free(r->spec.path);
}

static const struct volume *nth(size_t n)
{
	list_for_each (pos, &volumes)
		if (n-- == 0)
			return container_of(pos, struct volume, link);
	return NULL;
}

TEST(a_disk_is_the_root)
{
	struct root r = {0};

	up();
	root_add(&r, "ext4|rw|rw|loop|discard");
	CHECK(volume_root_is_guests(r.list, 1));
	CHECK_EQ(root_make(&r, NULL), 0);
	CHECK_STR(r.spec.path, "/run/kata-containers/c1/root/0");
	CHECK_STR(nth(0)->storage->mount_point, r.spec.path);
	CHECK_STR(nth(0)->storage->fstype, "ext4");
	/* What is about the host's loop device is not for the guest. */
	CHECK_EQ(nth(0)->storage->n_options, 1);
	CHECK_STR(nth(0)->storage->options[0], "discard");
	CHECK_EQ(machine.writable, 1);
	root_fini(&r);
	down();
}

TEST(layers_are_joined_in_the_guest)
{
	struct root r = {0};

	up();
	root_add(&r, "erofs|base|loop");
	root_add(&r, "erofs|top|ro|loop");
	root_add(&r, "ext4|rw|rw|loop");
	root_add(&r, "format/mkdir/overlay|/overlay|X-containerd.mkdir.path={{ mount 2 }}/u:0755|"
		     "upperdir={{ mount 2 }}/u|workdir={{ mount 2 }}/w|lowerdir={{ overlay 1 0 }}");
	CHECK_EQ(root_make(&r, NULL), 0);
	CHECK_STR(r.spec.path, "/run/kata-containers/c1/root/3");
	CHECK_EQ(machine.lent, 3);
	CHECK_EQ(machine.writable, 1);
	/* EROFS is read-only also when nobody says so. */
	CHECK_STR(nth(0)->storage->options[0], "ro");

	const Grpc__Storage *s = nth(3)->storage;

	CHECK(!nth(3)->disk);
	CHECK_STR(s->driver, "overlayfs");
	CHECK_STR(s->mount_point, r.spec.path);
	CHECK_EQ(s->n_options, 3);
	CHECK_STR(s->options[0], "upperdir=/run/kata-containers/c1/root/2/u");
	CHECK_STR(s->options[2],
		  "lowerdir=/run/kata-containers/c1/root/1:/run/kata-containers/c1/root/0");
	CHECK_EQ(s->n_driver_options, 1);
	CHECK_STR(s->driver_options[0], "io.katacontainers.volume.overlayfs.create_directory="
					"/run/kata-containers/c1/root/2/u");
	root_fini(&r);
	down();
}

TEST(a_bind_mount_of_a_layer_is_that_layer)
{
	struct root r = {0};

	up();
	root_add(&r, "erofs|base|ro");
	root_add(&r, "format/bind|{{ mount 0 }}|ro|rbind");
	CHECK_EQ(root_make(&r, NULL), 0);
	CHECK_STR(r.spec.path, "/run/kata-containers/c1/root/0");
	root_fini(&r);
	down();
}

TEST(overlay_and_bind_mounts_alone_are_the_hosts)
{
	struct root r = {0};

	up();
	root_add(&r, "overlay|overlay|lowerdir=/a|upperdir=/b|workdir=/c");
	root_add(&r, "bind|/x|rbind");
	CHECK(!volume_root_is_guests(r.list, r.n));
	root_fini(&r);
	down();
}

/* @mounts, and one that is refused. */
static void is_refused(const char *first, const char *second, const char *sentence)
{
	struct root r = {0};
	struct err e = {0};

	up();
	root_add(&r, first);
	if (second)
		root_add(&r, second);
	CHECK(root_make(&r, &e) < 0);
	if (!strstr(e.text, sentence))
		CHECK_STR(e.text, sentence);
	CHECK_STR(r.spec.path, "rootfs");
	root_fini(&r);
	down();
}

TEST(what_the_guest_cannot_make_is_refused_by_type_and_option)
{
	is_refused("erofs|base|ro", "format/overlay|/o|upperdir=/host|lowerdir={{ mount 0 }}",
		   "mount 1 of the root, type 'format/overlay': '/host' of 'upperdir' is a folder "
		   "of the host");
	is_refused("erofs|base|ro", "overlay|/o|lowerdir={{ mount 0 }}", "is a folder of the host");
	is_refused(
		"erofs|base|ro",
		"format/mkdir/overlay|/o|X-containerd.mkdir.path=/etc/x:0755|lowerdir={{ mount 0 }}",
		"folder '/etc/x:0755' is one of the host");
	is_refused("erofs|base|ro",
		   "format/mkdir/overlay|/o|X-containerd.mkdir.path={{ mount 0 }}/u:0700",
		   "no mode but 0755");
	is_refused("erofs|base|ro", "format/overlay|/o|uidmap=0:1:1", "option 'uidmap=0:1:1'");
	is_refused("erofs|base|ro", "format/bind|/etc|rbind",
		   "a bind mount of '/etc', which is none of the disks");
	is_refused("erofs|base|ro", "format/nfs|/x", "type 'format/nfs': the guest does not mount");
	is_refused("erofs|base|ro|device=/x", NULL, "EROFS of several devices");
	is_refused("erofs|base|X-containerd.dmverity=/x", NULL,
		   "option 'X-containerd.dmverity=/x'");
	is_refused("ext4|/proc/version|ro", NULL, "is a file of the kernel and no image");
	is_refused("ext4|/dev/null|ro", NULL, "neither a block device nor an image file");
	is_refused("ext4|missing|ro", NULL, "type 'ext4': open '");
	is_refused("mkfs/xfs|new|X-containerd.mkfs.size=1048576", NULL,
		   "an image with 'xfs' is not made");
	is_refused("mkfs/ext4|new|X-containerd.mkfs.size=1x", NULL, "is no size in bytes");
	is_refused("mkfs/ext4|new|rw", NULL, "option 'X-containerd.mkfs.size=' is missing");
}

TEST(an_image_that_another_container_writes_is_refused)
{
	auto_close int other = -1;
	auto_free char *path = NULL;
	struct root r = {0};
	struct err e = {0};

	up();
	path = str_printf("%s/rw", folder);
	other = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(flock(other, LOCK_SH), 0);
	root_add(&r, "ext4|rw|rw");
	CHECK_EQ(root_make(&r, &e), -EBUSY);
	CHECK(strstr(e.text, "is used by another machine or container"));
	/* Two readers do not harm each other. */
	r.n = 0;
	free(r.text[0]);
	free(r.sources[0]);
	free(r.spec.path);
	root_add(&r, "ext4|rw|ro");
	CHECK_EQ(root_make(&r, NULL), 0);
	root_fini(&r);
	down();
}

TEST(an_image_is_made_once)
{
	struct root r = {0};
	struct stat made, later;
	auto_free char *path = NULL;

	if (system("command -v mkfs.ext4 >/dev/null") != 0)
		exit(TEST_SKIP);
	up();
	path = str_printf("%s/new", folder);
	root_add(&r, "mkfs/ext4|new|X-containerd.mkfs.fs=ext4|X-containerd.mkfs.size=8388608|rw");
	CHECK_EQ(root_make(&r, NULL), 0);
	CHECK_EQ(stat(path, &made), 0);
	CHECK_EQ(made.st_size, 8388608);
	CHECK(made.st_blocks > 0);
	CHECK_EQ(made.st_mode & 0777, 0600);
	free(r.spec.path);
	CHECK_EQ(root_make(&r, NULL), 0);
	CHECK_EQ(stat(path, &later), 0);
	CHECK_EQ(later.st_ino, made.st_ino);
	CHECK_EQ(later.st_mtim.tv_nsec, made.st_mtim.tv_nsec);
	root_fini(&r);
	down();
}
