#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/cli/verb.h"

/* The options that create and run have in common, and those of run. */
struct create_values {
	const char *bundle;
	const char *pid_file;
	const char *console_socket;
	uint64_t preserve_fds;
	bool detach;   /* run only */
	bool keep;     /* run only */
	bool outlives; /* no option: a signal that ends create is -EINTR, because the caller has
			 * something to remove; else this process dies of it */
};

#define CREATE_FIELD(kind, member) OPTION_FIELD(kind, struct create_values, member)

/* The options of both, for their tables. */
#define CREATE_OPTIONS                                                                              \
	{"bundle",                                                                                  \
	 'b',                                                                                       \
	 CREATE_FIELD(STRING, bundle),                                                              \
	 "DIR",                                                                                     \
	 "folder of config.json (default: here)",                                                   \
	 false},                                                                                    \
		{"pid-file",                                                                        \
		 0,                                                                                 \
		 CREATE_FIELD(STRING, pid_file),                                                    \
		 "FILE",                                                                            \
		 "write the pid of the process that stands in for the container",                   \
		 false},                                                                            \
		{"console-socket",                                                                  \
		 0,                                                                                 \
		 CREATE_FIELD(STRING, console_socket),                                              \
		 "SOCKET",                                                                          \
		 "send the master of the container's terminal here",                                \
		 false},                                                                            \
		{"preserve-fds",                                                                    \
		 0,                                                                                 \
		 CREATE_FIELD(NUMBER, preserve_fds),                                                \
		 "N",                                                                               \
		 "only 0: descriptors cannot enter a virtual machine",                              \
		 false},                                                                            \
		{"no-pivot", 0, OPTION_FLAG, 0, NULL, "the guest always can", true},                \
		{"no-new-keyring", 0, OPTION_FLAG, 0, NULL, "the guest has keys of its own", true}, \
	{                                                                                           \
		"no-subreaper", 0, OPTION_FLAG, 0, NULL, "there is none", true                      \
	}

/**
 * create_container() - make a container out of a bundle
 * @detached:	leave it to its stand-in; otherwise stay until it ends
 * @start:	of one that is left: run its process
 *
 * Returns 0, the exit code of a container that was stayed with, or -errno: then nothing is left.
 */
int create_container(const struct cli *cli, const struct create_values *v, const char *id,
		     bool detached, bool start, struct err *e);
