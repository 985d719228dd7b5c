#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/file.h"
#include "host/storage/volumes.h"

/* A share, and mounts of a container "c1" whose bundle is the folder. */
static char folder[32];
static struct share *share;
static struct list volumes;
static Grpc__Linux linux_part = GRPC__LINUX__INIT;
static struct volume_owner owner = {
	.container_id = "c1",
	.bundle = folder,
	.linux = &linux_part,
	.volumes = &volumes,
};

static void up(void)
{
	int host_ns;

	if (geteuid() != 0 || share_namespace_enter(&host_ns, NULL) < 0)
		exit(TEST_SKIP);
	fd_close(host_ns);
	strcpy(folder, "/tmp/test-volumes-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, "size=1m"), 0);

	auto_free char *base = str_printf("%s/share", folder);

	CHECK_EQ(share_open(base, "s", &share, NULL), 0);
	owner.share = share;
	list_init(&volumes);
}

static void down(void)
{
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	CHECK_EQ(share_close(share, NULL), 0);
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
}

static void make_dir(const char *name)
{
	auto_free char *path = str_printf("%s/%s", folder, name);

	CHECK_EQ(mkdir(path, 0755), 0);
}

/* Freed with grpc__mount__free_unpacked(). */
static Grpc__Mount *new_mount(const char *destination, const char *type, const char *source)
{
	Grpc__Mount *m = calloc(1, sizeof *m);

	grpc__mount__init(m);
	m->destination = strdup(destination);
	m->type = strdup(type);
	m->source = strdup(source);
	return m;
}

static const struct volume *last(void)
{
	CHECK(!list_empty(&volumes));
	return container_of(volumes.prev, struct volume, link);
}

/* Adds a mount; the last volume is its. Checks what became of the mount: @want_source is the
 * beginning of its source. */
static void becomes(const char *destination, const char *type, const char *source,
		    const char *want_type, const char *want_source)
{
	Grpc__Mount *m = new_mount(destination, type, source);

	CHECK_EQ(volumes_add(&owner, m, NULL), 0);
	CHECK_STR(m->type, want_type);
	CHECK_EQ(strncmp(m->source, want_source, strlen(want_source)), 0);
	CHECK_EQ(!last()->guest_path, strncmp(want_source, "/run/", 5) != 0);
	if (last()->guest_path)
		CHECK_STR(last()->guest_path, m->source);
	grpc__mount__free_unpacked(m, NULL);
}

static bool is_shown(const char *guest_path)
{
	auto_free char *path = str_printf("%s/%s", share_export_path(share),
					  guest_path + strlen(SHARE_GUEST_PATH "/"));

	return access(path, F_OK) == 0;
}

TEST(a_mount_is_the_volume_of_the_first_line_that_matches)
{
	up();
	make_dir("data");
	/* A folder of a tmpfs, a kernel file, and a file system of the guest are bind mounts and
	 * tmpfs of some kind, and each also matches a later line. */
	becomes("/dev/shm", "bind", "data", "tmpfs", "shm");
	becomes("/shm", "bind", "data", "bind", SHARE_GUEST_PATH "/c1-");
	becomes("/dev/shm", "bind", "/proc/sys", "bind", "/proc/sys");
	becomes("/dev/shm", "tmpfs", "data", "tmpfs", "data");
	becomes("/null", "bind", "/dev/null", "bind", "/dev/null");
	CHECK(last()->is_file);
	down();
}

static void is_refused(const char *type, const char *source, const char *sentence)
{
	Grpc__Mount *m = new_mount("/d", type, source);
	struct err e = {0};

	CHECK_EQ(volumes_add(&owner, m, &e), -ENOTSUP);
	CHECK_STR(e.text, sentence);
	CHECK_STR(m->source, source);
	CHECK(list_empty(&volumes));
	grpc__mount__free_unpacked(m, NULL);
}

TEST(a_mount_that_no_line_can_make_is_refused_and_holds_nothing)
{
	up();
	is_refused("nfs", "server:/x", "type 'nfs' is not supported yet");
	down();
}

TEST(volumes_are_released_in_reverse_order_and_all_of_them)
{
	const char *paths[3];
	struct err e = {0};
	size_t n = 0;

	up();
	make_dir("a");
	make_dir("b");
	make_dir("c");
	becomes("/a", "bind", "a", "bind", SHARE_GUEST_PATH "/");
	becomes("/proc", "proc", "proc", "proc", "proc");
	becomes("/b", "bind", "b", "bind", SHARE_GUEST_PATH "/");
	becomes("/c", "bind", "c", "bind", SHARE_GUEST_PATH "/");
	list_for_each (pos, &volumes) {
		const struct volume *v = container_of(pos, struct volume, link);

		if (v->guest_path)
			paths[n++] = strdup(v->guest_path);
	}
	CHECK_EQ(n, 3);
	/* Two of three fail: the sentence is that of the later one, which is released first. */
	CHECK_EQ(share_remove(share, paths[0], NULL), 0);
	CHECK_EQ(share_remove(share, paths[2], NULL), 0);
	CHECK(is_shown(paths[1]));
	CHECK_EQ(volumes_release(&volumes, share, NULL, &e), -ENOENT);
	CHECK(strstr(e.text, paths[2]));
	CHECK(!is_shown(paths[1]));
	CHECK(list_empty(&volumes));
	for (size_t i = 0; i < n; i++)
		free((char *) paths[i]);
	down();
}

TEST(volumes_go_with_a_share_that_is_closed)
{
	up();
	make_dir("a");
	becomes("/a", "bind", "a", "bind", SHARE_GUEST_PATH "/");
	CHECK_EQ(share_close(share, NULL), 0);
	CHECK_EQ(volumes_release(&volumes, NULL, NULL, NULL), 0);
	CHECK(list_empty(&volumes));
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TEST(the_root_is_a_volume)
{
	Grpc__Root root = GRPC__ROOT__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	struct err e = {0};

	up();
	make_dir("rootfs");
	root.path = strdup("rootfs");
	spec.root = &root;

	auto_close int fd = volume_root_open(&owner, &root, NULL);

	CHECK_EQ(volume_root_add(&owner, fd, &spec, NULL), 0);
	CHECK_STR(root.path, SHARE_GUEST_PATH "/c1/rootfs");
	CHECK_STR(last()->guest_path, root.path);
	CHECK(is_shown(root.path));
	/* A second one would have the same name. */
	CHECK_EQ(volume_root_add(&owner, fd, &spec, &e), -EEXIST);
	CHECK(strstr(e.text, "root.path '" SHARE_GUEST_PATH "/c1/rootfs'") == e.text);
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	CHECK(!is_shown(root.path));
	free(root.path);
	fd = fd_close(fd);
	down();
}
