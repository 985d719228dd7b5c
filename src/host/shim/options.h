#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/log.h"

/* The command line, in the form that containerd uses: -name value, -name=value, and one verb.
 * Private to host/shim. */

struct shim_options {
	const char *id;
	const char *namespace;
	const char *address; /* of containerd */
	const char *bundle;
	const char *publish_binary;
	const char *config;
	const char *state_dir;
	const char *log_format;
	const char *make_template; /* a key, or NULL */
	bool debug;
	bool quiet;
	bool info;
	bool version;
	bool help;
	const char *verb; /* "" for none */
};

/* Strings point into @argv. Returns 0 or -EINVAL. */
int shim_options_parse(int argc, char **argv, struct shim_options *ret, struct err *e)
	__attribute__((cold));

/* Prints the text of -help. */
void shim_options_help(void) __attribute__((cold));
