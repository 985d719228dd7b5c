#pragma once

#include <linux/capability.h>
#include <stdint.h>

#include "base/err.h"

/*
 * Giving up rights for good, in a child before it executes a program: system calls only.
 */
#define PRIVILEGE(cap) (UINT64_C(1) << (cap))

/* Takes all but @keep (an OR of PRIVILEGE(CAP_...)) out of the bounding set: no executed program
 * can get them. Call it before a change of user, which loses the right to do so. No-op if
 * unprivileged. */
int privilege_bound(uint64_t keep, struct err *e);

/* Keeps at most the capabilities in @keep, in every set, bounding included; never adds one. */
int privilege_limit(uint64_t keep, struct err *e);

/* From now on executing a program gives no new rights (PR_SET_NO_NEW_PRIVS). */
int privilege_seal(struct err *e);
