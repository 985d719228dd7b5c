#include "tests/test.h"

#include <fcntl.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/room/title.h"

/* What the kernel shows of this process. */
static void set_title(char *const *args, size_t n)
{
	struct title t;

	title_make(args, n, &t);
	title_show(&t);
	title_fini(&t);
}

static void check_shown(const char *title)
{
	auto_free char *words = NULL, *environment = NULL;
	size_t n = 0;

	CHECK_EQ(file_read(AT_FDCWD, "/proc/self/cmdline", 1 << 20, &words, &n, NULL), 0);
	CHECK_STR(words, title);
	CHECK_EQ(n, strlen(title) + 1);
	CHECK_EQ(file_read(AT_FDCWD, "/proc/self/environ", 1 << 20, &environment, &n, NULL), 0);
	CHECK_EQ(memmem(environment, n, "=", 1) != NULL, 0);
}

TEST(a_short_title_ends_where_it_ends)
{
	char *args[] = {(char *) "sl", (char *) "7"};

	set_title(args, 2);
	check_shown("sl 7");
}

TEST(a_title_of_nothing_is_empty)
{
	set_title(NULL, 0);
	check_shown("");
}

TEST(a_title_that_is_longer_than_the_words_were_goes_on_where_the_environment_was)
{
	char *args[] = {(char *) "/usr/bin/a-program-with-a-name-that-is-longer-than-the-test's",
			(char *) "and an argument"};

	set_title(args, 2);
	check_shown(
		"/usr/bin/a-program-with-a-name-that-is-longer-than-the-test's and an argument");
}

TEST(a_title_without_an_end_is_cut)
{
	auto_free char *text = calloc(1, 4 << 20);
	auto_free char *words = NULL;
	size_t n = 0;

	memset(text, 'a', (4 << 20) - 1);
	set_title(&text, 1);
	CHECK_EQ(file_read(AT_FDCWD, "/proc/self/cmdline", 8 << 20, &words, &n, NULL), 0);
	CHECK(n > 0 && strspn(words, "a") >= n - 1);
}
