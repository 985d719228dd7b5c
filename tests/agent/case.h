#pragma once

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/agent/vm.h"

/*
 * Tests that share one machine. As in tests/test.h a test is a function that passes when it
 * returns; unlike there they run one after the other in one process, and one that fails jumps out.
 */
struct case_entry {
	const char *name;
	void (*run)(struct vm *vm);
	struct case_entry *next;
};

extern struct case_entry *case_first, **case_last;
extern jmp_buf case_failed;

#define CASE(id)                                                     \
	static void case_##id(struct vm *vm);                        \
	__attribute__((constructor)) static void case_add_##id(void) \
	{                                                            \
		static struct case_entry c = {#id, case_##id, NULL}; \
                                                                     \
		*case_last = &c;                                     \
		case_last = &c.next;                                 \
	}                                                            \
	static void case_##id(struct vm *vm)

#define FAIL(...)                                                                        \
	(fprintf(stderr, "# %s:%d: ", __FILE__, __LINE__), fprintf(stderr, __VA_ARGS__), \
	 fputc('\n', stderr), longjmp(case_failed, 1))
#define CHECK(x) ((x) ? (void) 0 : FAIL("%s", #x))
#define CHECK_EQ(got, want)                                              \
	do {                                                             \
		long long got_ = (got), want_ = (want);                  \
		if (got_ != want_)                                       \
			FAIL("%s is %lld, not %lld", #got, got_, want_); \
	} while (0)
#define CHECK_STR(got, want)                                             \
	do {                                                             \
		const char *got_ = (got), *want_ = (want);               \
		if (strcmp(got_, want_) != 0)                            \
			FAIL("%s is '%s', not '%s'", #got, got_, want_); \
	} while (0)
/* A call that must succeed; its err is called "why". */
#define MUST(call)                                                                  \
	do {                                                                        \
		struct err why = {0};                                               \
		char shown[640];                                                    \
		if ((call) < 0)                                                     \
			FAIL("%s: %s", #call, err_show(&why, shown, sizeof shown)); \
	} while (0)
