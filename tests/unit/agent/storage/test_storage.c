#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "agent/device/device.h"
#include "agent/storage/storage.h"
#include "base/array.h"
#include "base/file.h"
#include "base/log.h"

#define TMPFS 0x01021994

struct fake {
	struct loop *loop;
	struct reaper *reaper;
	struct devices *devices;
	struct storages *storages;
	struct storage_hold *hold, *shared;
	struct storage_job *job;
	char run[64];
	int r;
	struct err e;
};

static void fake_open(struct fake *f)
{
	*f = (struct fake){.r = 1};
	if (unshare(CLONE_NEWNS) < 0)
		_exit(TEST_SKIP); /* needs root */
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	strcpy(f->run, "/tmp/test-agent-storage-XXXXXX");
	CHECK(mkdtemp(f->run));

	struct storages_config config = {.run_dir = f->run, .device_timeout_ms = 20};

	log_open(-1, LOG_TEXT, LOG_INFO);
	CHECK_EQ(loop_new(&f->loop, NULL), 0);
	CHECK_EQ(reaper_new(f->loop, &f->reaper, NULL), 0);
	CHECK_EQ(devices_new(f->loop, &DEVICE_PLACES, &f->devices, NULL), 0);
	config.loop = f->loop;
	config.reaper = f->reaper;
	config.devices = f->devices;
	CHECK_EQ(storages_new(&config, &f->storages, NULL), 0);
	CHECK_EQ(storage_hold_new(f->storages, &f->hold, NULL), 0);
	CHECK_EQ(storage_hold_new(f->storages, &f->shared, NULL), 0);
}

static void fake_close(struct fake *f)
{
	CHECK(!f->job);
	storage_hold_free(f->hold);
	storage_hold_free(f->shared);
	storages_free(f->storages);
	devices_free(f->devices);
	reaper_free(f->reaper);
	loop_free(f->loop);
	CHECK_EQ(dir_remove(AT_FDCWD, f->run, NULL), 0);
}

static char *place(struct fake *f, const char *name)
{
	return str_printf("%s/%s", f->run, name);
}

static Grpc__Storage storage(struct fake *f, const char *driver, const char *source,
			     const char *fstype, const char *name)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;

	s.driver = (char *) driver;
	s.source = (char *) source;
	s.fstype = (char *) fstype;
	s.mount_point = place(f, name);
	return s;
}

static void done(void *arg, int r, const struct err *e)
{
	struct fake *f = arg;

	f->r = r;
	if (r < 0)
		f->e = *e;
}

static int acquire(struct fake *f, Grpc__Storage *const *list, size_t n)
{
	struct storage_order order = {
		.list = list,
		.n = n,
		.owner = "c1",
		.hold = f->hold,
		.shared = f->shared,
	};

	f->r = 1;
	f->e = (struct err){0};
	storages_acquire(f->storages, &order, done, f, &f->job);
	while (f->r == 1)
		CHECK(loop_step(f->loop, clock_deadline(10000), NULL) > 0);
	return f->r;
}

static int acquire_one(struct fake *f, Grpc__Storage *s)
{
	return acquire(f, &s, 1);
}

static bool is_tmpfs(struct fake *f, const char *name)
{
	auto_free char *path = place(f, name);
	struct statfs fs;

	return statfs(path, &fs) == 0 && fs.f_type == TMPFS && strncmp(path, "/tmp", 4) == 0;
}

static ino_t inode(struct fake *f, const char *name)
{
	auto_free char *path = place(f, name);
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return st.st_ino;
}

TEST(a_mount_point_exists_once_and_until_the_last_holder_lets_go)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "tmpfs", "a/b");
	struct storage_hold *second;

	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK(is_tmpfs(&f, "a/b"));

	auto_free char *file = place(&f, "a/b/file");

	CHECK_EQ(file_replace(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	second = f.hold;
	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(access(file, F_OK), 0);
	storage_hold_free(second);
	CHECK_EQ(access(file, F_OK), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(access(file, F_OK), -1);
	free(s.mount_point);
	fake_close(&f);
}

static bool is_there(struct fake *f, const char *name)
{
	auto_free char *path = place(f, name);

	return access(path, F_OK) == 0;
}

TEST(the_folders_of_a_mount_point_go_with_it_unless_somebody_else_needs_them)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "", "c1/a/b");
	Grpc__Storage local = storage(&f, "local", "local", "local", "c1/local/v");
	Grpc__Storage *both[] = {&s, &local};
	auto_free char *file = place(&f, "c1/file");

	CHECK_EQ(acquire(&f, both, 2), 0);
	CHECK_EQ(file_replace(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK(!is_there(&f, "c1/a"));
	CHECK(!is_there(&f, "c1/local"));
	CHECK(is_there(&f, "c1/file"));
	CHECK_EQ(unlink(file), 0);

	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	CHECK_EQ(acquire(&f, both, 2), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK(!is_there(&f, "c1"));
	CHECK_EQ(access(f.run, F_OK), 0);
	free(s.mount_point);
	free(local.mount_point);
	fake_close(&f);
}

TEST(an_empty_folder_of_another_file_system_stays)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage share = storage(&f, "ephemeral", "tmpfs", "", "share");
	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "", "share/volume/inner");
	auto_free char *volume = place(&f, "share/volume");

	share.shared = true;
	CHECK_EQ(acquire_one(&f, &share), 0);
	CHECK_EQ(mkdir(volume, 0755), 0);
	CHECK_EQ(acquire_one(&f, &s), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK(is_there(&f, "share/volume/inner"));
	free(share.mount_point);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_node_of_a_disk_that_is_not_there_is_made_and_removed)
{
	struct fake f;
	Grpc__LinuxDevice d = GRPC__LINUX_DEVICE__INIT;
	struct stat st;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "node", "", "", "c1/disks/0");

	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	CHECK(strstr(f.e.text, "says no device"));
	d.major = 7;
	d.minor = 3;
	d.filemode = 0660;
	d.uid = 5;
	d.gid = 6;
	s.node = &d;
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(lstat(s.mount_point, &st), 0);
	CHECK_EQ(st.st_mode, S_IFBLK | 0660);
	CHECK_EQ(st.st_rdev, makedev(7, 3));
	CHECK_EQ(st.st_uid, 5);
	CHECK_EQ(st.st_gid, 6);
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(lstat(s.mount_point, &st), -1);
	free(s.mount_point);
	fake_close(&f);
}

TEST(only_the_file_system_of_a_disk_is_made_larger)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "tmpfs", "v");
	auto_free char *none = place(&f, "none");

	CHECK_EQ(acquire_one(&f, &s), 0);
	storages_resize(f.storages, s.mount_point, 1 << 30, done, &f);
	CHECK_EQ(f.r, -ENOENT);
	CHECK(strstr(f.e.text, "no disk is mounted at"));
	f.r = 1;
	storages_resize(f.storages, none, 1 << 30, done, &f);
	CHECK_EQ(f.r, -ENOENT);
	free(s.mount_point);
	fake_close(&f);
}

TEST(what_is_shared_stays_when_the_container_goes)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "", "pod");
	ino_t before;

	s.shared = true;
	CHECK_EQ(acquire_one(&f, &s), 0);
	before = inode(&f, "pod");
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(inode(&f, "pod"), before);
	storage_hold_free(take_ptr(f.shared));
	CHECK(!is_there(&f, "pod"));
	free(s.mount_point);
	fake_close(&f);
}

TEST(options_reach_the_file_system_and_its_group)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "tmpfs", "t");
	char *options[] = {"size=64k", "mode=750", "noexec", "fsgid=4242"};
	struct statfs fs;
	struct stat st;

	s.options = options;
	s.n_options = ARRAY_LEN(options);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(statfs(s.mount_point, &fs), 0);
	CHECK_EQ(fs.f_blocks * (unsigned long) fs.f_bsize, 65536);
	CHECK(fs.f_flags & ST_NOEXEC);
	CHECK_EQ(stat(s.mount_point, &st), 0);
	CHECK_EQ(st.st_gid, 4242);
	CHECK_EQ(st.st_mode & 07777, 02770);

	char *larger[] = {"size=128k", "fsgid=1"};

	s.options = larger;
	s.n_options = ARRAY_LEN(larger);
	CHECK_EQ(storages_remount(f.storages, &s, NULL), 0);
	CHECK_EQ(statfs(s.mount_point, &fs), 0);
	CHECK_EQ(fs.f_blocks * (unsigned long) fs.f_bsize, 131072);
	CHECK_EQ(stat(s.mount_point, &st), 0);
	CHECK_EQ(st.st_gid, 4242);
	free(s.mount_point);
	fake_close(&f);
}

TEST(the_first_failure_ends_it_and_nothing_is_left)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage good = storage(&f, "ephemeral", "tmpfs", "tmpfs", "good");
	Grpc__Storage bad = storage(&f, "ephemeral", "tmpfs", "tmpfs", "bad");
	Grpc__Storage never = storage(&f, "ephemeral", "tmpfs", "tmpfs", "never");
	Grpc__Storage *list[] = {&good, &bad, &never};
	char *options[] = {"fsgid=nobody"};

	bad.options = options;
	bad.n_options = 1;
	CHECK_EQ(acquire(&f, list, 3), -EINVAL);
	CHECK(strstr(f.e.text, "'nobody' is no group"));
	CHECK(strstr(f.e.text, "/bad'"));
	storage_hold_free(take_ptr(f.hold));

	CHECK(!is_there(&f, "good"));
	CHECK(!is_there(&f, "bad"));
	CHECK(!is_there(&f, "never"));
	free(good.mount_point);
	free(bad.mount_point);
	free(never.mount_point);
	fake_close(&f);
}

TEST(nothing_is_mounted_outside_or_through_a_link)
{
	static const char *const names[] = {"../outside", "a/../../x", "a/./b", "link/x",
					    "link",       "",          "file/x"};
	struct fake f;

	fake_open(&f);

	auto_free char *link = place(&f, "link"), *file = place(&f, "file");

	CHECK_EQ(symlink("/tmp", link), 0);
	CHECK_EQ(file_replace(AT_FDCWD, file, "", 0, 0600, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "tmpfs", names[i]);
		int r = acquire_one(&f, &s);

		if (r != -EINVAL && r != -ELOOP)
			test_fail(__FILE__, __LINE__, "'%s' gives %d", names[i], r);
		free(s.mount_point);
	}

	Grpc__Storage s = storage(&f, "ephemeral", "tmpfs", "tmpfs", "x");

	free(s.mount_point);
	s.mount_point = (char *) "/etc";
	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	CHECK(strstr(f.e.text, "mount point '/etc' is not below"));
	fake_close(&f);
}

TEST(drivers_that_are_not_there_are_named)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "scsi", "0:1", "ext4", "x");

	CHECK_EQ(acquire_one(&f, &s), -ENOTSUP);
	CHECK(strstr(f.e.text, "storage driver 'scsi' is not supported yet"));
	s.driver = (char *) "floppy";
	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	CHECK(strstr(f.e.text, "there is no storage driver 'floppy'"));
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_disk_that_does_not_come_fails_in_time)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "blk", "1f/1f", "ext4", "disk");

	CHECK_EQ(acquire_one(&f, &s), -ETIMEDOUT);
	CHECK(strstr(f.e.text, "'1f/1f' has not appeared in time"));
	s.source = (char *) "/etc/passwd";
	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_share_that_is_plugged_in_is_waited_for)
{
	struct fake f;
	char *place[] = {(char *) "other=1", (char *) "pci=1f/1f"};

	fake_open(&f);

	Grpc__Storage s = storage(&f, "virtio-fs", "no such share", "virtiofs", "share");

	s.driver_options = place;
	s.n_driver_options = 2;
	CHECK_EQ(acquire_one(&f, &s), -ETIMEDOUT);
	CHECK(strstr(f.e.text, "'1f/1f' has not appeared in time"));
	place[1] = (char *) "pci=../1f";
	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_job_can_be_cancelled)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "blk", "1f/1f", "ext4", "disk"), *list = &s;
	struct storage_order order = {
		.list = &list,
		.n = 1,
		.owner = "",
		.hold = f.hold,
		.shared = f.shared,
	};

	storages_acquire(f.storages, &order, done, &f, &f.job);
	CHECK(f.job);
	storage_job_cancel(take_ptr(f.job));
	CHECK_EQ(loop_step(f.loop, clock_deadline(30), NULL), 0);
	CHECK_EQ(f.r, 1);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_bind_may_be_a_file_and_read_only)
{
	struct fake f;

	fake_open(&f);

	auto_free char *source = place(&f, "source");
	Grpc__Storage s = storage(&f, "bind", source, "bind", "deep/target");
	char *options[] = {"rbind", "ro"};
	auto_free char *text = NULL;

	s.options = options;
	s.n_options = ARRAY_LEN(options);
	CHECK_EQ(acquire_one(&f, &s), -ENOENT);
	CHECK_EQ(file_replace(AT_FDCWD, source, "text", 4, 0600, NULL), 0);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(file_read(AT_FDCWD, s.mount_point, 100, &text, NULL, NULL), 0);
	CHECK_STR(text, "text");
	CHECK_EQ(open(s.mount_point, O_WRONLY | O_CLOEXEC), -1);
	CHECK_EQ(errno, EROFS);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_local_folder_has_its_mode_and_goes_with_its_holder)
{
	struct fake f;

	fake_open(&f);

	Grpc__Storage s = storage(&f, "local", "local", "local", "c1/local/v");
	char *options[] = {"mode=0777", "fsgid=99"}, *bad[] = {"mode=9"};
	struct stat st;

	s.options = options;
	s.n_options = ARRAY_LEN(options);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(stat(s.mount_point, &st), 0);
	CHECK_EQ(st.st_mode & 07777, 02777);
	CHECK_EQ(st.st_gid, 99);

	auto_free char *file = place(&f, "c1/local/v/file");

	CHECK_EQ(file_replace(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(access(s.mount_point, F_OK), -1);
	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	s.options = bad;
	s.n_options = 1;
	CHECK_EQ(acquire_one(&f, &s), -EINVAL);
	free(s.mount_point);
	fake_close(&f);
}

TEST(an_overlay_gets_its_writable_layers)
{
	struct fake f;

	fake_open(&f);

	auto_free char *lower = place(&f, "lower/l");
	auto_free char *option = str_printf("lowerdir=%s", lower);
	auto_free char *made = place(&f, "made/by/option");
	auto_free char *create =
		str_printf("io.katacontainers.volume.overlayfs.create_directory=%s", made);
	char *options[] = {option};
	char *driver_options[] = {create, "io.katacontainers.fs-opt.overlay-rw"};

	/* An overlay cannot stand on an overlay: use a file system of our own. */
	CHECK_EQ(mount("tmpfs", f.run, "tmpfs", 0, NULL), 0);
	storage_hold_free(f.hold);
	storage_hold_free(f.shared);
	storages_free(f.storages);

	struct storages_config config = {
		.loop = f.loop,
		.reaper = f.reaper,
		.devices = f.devices,
		.run_dir = f.run,
	};

	CHECK_EQ(storages_new(&config, &f.storages, NULL), 0);
	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	CHECK_EQ(storage_hold_new(f.storages, &f.shared, NULL), 0);
	CHECK_EQ(dir_make(lower, 0755, NULL), 0);

	Grpc__Storage s = storage(&f, "overlayfs", "overlay", "overlay", "c1/rootfs");

	s.options = options;
	s.n_options = 1;
	s.driver_options = driver_options;
	s.n_driver_options = ARRAY_LEN(driver_options);

	int r = acquire_one(&f, &s);

	if (r == -ENODEV)
		_exit(TEST_SKIP); /* no overlay here */
	CHECK_EQ(r, 0);

	auto_free char *file = place(&f, "c1/rootfs/file"), *upper = place(&f, "c1/upper/file");

	CHECK_EQ(file_replace(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	CHECK_EQ(access(upper, F_OK), 0);
	CHECK_EQ(access(made, F_OK), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(access(file, F_OK), -1);
	s.n_driver_options = 1;
	driver_options[0] = "encryption_key=ephemeral";
	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	CHECK_EQ(acquire_one(&f, &s), -ENOTSUP);
	CHECK(strstr(f.e.text, "'encryption_key=ephemeral' is not supported"));
	CHECK_EQ(umount2(f.run, MNT_DETACH), 0);
	free(s.mount_point);
	fake_close(&f);
}

TEST(a_volume_is_given_to_its_group_and_only_if_it_has_to)
{
	struct fake f;

	fake_open(&f);

	Grpc__FSGroup group = GRPC__FSGROUP__INIT;
	auto_free char *source = place(&f, "source"), *sub = place(&f, "source/sub");
	auto_free char *file = place(&f, "source/sub/file"), *link = place(&f, "source/link");
	Grpc__Storage s = storage(&f, "bind", source, "", "volume");
	char *options[] = {"rbind"};
	struct stat st;

	group.group_id = 1234;
	group.group_change_policy = TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch;
	s.fs_group = &group;
	s.options = options;
	s.n_options = 1;
	CHECK_EQ(dir_make(sub, 0755, NULL), 0);
	CHECK_EQ(file_replace(AT_FDCWD, file, "x", 1, 0600, NULL), 0);
	CHECK_EQ(symlink("/etc/passwd", link), 0);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(stat(sub, &st), 0);
	CHECK_EQ(st.st_gid, 1234);
	CHECK_EQ(st.st_mode & 07777, 02775);
	CHECK_EQ(stat(file, &st), 0);
	CHECK_EQ(st.st_gid, 1234);
	CHECK_EQ(st.st_mode & 07777, 0660);
	CHECK_EQ(lstat(link, &st), 0);
	CHECK_EQ(st.st_gid, 1234);
	CHECK_EQ(stat("/etc/passwd", &st), 0);
	CHECK(st.st_gid != 1234);

	/* The root says that it was done before: what is below is left alone. */
	CHECK_EQ(chown(file, 0, 0), 0);
	storage_hold_free(take_ptr(f.hold));
	CHECK_EQ(storage_hold_new(f.storages, &f.hold, NULL), 0);
	CHECK_EQ(acquire_one(&f, &s), 0);
	CHECK_EQ(stat(file, &st), 0);
	CHECK_EQ(st.st_gid, 0);
	free(s.mount_point);
	fake_close(&f);
}
