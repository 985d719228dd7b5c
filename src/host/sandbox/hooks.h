#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/clock.h"
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * The OCI hooks that run on the host, by oci/hook_run.h. Each has the bundle as working folder, and
 * only the environment that it names, because the server's own is its caller's.
 *
 * Threads: any but the loop's; blocks until the last hook has ended.
 */
struct hooks_run {
	const char *kind;  /* "prestart": for errors */
	const char *state; /* JSON */
	const char *bundle;
	int mount_ns_fd; /* namespace of mounts to run in; -1: that of the caller */
	int cancel_fd;   /* becomes readable when the hooks are to be given up; -1: never */
	/* All run, and failures are logged: for poststart and poststop, whose failures do not stop
	 * the lifecycle (runtime specification, lifecycle). */
	bool ignores_failures;
};

/* Runs the hooks in order, until one fails unless failures are ignored. Returns 0, -ETIMEDOUT,
 * -ECANCELED, -EIO (it ended with another code than 0), or -errno. */
int hooks_run(const struct hooks_run *run, Grpc__Hook *const *hooks, size_t n, struct err *e)
	__attribute__((cold));
