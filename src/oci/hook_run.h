#pragma once

#include <stddef.h>

#include "base/auto.h"
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * Runs hooks, on the host and in the guest (runtime specification, "POSIX-platform hooks"). A hook
 * has failed when it does not end with 0 within its timeout; the error has the end of what it has
 * printed. It is in a session of its own, and ends with the thread that runs it.
 *
 * The hooks are those of a specification that oci_spec_check() has passed.
 *
 * hook_runner_init() makes all descriptors, because a seccomp filter may forbid that later.
 */
struct hook_runner {
	int state_fd;  /* the state document, which each hook gets on its standard input */
	int output_fd; /* what they all print */

	/* For the caller to set after hook_runner_init(). All is borrowed. */
	char *const *env; /* @n_env: of a hook that names no environment; else it has none */
	size_t n_env;
	int cancel_fd; /* becomes readable when the hooks are to be given up; -1: never */
	int (*prepare)(void *arg, struct err *e); /* see struct child_spec; may be NULL */
	void *prepare_arg;
};

#define HOOK_RUNNER_NONE ((struct hook_runner){.state_fd = -1, .output_fd = -1, .cancel_fd = -1})

/* @ret is HOOK_RUNNER_NONE, and still is after a failure. @state: JSON. */
int hook_runner_init(struct hook_runner *ret, const char *state, struct err *e)
	__attribute__((cold));

/* Accepts HOOK_RUNNER_NONE. */
void hook_runner_fini(struct hook_runner *runner) __attribute__((cold));
#define auto_hook_runner __attribute__((cleanup(hook_runner_fini)))

/* Runs a hook and waits for it. For the error it is number @index of @kind ("prestart"). Returns 0,
 * -ETIMEDOUT, -ECANCELED, -EIO (it ended with another code than 0), or -errno. */
int hook_run(const struct hook_runner *runner, const char *kind, size_t index,
	     const Grpc__Hook *hook, struct err *e) __attribute__((cold));
