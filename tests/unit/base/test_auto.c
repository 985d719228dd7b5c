#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>

#include "base/auto.h"
#include "base/err.h"

/* Opens @name inside @dir without following a link. *@ret_fd is the caller's. */
static int image_open(const char *dir, const char *name, int *ret_fd, struct err *e)
{
	auto_close int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dirfd < 0)
		return err_sys(e, errno, "open folder '%s'", dir);

	auto_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return err_sys(e, errno, "open image '%s' in '%s'", name, dir);

	*ret_fd = take_fd(&fd);
	return 0;
}

TEST(what_is_taken_survives_the_block)
{
	auto_close int fd = -1;

	CHECK_EQ(image_open("/dev", "null", &fd, NULL), 0);
	CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

TEST(failure_leaves_the_output_alone)
{
	int fd = -1;
	struct err e = {0};

	CHECK_EQ(image_open("/dev", "no-such-thing", &fd, &e), -ENOENT);
	CHECK_EQ(fd, -1);
	CHECK_STR(e.text, "open image 'no-such-thing' in '/dev'");
}

TEST(closing_keeps_the_reason)
{
	errno = ENOTDIR;
	CHECK_EQ(fd_close(open("/dev/null", O_RDONLY | O_CLOEXEC)), -1);
	CHECK_EQ(errno, ENOTDIR);
}

TEST(a_pointer_is_owned_once)
{
	auto_free char *a = strdup("kata");
	auto_free char *b = take_ptr(a);

	CHECK(!a);
	CHECK_STR(b, "kata");
}
