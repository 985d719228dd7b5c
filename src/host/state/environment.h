#pragma once

#include "base/err.h"

/*
 * The environment of a sandbox server: what its starter inherits of these variables (programs, the
 * configuration, the user's own /run), and what the starter tells it. Nothing else, because the
 * starter's environment may hold secrets that the server and its children do not need.
 */
#define ENVIRONMENT_MAX 8

struct environment {
	char *list[ENVIRONMENT_MAX]; /* "NAME=VALUE", ends with NULL */
};

#define ENVIRONMENT_NONE ((struct environment){.list = {NULL}})
#define auto_environment __attribute__((cleanup(environment_fini)))

/* @more: what the starter tells, "NAME=VALUE", at most four, ends with NULL; copied. On failure
 * environment_fini() is due as well. Returns 0 or -ENOMEM. */
int environment_make(const char *const *more, struct environment *ret, struct err *e);

void environment_fini(struct environment *env);
