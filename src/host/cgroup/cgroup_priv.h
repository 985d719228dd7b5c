#pragma once

#include "base/child.h"
#include "host/cgroup/cgroup.h"
#include "host/cgroup/hierarchy.h"

/* What the files of this layer share. */

/* A cgroup in one hierarchy. */
struct host_place {
	char *folder;
	bool made; /* by us */
};

struct host_cgroup {
	char *name;
	struct hierarchies hierarchies;
	struct host_place places[HIERARCHIES_MAX]; /* one for each */
	uint64_t kills_before;                     /* of one that was there already */
	char *unit, *slice;  /* the scope of systemd that it is, and its slice; NULL: none */
	bool has_unit;       /* systemd has made it */
	struct child keeper; /* stays in the scope; CHILD_NONE: nobody needs to */
};

/* The folder in which @controller counts; NULL: the host does not have it. */
const char *host_cgroup_of(const struct host_cgroup *g, const char *controller);

/* The number behind "key " in a file of lines "key value". False when it is not there. */
bool host_cgroup_key(const char *folder, const char *file, const char *key, uint64_t *ret);

#define CGROUP_FILE_MAX_BYTES (64 << 10)
