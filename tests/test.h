#pragma once

/*
 * A test is a function. It passes when it returns.
 *
 *	TEST(wrap_keeps_the_cause)
 *	{
 *		CHECK_EQ(1 + 1, 2);
 *	}
 *
 * Every test runs in a child of its own, so that one that crashes does not
 * hide the others, and must close every descriptor it opens. The output is
 * TAP; the program fails when any test fails. Arguments select by substring.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_SKIP 77

struct test {
	const char *name;
	void (*run)(void);
	struct test *next;
};

static struct test *test_first, **test_last = &test_first;

/* Tests run in the order in which they are written. */
#define TEST(id)                                                     \
	static void test_##id(void);                                 \
	__attribute__((constructor)) static void test_add_##id(void) \
	{                                                            \
		static struct test t = {#id, test_##id, NULL};       \
                                                                     \
		*test_last = &t;                                     \
		test_last = &t.next;                                 \
	}                                                            \
	static void test_##id(void)

#define CHECK(x) ((x) ? (void) 0 : test_fail(__FILE__, __LINE__, "%s", #x))

#define CHECK_EQ(got, want)                                                                       \
	do {                                                                                      \
		long long got_ = (got), want_ = (want);                                           \
		if (got_ != want_)                                                                \
			test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #got, got_, want_); \
	} while (0)

#define CHECK_STR(got, want)                                                                      \
	do {                                                                                      \
		const char *got_ = (got), *want_ = (want);                                        \
		if (strcmp(got_, want_) != 0)                                                     \
			test_fail(__FILE__, __LINE__, "%s is '%s', not '%s'", #got, got_, want_); \
	} while (0)

#define test_fail(file, line, fmt, ...) do_test_fail("# %s:%d: " fmt "\n", file, line, __VA_ARGS__)
#define do_test_fail(...)               (fprintf(stderr, __VA_ARGS__), _exit(1))

static inline int test_open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static inline int test_run_one(const struct test *t)
{
	fflush(NULL);
	pid_t pid = fork();

	if (pid == 0) {
		int before = test_open_fds();

		t->run();
		if (test_open_fds() != before)
			test_fail(__FILE__, __LINE__, "%s left a descriptor open", t->name);
		exit(0);
	}

	int status = 1;

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	int n = 0, failed = 0;

	for (const struct test *t = test_first; t; t = t->next) {
		if (argc > 1 && !strstr(t->name, argv[1]))
			continue;

		int r = test_run_one(t);

		n++;
		failed += r != 0 && r != TEST_SKIP;
		printf("%sok %d - %s%s\n", r && r != TEST_SKIP ? "not " : "", n, t->name,
		       r == TEST_SKIP ? " # SKIP" : "");
	}
	printf("1..%d\n", n);
	return failed || n == 0;
}
