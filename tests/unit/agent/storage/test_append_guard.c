#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/storage/append_guard.h"
#include "base/auto.h"
#include "base/file.h"

static const char *const all[] = {
	"bpf_lsm_mmap_file 7", "bpf_lsm_file_fcntl 8", "file.f_flags 64",        "file.f_mode 68",
	"file.f_inode 32",     "inode.i_sb 40",        "super_block.s_magic 96",
};

/* Reads all the facts but that @other stands for the line @at, or nothing if it is NULL. */
static int init(size_t at, const char *other, struct err *e)
{
	char path[] = "/tmp/kernel-facts-XXXXXX";
	auto_close int fd = mkstemp(path);
	struct append_guard guard;

	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (i != at || other)
			dprintf(fd, "%s\n", i == at ? other : all[i]);

	int r = append_guard_init(&guard, path, e);

	CHECK_EQ(unlink(path), 0);
	if (r < 0)
		for (size_t i = 0; i < APPEND_GUARDS; i++)
			CHECK_EQ(guard.fds[i], -1);
	append_guard_fini(&guard);
	return r;
}

TEST(a_fact_that_is_missing_is_named)
{
	struct err e = {0};
	char text[640];

	CHECK_EQ(init(3, NULL, &e), -ENOENT);
	CHECK(strstr(err_show(&e, text, sizeof text), "'file.f_mode'"));
}

TEST(a_fact_is_a_number)
{
	static const char *const wrong[] = {"inode.i_sb", "inode.i_sb x", "inode.i_sb 4x",
					    "inode.i_sb -4", "inode.i_sb 4294967296"};

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		CHECK(init(5, wrong[i], NULL) == (i == 0 ? -ENOENT : -EINVAL));
}

TEST(an_image_without_facts_has_no_guard)
{
	struct append_guard guard;
	struct err e = {0};

	CHECK_EQ(append_guard_init(&guard, "/no/facts", &e), -ENOENT);
	append_guard_fini(&guard);
}
