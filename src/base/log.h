#pragma once

#include <stdbool.h>

#include "base/err.h"

/*
 * The log of a long-lived process. Library code does not log and return the same failure; only the
 * doors report (see CONTRIBUTING.md). One line is one write(), so lines of several processes that
 * share a descriptor do not mix.
 */
enum log_level {
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO,
	LOG_DEBUG,
	LOG_LEVEL_MAX,
};

enum log_format {
	LOG_TEXT, /* time="..." level=warning msg="..." as runc writes it */
	LOG_JSON, /* {"time":"...","level":"error","msg":"..."} */
	LOG_FORMAT_MAX,
};

/**
 * log_open() - say where lines go; until then they go to stderr as text
 * @fd:		where to write; borrowed, must stay open; -1 throws lines away
 * @format:	how a line looks
 * @level:	the least important level that is still written
 */
void log_open(int fd, enum log_format format, enum log_level level);

/* The same with another level: a configuration read later may want to know more. */
void log_set_level(enum log_level level);

/* From now on each line has a field "sandbox" with this id behind the level, by which the lines of
 * many servers in one log are told apart. Borrowed; NULL: no such field. */
void log_set_sandbox(const char *id);

/* Lines go to @to from now on; one for which it returns false is written to the descriptor. NULL:
 * to the descriptor again. @sandbox may be NULL. */
typedef bool (*log_sink_fn)(enum log_level level, const char *sandbox, const char *text);
void log_divert(log_sink_fn to);

void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

/* Writes "words: the error" at @level. For failures that end here, with "ignoring" in the words. */
void log_err(enum log_level level, const struct err *e, const char *words);
