#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"

static char folder[] = "/tmp/kata-test-XXXXXX";

static int scratch(void)
{
	CHECK(mkdtemp(folder));
	return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

TEST(a_file_that_is_too_large_is_refused)
{
	auto_close int dir = scratch();
	auto_free char *text = NULL;
	size_t n = 0;

	CHECK_EQ(file_replace(dir, "f", "12345", 5, 0600, NULL), 0);
	CHECK_EQ(file_read(dir, "f", 4, &text, &n, NULL), -EFBIG);
	CHECK(!text);
	CHECK_EQ(file_read(dir, "f", 5, &text, &n, NULL), 0);
	CHECK_STR(text, "12345");
	CHECK_EQ(n, 5);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(only_a_regular_file_is_read_when_that_is_wanted)
{
	auto_close int dir = scratch();
	auto_free char *text = NULL;
	struct err e = {0};

	CHECK_EQ(mkfifoat(dir, "pipe", 0600), 0);
	CHECK_EQ(file_read_regular(dir, "pipe", 100, &text, NULL, &e), -EINVAL);
	CHECK_STR(e.text, "'pipe' is not a regular file");
	CHECK_EQ(file_read_regular(dir, ".", 100, &text, NULL, NULL), -EISDIR);
	CHECK_EQ(file_read_regular(dir, "/dev/zero", 100, &text, NULL, NULL), -EINVAL);
	CHECK_EQ(file_read_regular(dir, "none", 100, &text, NULL, NULL), -ENOENT);
	CHECK_EQ(file_replace(dir, "f", "12345", 5, 0600, NULL), 0);
	CHECK_EQ(symlinkat("f", dir, "link"), 0);
	CHECK_EQ(file_read_regular(dir, "link", 100, &text, NULL, NULL), 0);
	CHECK_STR(text, "12345");
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(a_socket_is_read_to_its_end)
{
	auto_free char *text = NULL;
	struct err e = {0};
	int sv[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	CHECK_EQ(write(sv[0], "12345", 5), 5);
	(void) close(sv[0]);
	CHECK_EQ(file_read_fd(sv[1], "stdin", 5, &text, NULL, NULL), 0);
	CHECK_STR(text, "12345");
	(void) close(sv[1]);
	CHECK_EQ(file_read_fd(-1, "stdin", 5, &text, NULL, &e), -EBADF);
	CHECK_STR(e.text, "read 'stdin'");
}

TEST(a_relative_path_becomes_one_from_the_root)
{
	auto_free char *absolute = NULL, *relative = NULL, *below = NULL;

	CHECK_EQ(chdir("/"), 0);
	absolute = path_absolute("/a/../b", NULL);
	CHECK_STR(absolute, "/a/../b");
	relative = path_absolute("a", NULL);
	CHECK_STR(relative, "/a");
	CHECK_EQ(chdir("/proc"), 0);
	below = path_absolute("a/b", NULL);
	CHECK_STR(below, "/proc/a/b");
}

TEST(a_path_is_cleaned_by_its_words)
{
	static const struct {
		const char *path, *clean;
	} cases[] = {
		{"a/../b//c/.", "/b/c"}, {"/../../a", "/a"},      {"", "/"}, {"/", "/"},
		{"a/..", "/"},           {"/..a/.b/", "/..a/.b"},
	};
	char to[64];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK_EQ(path_clean(cases[i].path, to, strlen(cases[i].path) + 2), 0);
		CHECK_STR(to, cases[i].clean);
	}
	CHECK_EQ(path_clean("/abc", to, 5), 0);
	CHECK_EQ(path_clean("/abcd", to, 5), -ENAMETOOLONG);
}

TEST(removing_a_tree_does_not_follow_links)
{
	auto_close int dir = scratch();
	auto_close int other = -1;
	char outside[] = "/tmp/kata-test-outside-XXXXXX";
	auto_free char *deep = str_printf("%s/a/b/c", folder);

	other = mkstemp(outside);
	CHECK_EQ(dir_make(deep, 0700, NULL), 0);
	CHECK_EQ(symlinkat(outside, dir, "a/link"), 0);
	CHECK_EQ(symlinkat("/tmp", dir, "a/b/link"), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
	CHECK_EQ(access(outside, F_OK), 0);
	CHECK_EQ(access(folder, F_OK), -1);
	CHECK_EQ(unlink(outside), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0); /* what is not there is removed */
}

TEST(a_path_cannot_leave_its_root)
{
	auto_close int dir = scratch();

	CHECK_EQ(symlinkat("/etc", dir, "out"), 0);
	CHECK_EQ(path_open_in(dir, "out/passwd", O_RDONLY, 0, NULL), -ENOENT);
	CHECK_EQ(path_open_in(dir, "../../../etc/passwd", O_RDONLY, 0, NULL), -ENOENT);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

TEST(numbers_are_whole_or_refused)
{
	uint64_t u = 1;
	int64_t i = 1;

	CHECK_EQ(num_parse_u64("18446744073709551615", &u), 0);
	CHECK(u == UINT64_MAX);
	CHECK_EQ(num_parse_u64("18446744073709551616", &u), -ERANGE);
	CHECK_EQ(num_parse_u64("-1", &u), -EINVAL);
	CHECK_EQ(num_parse_u64(" 1", &u), -EINVAL);
	CHECK_EQ(num_parse_u64("1x", &u), -EINVAL);
	CHECK_EQ(num_parse_u64("", &u), -EINVAL);
	CHECK_EQ(num_parse_i64("-5", &i), 0);
	CHECK_EQ(i, -5);
	CHECK_EQ(num_parse_i64("-", &i), -EINVAL);
}
