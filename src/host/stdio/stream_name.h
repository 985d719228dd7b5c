#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The name of a standard stream, as containerd gives it. Private to host/sandbox and host/stdio.
 *
 *	/path, fifo:///path		a fifo that the client has made
 *	file:///path			a file that is appended to, for output only
 *	binary:///path?key=value&...	a program that takes the output; its arguments are the keys
 *					and values
 *	binary-v2:///path?...		the same, but it must say that it is ready
 *	ttrpc+unix:///path?streaming_id=ID
 *					a stream that the client has opened, or will, on the socket
 *					of the server itself
 *
 * A path and what stands behind '?' may have bytes as %XX, the latter spaces as '+'. Source:
 * containerd, pkg/cio and cmd/containerd-shim-runc-v2/process/io.go.
 */
enum stream_kind { STREAM_FIFO, STREAM_FILE, STREAM_BINARY, STREAM_BINARY_V2, STREAM_REMOTE };

#define STREAM_ARGS_MAX 64

struct stream_name {
	enum stream_kind kind;
	char *path; /* absolute */
	char *args[STREAM_ARGS_MAX];
	size_t n_args;
	const char *id; /* of a stream that the client opens; else NULL */
};

/* Returns 0, -EINVAL for a path that is not absolute or a wrong %XX, -ENOTSUP for another kind of
 * name, -E2BIG or -ENOMEM. Call stream_name_fini() also after a failure. */
int stream_name_parse(const char *text, struct stream_name *ret, struct err *e);
void stream_name_fini(struct stream_name *n);
