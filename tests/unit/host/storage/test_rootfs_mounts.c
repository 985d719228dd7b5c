#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "host/storage/rootfs_mounts.h"

static char folder[] = "/tmp/kata-test-rootfs-XXXXXX";
static char *target;

/* A mount namespace with a tmpfs at @folder, because an overlay cannot lie on another overlay. */
static void begin(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		_exit(TEST_SKIP);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK(mkdtemp(folder));
	CHECK_EQ(mount("tmpfs", folder, "tmpfs", 0, NULL), 0);
	target = str_printf("%s/target", folder);
	CHECK_EQ(mkdir(target, 0755), 0);
}

static void end(void)
{
	free(target);
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
}

/* The folder FOLDER/NAME with a file of that name in it. Freed by the caller. */
static char *layer(const char *name)
{
	char *path = str_printf("%s/%s", folder, name);
	auto_free char *file = str_printf("%s/%s", path, name);

	CHECK_EQ(mkdir(path, 0755), 0);
	fd_close(open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	return path;
}

static bool target_has(const char *name)
{
	auto_free char *path = str_printf("%s/%s", target, name);

	return access(path, F_OK) == 0;
}

static bool target_is_writable(void)
{
	auto_free char *path = str_printf("%s/new", target);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	fd_close(fd);
	return fd >= 0;
}

/* One mount of @type with @n @options. */
static int make(const char *type, const char *source, char **options, size_t n, struct err *e)
{
	Grpc__Mount m = GRPC__MOUNT__INIT, *list[] = {&m};

	m.type = (char *) type;
	m.source = (char *) source;
	m.options = options;
	m.n_options = n;
	return rootfs_mounts_make(list, 1, target, e);
}

TEST(a_bind_mount_shows_a_folder_and_can_be_read_only)
{
	begin();

	auto_free char *source = layer("source");
	char *rw[] = {(char *) "rbind", (char *) "rw"}, *ro[] = {(char *) "rbind", (char *) "ro"};

	CHECK_EQ(make("bind", source, rw, 2, NULL), 0);
	CHECK(target_has("source"));
	CHECK(target_is_writable());
	rootfs_mounts_remove(1, target);
	CHECK(!target_has("source"));
	CHECK_EQ(make("bind", source, ro, 2, NULL), 0);
	CHECK(!target_is_writable());
	rootfs_mounts_remove(1, target);
	end();
}

/* "lowerdir=" with folders whose names have @digits, until it is longer than @bytes. Freed by the
 * caller. */
static char *make_layers(int digits, size_t bytes, size_t *ret_n)
{
	char *lower = strdup("lowerdir=");

	for (*ret_n = 0; strlen(lower) < bytes; ++*ret_n) {
		auto_free char *name = str_printf("%0*zu", digits, *ret_n);
		auto_free char *path = layer(name);
		char *more = str_printf("%s%s%s", lower, *ret_n > 0 ? ":" : "", path);

		free(lower);
		lower = more;
	}
	return lower;
}

/* Mounts an overlay of @lower with an upper folder. */
static int make_overlay(char *lower, struct err *e)
{
	auto_free char *upper = layer("upper"), *work = layer("work");
	auto_free char *upperdir = str_printf("upperdir=%s", upper);
	auto_free char *workdir = str_printf("workdir=%s", work);
	char *options[] = {lower, upperdir, workdir};

	return make("overlay", "overlay", options, 3, e);
}

TEST(layers_that_fill_more_than_a_page_are_mounted_and_the_working_folder_stays)
{
	char before[256], now[256];
	size_t n;

	begin();
	CHECK_EQ(chdir("/usr"), 0);
	CHECK(getcwd(before, sizeof before));

	auto_free char *lower = make_layers(30, 6000, &n);

	CHECK_EQ(make_overlay(lower, NULL), 0);
	CHECK(target_has("upper"));
	for (size_t i = 0; i < n; i++) {
		auto_free char *name = str_printf("%030zu", i);

		CHECK(target_has(name));
	}
	CHECK(target_is_writable());
	CHECK(getcwd(now, sizeof now));
	CHECK_STR(now, before);
	rootfs_mounts_remove(1, target);
	end();
}

TEST(options_that_the_kernel_would_cut_are_refused)
{
	struct err e = {0};
	size_t n;

	begin();

	auto_free char *lower = make_layers(60, 12000, &n);

	CHECK_EQ(make_overlay(lower, &e), -E2BIG);
	CHECK(strstr(e.text, "the overlay has too many layers"));
	CHECK(!target_has("upper"));
	end();
}

TEST(what_cannot_be_made_leaves_nothing_mounted)
{
	begin();

	auto_free char *source = layer("source");
	char *bind[] = {(char *) "bind"};
	Grpc__Mount first = GRPC__MOUNT__INIT, second = GRPC__MOUNT__INIT;
	Grpc__Mount *list[] = {&first, &second};
	struct err e = {0};

	first.type = (char *) "bind";
	first.source = source;
	first.options = bind;
	first.n_options = 1;
	second.type = (char *) "ext4";
	second.source = (char *) "/dev/none";
	CHECK_EQ(rootfs_mounts_make(list, 2, target, &e), -ENOTSUP);
	CHECK(strstr(e.text, "mount 1 of the root: type 'ext4' is not supported: "));
	CHECK(!target_has("source"));
	second.type = (char *) "overlay";
	CHECK_EQ(rootfs_mounts_make(list, 2, target, NULL), -EINVAL);
	second.destination = (char *) "/below";
	CHECK_EQ(rootfs_mounts_make(list, 2, target, NULL), -ENOTSUP);
	CHECK(!target_has("source"));
	end();
}

#define UID_MAP (char *) "uidmap=0:100000:65536,65536:300000:10"
#define GID_MAP (char *) "gidmap=0:200000:65536"

/* "uid:gid" of a file of the root. */
static char *owner_of(const char *name)
{
	auto_free char *path = str_printf("%s/%s", target, name);
	struct stat st;

	return lstat(path, &st) < 0 ? NULL : str_printf("%u:%u", st.st_uid, st.st_gid);
}

static void give(const char *layer_path, const char *name, uid_t uid, gid_t gid)
{
	auto_free char *path = str_printf("%s/%s", layer_path, name);

	CHECK_EQ(chown(path, uid, gid), 0);
}

TEST(the_owners_of_layers_are_mapped_and_those_of_what_is_written_are_not)
{
	begin();

	auto_free char *one = layer("one"), *two = layer("two"), *upper = layer("upper");
	auto_free char *work = layer("work");
	auto_free char *folders = str_printf("lowerdir=%s:%s", two, one);
	auto_free char *upperdir = str_printf("upperdir=%s", upper);
	auto_free char *workdir = str_printf("workdir=%s", work);
	char *options[] = {folders, UID_MAP, upperdir, GID_MAP, workdir};

	give(two, "two", 65537, 7);
	give(upper, "upper", 100000, 200000);
	CHECK_EQ(make("overlay", NULL, options, ARRAY_LEN(options), NULL), 0);

	auto_free char *of_one = owner_of("one"), *of_two = owner_of("two");
	auto_free char *of_upper = owner_of("upper");

	CHECK_STR(of_one, "100000:200000");
	CHECK_STR(of_two, "300001:200007");
	CHECK_STR(of_upper, "100000:200000");
	CHECK(target_is_writable());
	/* One mount for one of the list; nothing is below it. */
	rootfs_mounts_remove(1, target);
	CHECK(!target_has("one"));
	end();
}

TEST(a_root_of_one_folder_has_other_owners_and_can_be_read_only)
{
	begin();

	auto_free char *source = layer("source");
	char *options[] = {(char *) "rbind", (char *) "ro", UID_MAP, GID_MAP};

	CHECK_EQ(make("bind", source, options, ARRAY_LEN(options), NULL), 0);

	auto_free char *owner = owner_of("source");

	CHECK_STR(owner, "100000:200000");
	CHECK(!target_is_writable());
	end();
}

TEST(mappings_that_are_none_leave_nothing_mounted)
{
	static const char *const bad[] = {
		"uidmap=",      "uidmap=0:1",        "uidmap=0:100000:65536,",
		"uidmap=a:b:c", "uidmap=0:100000:0", "uidmap=0:0:10,5:20:10"};

	begin();

	auto_free char *source = layer("source");
	char *alone[] = {(char *) "bind", UID_MAP};

	CHECK_EQ(make("bind", source, alone, ARRAY_LEN(alone), NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char *options[] = {(char *) "bind", (char *) bad[i], GID_MAP};
		struct err e = {0};
		int r = make("bind", source, options, ARRAY_LEN(options), &e);

		CHECK_EQ(r, -EINVAL);
		CHECK(strstr(e.text, "uidmap"));
		CHECK(!target_has("source"));
	}
	end();
}
