#pragma once

#include "host/network/network.h"

/* Every namespace has its loopback device under this number: LOOPBACK_IFINDEX of net/flow.h. */
#define LOOPBACK 1

/* What loopback.c does where the kernel takes no program of ours: a server without root of the
 * host, or a kernel before 5.8. Private to host/network.
 *
 * A rule of nf_tables, which whoever has CAP_NET_ADMIN in the namespace may write: a connection
 * of TCP that a process there makes and that would go out of the loopback device, because its
 * address is one of the namespace's, goes to @listener. The rule is asked before the kernel looks
 * for sockets, and cannot ask for them, so it also hides whoever listens in the namespace. */

/* @listener: listens for TCP in the namespace, of IPv6 if it is to get both families; borrowed.
 * Returns 0, or -errno, and then nothing is left: -EPERM, -EEXIST (it is there), -ENOENT or
 * -EOPNOTSUPP (a kernel without nf_tables, or before 5.2). */
int redirect_begin(struct network *n, int listener, struct err *e);

/* Removes it, if it is there. */
void redirect_end(struct network *n);
