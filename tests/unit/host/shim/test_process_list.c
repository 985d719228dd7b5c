#include "tests/test.h"

#include <errno.h>

#include "base/auto.h"
#include "host/shim/process_list.h"

static void printed(const char *list, size_t bytes, const char *want)
{
	auto_free char *out = NULL;

	CHECK_EQ(process_list_print(list, bytes, &out, NULL), 0);
	CHECK_STR(out, want);
}

#define PRINTED(list, want) printed(list, sizeof(list) - 1, want)

TEST(of_json_only_the_numbers_are_left)
{
	PRINTED("[]", "[]");
	PRINTED("[1,7,42]", "[1,7,42]");
	PRINTED("[ 1,\n\t7 ]\n", "[1,7]");
}

TEST(json_that_is_no_list_of_numbers_is_refused)
{
	static const char *const lists[] = {
		"[",
		"[1,\"\033]0;title\a\"]",
		"{\"pids\":[1]}",
		"[[1]]",
		"[1]]",
		"[1] \033[2J",
		"[1.5]",
		"{",
		"[true]",
	};

	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		auto_free char *out = NULL;
		struct err e = {0};

		CHECK_EQ(process_list_print(lists[i], strlen(lists[i]), &out, &e), -EPROTO);
		CHECK(strchr(e.text, '\033') == NULL);
	}
}

TEST(a_table_is_text)
{
	PRINTED("", "");
	PRINTED("UID  PID CMD\n0      1 sh -c \303\274\n",
		"UID  PID CMD\n0      1 sh -c \303\274\n");
	PRINTED("0 1 \033[2Jsh\033]0;t\a \x9b"
		"31m \302\233 \342\200\256 \0x\n",
		"0 1 ?[2Jsh?]0;t? ?31m ? ? ?x\n");
}
