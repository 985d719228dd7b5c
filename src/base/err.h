#pragma once

#include <stdbool.h>

/**
 * struct err - what went wrong, as a plain value
 * @code:	positive errno of the cause; 0 means "nothing went wrong"
 * @from_kernel: the cause is a system call, so strerror(@code) belongs in the
 *		sentence; false when the sentence is already complete
 * @text:	one line, NUL-terminated, no trailing stop or newline
 *
 * An error lives on the caller's stack. There is nothing to allocate and
 * nothing to free, so it also works in PID 1 when memory has run out, and it
 * is small enough to leave a forked child through a pipe in one write().
 *
 * The three rules:
 *  1. A function that can fail returns 0 or a negative errno and takes
 *     "struct err *e" as its last argument.
 *  2. Success leaves @e alone. Failure fills it once, where the cause is
 *     known; everyone above only puts words in front with err_wrap().
 *  3. @e may be NULL: the caller then wants the number and not the story.
 */
#define ERR_TEXT_MAX 504

struct err {
	int code;
	bool from_kernel;
	char text[ERR_TEXT_MAX];
};

/* The kernel refused. Returns -@code, so "return err_sys(e, errno, ...)". */
int err_sys(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* This program refused. Returns -@code. */
int err_say(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* Puts "words: " before the sentence on the way up. Returns @r unchanged. */
int err_wrap(struct err *e, int r, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* Appends words to the whole sentence, as far as there is room: what the caller saw at the failure,
 * such as the last lines of a log. No-op without an error. */
void err_append(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/* Call this before trying something else with the same @e. */
void err_clear(struct err *e);

/* The whole sentence, for the one place that logs or replies, made printable by text_line().
 * @buf belongs to the caller and is returned; 640 bytes hold any error. */
const char *err_show(const struct err *e, char *buf, unsigned buf_bytes);

/* clang's analyzer sees one file at a time and so cannot know that err_sys() never returns 0:
 * without this it would follow paths on which a failed function returns success. */
#ifdef __clang_analyzer__
#define err_never_zero(call, code)               \
	({                                       \
		int code_ = (code);              \
		if (code_ <= 0)                  \
			__builtin_unreachable(); \
		(void) call;                     \
		-code_;                          \
	})
#define err_sys(e, code, ...) err_never_zero(err_sys(e, code_, __VA_ARGS__), code)
#define err_say(e, code, ...) err_never_zero(err_say(e, code_, __VA_ARGS__), code)
#define err_wrap(e, r, ...)                          \
	({                                           \
		int r_ = (r);                        \
		(void) err_wrap(e, r_, __VA_ARGS__); \
		r_;                                  \
	})
#endif
