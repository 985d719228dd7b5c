#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Judges the process at the other end of a connection to the server. Private to host/shim.
 *
 * A client of the socket may do everything with the sandbox, run hooks as the server's user
 * included. So the server serves only its own user, and no process that belongs to a machine,
 * because a VMM or a file server that the guest has taken over must reach no server.
 *
 * A process belongs to a machine when it is one of the helpers named here or a descendant of one,
 * when it lives in a user or pid namespace of theirs, or when it descends from a child of any
 * server (known by the name of the program) that lives in other namespaces than that server. A
 * check that the kernel gives no answer to passes, because the peer's user is known to be the owner
 * by then.
 */
struct peer_rules {
	uid_t owner;
	const char *server_name; /* name of our program's file */
	const pid_t *helpers;    /* of our own machine; 0: none */
	size_t n_helpers;
};

struct peer {
	uid_t uid;
	pid_t pid; /* 0: of a pid namespace that we do not see into, which is never a helper's */
	bool gone; /* of the right user, and has ended already */
};

/* Judges the connected unix socket @fd; *@ret is filled as far as it is known in any case. Returns
 * 0, -EACCES with the reason, or -ESRCH for one that is gone. */
int peer_judge(int fd, const struct peer_rules *rules, struct peer *ret, struct err *e);
