#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/storage/kernel_files.h"

static char folder[40];

static char *at(const char *name)
{
	return str_printf("%s/%s", folder, name);
}

/* A folder of the test's own in a mount namespace, with a procfs in "proc" and below a tree. */
static void up(void)
{
	static const char *const folders[] = {"proc", "tree/proc", "tree/dev", "tree/files", "sub"};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		exit(TEST_SKIP);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	strcpy(folder, "/tmp/test-kernel-files-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, NULL), 0);
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		auto_free char *path = at(folders[i]);

		CHECK_EQ(dir_make(path, 0755, NULL), 0);
	}
}

static void mount_at(const char *source, const char *type, const char *name, unsigned long flags)
{
	auto_free char *path = at(name);

	CHECK_EQ(mount(source, path, type, flags, NULL), 0);
}

static void down(void)
{
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
}

static void place_is(const char *path, const char *want)
{
	auto_free char *got = NULL;
	auto_close int fd = open(path, O_PATH | O_CLOEXEC);
	struct err e = {0};

	CHECK_EQ(kernel_files_place(fd, path, &got, &e), 0);
	CHECK_STR(e.text, "");
	CHECK_STR(got ? got : "an ordinary file", want);
}

static void place_below(const char *name, const char *want)
{
	auto_free char *path = at(name);

	place_is(path, want);
}

TEST(the_kernels_files_are_known_however_they_are_spelled)
{
	up();
	auto_free char *link = at("link");
	auto_free char *link_to_link = at("link2");

	mount_at("proc", "proc", "proc", 0);
	mount_at("/proc/sys", NULL, "sub", MS_BIND);
	CHECK_EQ(symlink("//proc/sys/fs", link), 0);
	CHECK_EQ(symlink("link", link_to_link), 0);
	place_is("/proc", "/proc");
	place_is("/proc/sys/fs", "/proc/sys/fs");
	place_is("//proc/./sys/../sys/fs", "/proc/sys/fs");
	place_is(link, "/proc/sys/fs");
	place_is(link_to_link, "/proc/sys/fs");
	place_below("proc/sys/fs", "/proc/sys/fs");
	place_below("sub/fs", "/proc/sys/fs");
	place_is("/sys/kernel", "/sys/kernel");
	place_is("/", "an ordinary file");
	place_below("tree", "an ordinary file");
	down();
}

TEST(device_nodes_are_known_by_their_numbers)
{
	up();
	auto_free char *node = at("some-node");
	auto_free char *disk = at("disk");
	auto_free char *nobodys = at("nobodys");
	struct stat dev, root;

	CHECK_EQ(mknod(node, S_IFCHR | 0666, makedev(1, 3)), 0);
	CHECK_EQ(mknod(disk, S_IFBLK | 0600, makedev(7, 0)), 0);
	CHECK_EQ(mknod(nobodys, S_IFCHR | 0600, makedev(4000, 99)), 0);
	place_is("/dev/null", "/dev/null");
	place_is(node, "/dev/null");

	auto_close int disk_fd = open(disk, O_PATH | O_CLOEXEC);
	auto_close int nobodys_fd = open(nobodys, O_PATH | O_CLOEXEC);
	char *place = NULL;

	CHECK_EQ(kernel_files_place(disk_fd, "d", &place, NULL), -ENOTSUP);
	CHECK_EQ(kernel_files_place(nobodys_fd, "n", &place, NULL), -ENOTSUP);
	CHECK_EQ(stat("/dev", &dev) == 0 && stat("/", &root) == 0, 1);
	if (dev.st_dev != root.st_dev) {
		mount_at("/dev", NULL, "sub", MS_BIND);
		place_is("/dev", "/dev");
		place_below("sub", "/dev");
	}
	disk_fd = fd_close(disk_fd);
	nobodys_fd = fd_close(nobodys_fd);
	down();
}

/* One of two at the same place, and one under another. */
TEST(a_clone_of_a_tree_loses_all_the_kernels_mounts_and_keeps_the_rest)
{
	up();
	mount_at("files", "tmpfs", "tree/files", 0);
	mount_at("proc", "proc", "tree/proc", 0);
	mount_at("above", "tmpfs", "tree/proc", 0);
	mount_at("proc", "proc", "tree/proc", 0);
	mount_at("sys", "sysfs", "tree/dev", 0);
	auto_free char *stage = at("stage");
	auto_free char *tree = at("tree");
	auto_free char *kept = at("tree/files/kept");
	auto_free char *seen = at("sub/files/kept");
	auto_free char *sub = at("sub");

	CHECK_EQ(mkdir(kept, 0755), 0);

	auto_close int source = open(tree, O_PATH | O_CLOEXEC);
	int clone = open_tree(source, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
	size_t n;

	CHECK_EQ(kernel_files_below(source, &n, NULL), 0);
	CHECK_EQ(n, 3);
	CHECK_EQ(kernel_files_leave_out(&clone, stage, NULL), 0);
	CHECK_EQ(access(stage, F_OK), -1);
	CHECK_EQ(move_mount(clone, "", AT_FDCWD, sub, MOVE_MOUNT_F_EMPTY_PATH), 0);
	CHECK_EQ(access(seen, F_OK), 0);
	place_below("sub/proc", "an ordinary file");
	place_below("sub/dev", "an ordinary file");
	source = fd_close(source);
	source = open(sub, O_PATH | O_CLOEXEC);
	CHECK_EQ(kernel_files_below(source, &n, NULL), 0);
	CHECK_EQ(n, 0);
	source = fd_close(source);
	close(clone);
	down();
}
