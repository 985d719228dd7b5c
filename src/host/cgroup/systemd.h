#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "host/cgroup/cgroup.h"

/*
 * Units of the systemd that manages the host. Private to host/cgroup.
 *
 * A cgroup that systemd does not know is one that it may take controllers from when it reads its
 * units again; so where an engine names a unit ("slice:prefix:name"), systemd is asked for a
 * transient scope, which is delegated to us, and is told of the limits that are set in it.
 *
 * Over the socket that only root can use, without a bus between, in D-Bus' own words: a library for
 * it would be in the process of every pod, for three calls. Nothing is connected between them.
 *
 * Sources: the D-Bus specification 0.40, "Message Protocol" and "Authentication Protocol";
 * org.freedesktop.systemd1(5); systemd's CONTROL_GROUP_INTERFACE.
 *
 * Threads: any; the calls block, up to their deadline. Distrusts: nothing, systemd is this host's
 * root; but lengths are checked.
 */

/* Whether systemd manages this host and this process may ask it. */
bool systemd_is_there(void);

/* A number that a unit has. */
struct unit_property {
	const char *name; /* "MemoryMax" */
	uint64_t value;
};

/**
 * systemd_scope_start() - make a scope with one process in it
 * @unit:	"docker-ab.scope"
 * @slice:	"system.slice"
 * @pid:	is moved into it
 *
 * Returns once it is there. 0, -EEXIST (there is such a unit), -EIO (systemd refuses, and says
 * why), -ETIMEDOUT, or another -errno.
 */
int systemd_scope_start(const char *unit, const char *slice, pid_t pid, msec_t deadline,
			struct err *e);

/* Changes a unit as long as it is there. */
int systemd_unit_set(const char *unit, const struct unit_property *list, size_t n, msec_t deadline,
		     struct err *e);

/* Ends the unit, and kills what is in it. One that is not there is success. */
int systemd_unit_stop(const char *unit, msec_t deadline, struct err *e);

/* Parts, for tests. */

/* Connects with who listens at @path, and says who we are. Returns a descriptor, -ETIMEDOUT or
 * another -errno. */
int systemd_dial(const char *path, msec_t deadline, struct err *e);

/* The words of a refusal in a reply to the call with @serial, or NULL. *@ret_is_reply: it is one,
 * and not a signal. @data is a whole message. */
const char *systemd_reply_read(const void *data, size_t bytes, uint32_t serial, bool *ret_is_reply,
			       char words[256]);
