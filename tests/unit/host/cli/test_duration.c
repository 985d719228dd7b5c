#include "tests/test.h"

#include <errno.h>
#include <stdint.h>

#include "base/array.h"
#include "host/cli/duration.h"

TEST(durations_are_read_as_go_writes_them)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {
		{"5s", 5000},
		{"500ms", 500},
		{"1m", 60000},
		{"1.5h", 5400000},
		{"1m30s", 90000},
		{".5s", 500},
		{"2.s", 2000},
		{"0s", 0},
		{"1us", 1},
		{"1ns", 1},
		{"1000\u00b5s", 1},
		{"7", 7000},
		{"1h0m0.5s", 3600500},
		{"0", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		uint64_t ms = 1234567;

		if (duration_parse(good[i].text, &ms) < 0 || ms != good[i].ms)
			test_fail(__FILE__, __LINE__, "'%s' is %llu", good[i].text,
				  (unsigned long long) ms);
	}
}

TEST(what_is_no_duration_is_refused)
{
	static const char *const bad[] = {
		"",   "s",   "5x",  "-5s",  "5 s", "5s ", "1e3s",   "0x5s",
		"5.", "..s", "1m5", "infs", ".s",  "+5s", "1.2.3s",
	};
	uint64_t ms = 42;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (duration_parse(bad[i], &ms) != -EINVAL)
			test_fail(__FILE__, __LINE__, "'%s' is taken", bad[i]);
	CHECK_EQ(duration_parse("99999999999999999999h", &ms), -ERANGE);
	CHECK_EQ(ms, 42);
}
