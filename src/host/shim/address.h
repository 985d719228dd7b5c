#pragma once

#include <stddef.h>

#include "base/err.h"

/*
 * The socket that a pod's shim serves at. Private to host/shim.
 *
 * Its name follows from containerd's address, the namespace and the pod, so that the "start" of
 * the pod's next container finds the shim that runs already. Source: containerd, pkg/shim
 * SocketAddress.
 */

#define ADDRESS_DIR "/run/containerd/s"
/* The file of a bundle that names the socket: containerd up to 1.7 finds a shim again by it when it
 * was restarted, and "delete" the folder of the socket. */
#define ADDRESS_FILE   "address"
#define ADDRESS_SCHEME "unix://"
/* "unix://" and a path that fits into a socket address. */
#define ADDRESS_BYTES (sizeof ADDRESS_SCHEME + 107)

struct address {
	const char *dir;        /* NULL: ADDRESS_DIR */
	const char *containerd; /* its socket; "" for CRI-O */
	const char *namespace;
	const char *sandbox; /* the pod's id, or the lone container's */
};

/* Writes "unix://PATH" into @buf. Returns 0, or -ENAMETOOLONG for a folder that is too long. */
int address_text(const struct address *a, char buf[static ADDRESS_BYTES], struct err *e);

/* Listens there. *@ret_fd is the caller's; -1 when a shim already answers at the address. A socket
 * that nobody answers at is replaced. */
int address_listen(const struct address *a, int *ret_fd, struct err *e);

/* Removes the socket; a missing one is no failure. */
void address_remove(const struct address *a);
