#include "tests/test.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/sparse.h"

#define PAGE  4096
#define BYTES (UINT64_C(64) << 20)

static int file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, BYTES), 0);
	return fd;
}

static void put(int fd, uint64_t page, char what)
{
	char data[PAGE];

	memset(data, what, sizeof data);
	CHECK_EQ(pwrite(fd, data, sizeof data, (off_t) (page * PAGE)), PAGE);
}

static void check_page(int fd, uint64_t page, char what)
{
	char data[PAGE];

	CHECK_EQ(pread(fd, data, sizeof data, (off_t) (page * PAGE)), PAGE);
	for (size_t i = 0; i < sizeof data; i++)
		CHECK_EQ(data[i], what);
}

static uint64_t pages_of(int fd)
{
	struct stat st;

	CHECK_EQ(fstat(fd, &st), 0);
	return (uint64_t) st.st_blocks * 512 / PAGE;
}

TEST(what_is_there_is_copied_and_holes_stay_holes)
{
	auto_close int from = file(), to = file();
	uint64_t data = 7;

	CHECK_EQ(sparse_copy(from, to, BYTES, &data, NULL), 0);
	CHECK_EQ(data, 0);
	put(from, 0, 'a');
	put(from, 100, 'b');
	put(from, 101, 0);
	put(from, BYTES / PAGE - 1, 'z');
	CHECK_EQ(sparse_copy(from, to, BYTES, &data, NULL), 0);
	CHECK_EQ(data, 4 * PAGE);
	CHECK_EQ(pages_of(to), 4);
	check_page(to, 0, 'a');
	check_page(to, 50, 0);
	check_page(to, 100, 'b');
	check_page(to, BYTES / PAGE - 1, 'z');
}

TEST(pages_of_zeros_become_holes)
{
	auto_close int from = file(), to = file();
	uint64_t data = 0;

	put(from, 9, 0);
	for (uint64_t page = 10; page < 20; page++)
		put(from, page, page % 3 ? 'x' : 0);
	put(from, 20, 0);
	CHECK_EQ(pwrite(from, "!", 1, 20 * PAGE + PAGE - 1), 1); /* only its last byte is not */
	put(from, 21, 0);
	CHECK_EQ(sparse_copy_dense(from, to, BYTES, &data, NULL), 0);
	CHECK_EQ(data, 8 * PAGE); /* 10, 11, 13, 14, 16, 17, 19, 20 */
	CHECK_EQ(pages_of(to), 8);
	for (uint64_t page = 10; page < 20; page++)
		check_page(to, page, page % 3 ? 'x' : 0);
	check_page(to, 21, 0);
}

TEST(no_more_than_the_beginning_is_copied)
{
	auto_close int from = file(), to = file();
	uint64_t data = 0;

	put(from, 1, 'a');
	put(from, 2, 'b');
	put(from, 9, 'c');
	CHECK_EQ(sparse_copy(from, to, 2 * PAGE, &data, NULL), 0);
	CHECK_EQ(data, PAGE);
	CHECK_EQ(sparse_copy_dense(from, to, 2 * PAGE, &data, NULL), 0);
	CHECK_EQ(data, PAGE);
	check_page(to, 1, 'a');
	check_page(to, 2, 0);
}

TEST(a_file_that_cannot_be_written_is_an_error)
{
	auto_close int from = file();
	uint64_t data = 7;

	put(from, 1, 'a');
	CHECK(sparse_copy(from, -1, BYTES, &data, NULL) < 0);
	CHECK(sparse_copy_dense(from, -1, BYTES, &data, NULL) < 0);
	CHECK_EQ(data, 7);
}
