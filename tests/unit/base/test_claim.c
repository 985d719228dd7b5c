#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/claim.h"
#include "base/file.h"

static char folder[32];
static char *path;

static void up(void)
{
	strcpy(folder, "/tmp/test-claim-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	path = str_printf("%s/it", folder);
}

static void down(void)
{
	(void) rmdir(path);
	CHECK_EQ(rmdir(folder), 0);
	free(path);
}

TEST(a_claim_lasts_as_long_as_its_descriptor)
{
	struct stat st;
	int fd, other = -1;

	up();
	CHECK_EQ(claim_left(path, &other, NULL), -ENOENT);
	CHECK_EQ(claim_folder(path, &fd, NULL), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0700);
	CHECK_EQ(claim_folder(path, &other, NULL), -EWOULDBLOCK);
	CHECK_EQ(claim_left(path, &other, NULL), -EWOULDBLOCK);
	close(fd);
	CHECK_EQ(claim_left(path, &other, NULL), 0);
	close(other);
	down();
}

TEST(what_was_left_is_taken_and_closed_to_others)
{
	struct stat st;
	int fd;

	up();
	CHECK_EQ(mkdir(path, 0755), 0);
	CHECK_EQ(claim_folder(path, &fd, NULL), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_mode & 0777, 0700);
	close(fd);
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(symlink("/tmp", path), 0);
	CHECK(claim_folder(path, &fd, NULL) < 0);
	CHECK_EQ(unlink(path), 0);
	down();
}

static volatile int stop;

static void *clean(void *arg)
{
	(void) arg;
	while (!stop) {
		auto_close int fd = -1;

		if (claim_left(path, &fd, NULL) == 0)
			(void) rmdir(path);
	}
	return NULL;
}

TEST(an_owner_that_is_starting_is_not_disturbed_by_one_who_cleans)
{
	pthread_t cleaner;
	struct stat ours, there;

	up();
	CHECK_EQ(pthread_create(&cleaner, NULL, clean, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		auto_close int fd = -1;
		int r = claim_folder(path, &fd, NULL);

		/* The cleaner may have the lock for a moment. */
		if (r == -EWOULDBLOCK)
			continue;
		CHECK_EQ(r, 0);
		CHECK_EQ(fstat(fd, &ours), 0);
		CHECK_EQ(stat(path, &there), 0);
		CHECK_EQ(ours.st_ino, there.st_ino);
	}
	stop = 1;
	CHECK_EQ(pthread_join(cleaner, NULL), 0);
	down();
}
