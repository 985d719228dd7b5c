#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/mountinfo.h"

TEST(a_mount_is_found_by_what_is_open_in_it_whatever_its_name)
{
	char folder[] = "/tmp/test-mountinfo-XXXXXX";
	struct mountinfo m = {0};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		exit(TEST_SKIP);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK(mkdtemp(folder) != NULL);
	auto_free char *odd = str_printf("%s/a b\\\t\nc - d", folder);
	auto_free char *inner = str_printf("%s/inner", odd);

	CHECK_EQ(mount("none", folder, "ramfs", 0, NULL), 0);
	CHECK_EQ(mkdir(odd, 0755), 0);
	CHECK_EQ(mount("none", odd, "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir(inner, 0755), 0);

	auto_close int fd = open(inner, O_PATH | O_CLOEXEC);
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	CHECK_EQ(mountinfo_read(&m, NULL), 0);

	const struct mount_line *line = mountinfo_of(&m, fd);

	CHECK(line != NULL);
	CHECK_STR(line->type, "tmpfs");
	CHECK_STR(line->point, odd);
	CHECK_STR(line->root, "/");
	CHECK_EQ(makedev(line->major, line->minor), st.st_dev);
	CHECK_STR(mountinfo_parent(&m, line)->type, "ramfs");
	CHECK_STR(mountinfo_parent(&m, line)->point, folder);
	mountinfo_fini(&m);
	fd = fd_close(fd);
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
}

TEST(a_file_of_no_mount_here_has_none)
{
	struct mountinfo m = {0};
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	CHECK_EQ(mountinfo_read(&m, NULL), 0);
	CHECK(mountinfo_of(&m, p[0]) == NULL);
	mountinfo_fini(&m);
	close(p[0]);
	close(p[1]);
}
