#pragma once

#include "base/err.h"

/* The program of the kernel's that loopback.c attaches. Private to host/network.
 *
 * A frame that arrives at the loopback device, with TCP to 127.0.0.0/8 or ::1, is asked for by its
 * addresses and ports: if the namespace has no socket for it, neither a connection nor one that
 * listens, it is @listener's, whose port does not matter. All other frames pass as they are.
 *
 * It is asked at the ingress of the device and not as sk_lookup, which would be fewer instructions,
 * because that is asked before the sockets that listen, and cannot ask for them. */

/* Loads it. @listener: listens for TCP in the namespace, of IPv6 if it is to get both families;
 * borrowed, the program forgets it when it is closed. Returns a descriptor, or -errno: -EPERM (not
 * root of the host, or the administrator has switched programs off), -EINVAL or -ENOSYS (a kernel
 * before 5.8, or without them). */
int catch_load(int listener, struct err *e);
