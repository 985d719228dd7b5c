#pragma once

#include <stdbool.h>

#include "base/options.h"
#include "host/state/state_dir.h"
#include "oci/oci.h"

/* What exec's options say about the process. All borrowed from the command line. */
struct process_options {
	const char *file; /* process.json; the other options then do not count, as with runc */
	const char *cwd;
	const char *user; /* UID[:GID] */
	const char *apparmor;
	const char *label;
	struct option_list env;
	struct option_list gids;
	struct option_list caps;
	bool tty;
	bool no_new_privs;
};

/**
 * process_spec_make() - the process that exec runs
 * @dir:	of the container, whose own process fills in what the options do not set
 * @argv:	the command, @argc words
 * @ret:	freed by the caller with oci_process_free()
 *
 * Returns 0, or -EINVAL with the option or field in the sentence.
 */
int process_spec_make(const struct process_options *o, const struct state_dir *dir, int argc,
		      char **argv, Grpc__Process **ret, struct err *e);
