#include "tests/test.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/array.h"
#include "base/options.h"

struct values {
	bool detach;
	const char *bundle;
	uint64_t fds;
	struct option_list env;
};

static const struct option table[] = {
	{"detach", 'd', OPTION_FLAG, offsetof(struct values, detach), NULL, "go away", false},
	{"bundle", 'b', OPTION_STRING, offsetof(struct values, bundle), "DIR", "what", false},
	{"fds", 0, OPTION_NUMBER, offsetof(struct values, fds), "N", "how many", false},
	{"env", 'e', OPTION_LIST, offsetof(struct values, env), "NAME=VALUE", "add", false},
	{"criu", 0, OPTION_STRING, 0, "PATH", "nothing", true},
};

#define PARSE(v, e, ...)                                                             \
	options_parse(table, ARRAY_LEN(table), ARRAY_LEN(((char *[]){__VA_ARGS__})), \
		      (char *[]){__VA_ARGS__}, v, e)

TEST(options_end_at_the_first_other_word)
{
	struct values v = {0};

	CHECK_EQ(PARSE(&v, NULL, "-d", "--bundle", "/b", "id", "--fds", "3"), 3);
	CHECK(v.detach);
	CHECK_STR(v.bundle, "/b");
	CHECK_EQ(v.fds, 0);
}

TEST(values_may_be_glued_on)
{
	struct values v = {0};

	CHECK_EQ(PARSE(&v, NULL, "-b=/b", "--fds=3", "--detach=false", "-bundle", "/c", "--", "-d"),
		 6);
	CHECK_STR(v.bundle, "/c");
	CHECK_EQ(v.fds, 3);
	CHECK(!v.detach);
}

TEST(a_list_takes_all_and_values_may_look_like_options)
{
	struct values v = {0};

	CHECK_EQ(PARSE(&v, NULL, "-e", "A=1", "--env=B=2", "-e", "-d"), 5);
	CHECK_EQ(v.env.n, 3);
	CHECK_STR(v.env.items[1], "B=2");
	CHECK_STR(v.env.items[2], "-d");
	CHECK(!v.detach);
}

TEST(what_is_wrong_is_named)
{
	struct values v = {0};
	struct err e = {0};

	CHECK_EQ(PARSE(&v, &e, "--nonsense"), -EINVAL);
	CHECK_STR(e.text, "there is no option '--nonsense'");
	err_clear(&e);
	CHECK_EQ(PARSE(&v, &e, "--fds", "x"), -EINVAL);
	CHECK_STR(e.text, "option --fds is a number, not 'x'");
	err_clear(&e);
	CHECK_EQ(PARSE(&v, &e, "--bundle"), -EINVAL);
	CHECK_STR(e.text, "option --bundle needs a value");
	err_clear(&e);
	CHECK_EQ(PARSE(&v, &e, "---detach"), -EINVAL);
}

TEST(ignored_options_swallow_their_value)
{
	struct values v = {0};

	CHECK_EQ(PARSE(&v, NULL, "--criu", "/usr/sbin/criu", "id"), 2);
}
