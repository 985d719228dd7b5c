#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "bootstrap.pb-c.h"

/*
 * What containerd tells a shim that it starts. Private to host/shim.
 *
 *	containerd up to 2.2, CRI-O	command line; stdin has the runtime's options or nothing;
 *					the answer is the plain address of the socket
 *	the same, for a sandbox		only containerd 2.0 to 2.2 knows shims of sandboxes, which
 *					have no config.json: the answer is JSON of version 3
 *	containerd 2.3 and later	BootstrapParams on stdin; the answer is a BootstrapResult
 *
 * Sources: containerd, core/runtime/v2 and pkg/shim of 1.6 to 2.4.
 */
struct bootstrap {
	/* NULL: an older caller */
	Containerd__Runtime__Bootstrap__V1__BootstrapParams *params;
	char *config_path; /* of the runtime's options; NULL: none */
};

/* Reads @fd to its end. The message counts as BootstrapParams only if it names @id and @namespace,
 * because a google.protobuf.Any also parses as one. Returns 0 or -errno; on success the caller
 * calls bootstrap_fini(). */
int bootstrap_read(int fd, const char *id, const char *namespace, struct bootstrap *ret,
		   struct err *e);

/* Accepts a zeroed one. */
void bootstrap_fini(struct bootstrap *b);

/* The path of a configuration file in the options of runtimeoptions.v1.Options, freed by the
 * caller; NULL: options of another kind, or without a path. */
char *bootstrap_config_path(const Google__Protobuf__Any *options);

/* Writes the answer to @fd: the address of the shim's socket in the form that the caller reads. */
int bootstrap_answer(const struct bootstrap *b, int fd, const char *address, bool is_sandbox,
		     struct err *e);
