#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "host/hypervisor/hypervisor.h"

/*
 * Templates: machines that were saved once their agent answered and before they knew a sandbox, and
 * from which sandboxes go on instead of booting. docs/templates.md says what machines of one
 * template share.
 *
 *	kata-runtime factory init ──► template_make() ──► PATH/KEY/{memory,state,about}
 *	a sandbox's start ──► template_open(PATH, KEY) ──► hv_load()
 *
 * KEY is hv_key() of a machine of this configuration: a machine finds a template or none, so one
 * that does not fit any more is not found and starts nothing. A template is made under a name that
 * no key has and renamed when it is complete, so that there is never half of one; the next maker
 * removes what a killed one has left. Makers take turns by a lock on PATH. A template that is
 * removed or replaced while machines start from it stays theirs, because they have it open.
 *
 * Makers are `factory init`, and a process that the server of a machine leaves which has missed its
 * template: template_try(), template_make_missing().
 *
 * Threads: any; nothing is kept. Distrusts: what lies at PATH. Folder and files must belong to the
 * caller and be closed to all others, because whoever writes them decides what runs in the
 * machines, and whoever reads them knows what all of these have in common.
 */

/* Opens the template of @key in the folder @path. *@ret is closed with template_close(). Returns 0,
 * -ENOENT (there is none), -EPERM (owner, mode), -EIO (it is not complete), or -errno. */
int template_open(const char *path, const char *key, struct hv_saved *ret, struct err *e);

#define TEMPLATE_NONE ((struct hv_saved){.memory_fd = -1, .state_fd = -1})

void template_close(struct hv_saved *t);
static inline void template_slot_close(struct hv_saved *t)
{
	template_close(t);
}
#define auto_template __attribute__((cleanup(template_slot_close)))

/* A maker's right to change the folder @path, which is made if it is missing. Waits for another
 * maker. The caller closes *@ret_fd. */
int template_lock(const char *path, int *ret_fd, struct err *e);

/* With the lock: writes down a machine of @memory_bytes that was saved, in place of what has this
 * key, and removes what killed makers have left, and of the others the oldest until there are @most
 * (at least 1). */
int template_keep(int locked_fd, const char *key, const struct hv_saved *saved,
		  uint64_t memory_bytes, size_t most, struct err *e);

/* With the lock: removes all templates. @ret_n: how many there were. */
int template_remove_all(int locked_fd, unsigned *ret_n, struct err *e);

/* A template that a machine has missed is tried to be made once in this time, whatever comes of it,
 * so that a host on which that fails does not try at every start. */
#define TEMPLATE_TRY_PAUSE_S 600

/* The right to begin a try in the folder @path, which is made if it is missing. *@ret_fd is open to
 * be appended to, and the caller's. The maker has it while it lives, and writes there, in one line,
 * why it has made nothing: template_open() repeats it. Returns 0, -EALREADY (there was a try a
 * moment ago, or its maker lives), or -errno. */
int template_try(const char *path, int *ret_fd, struct err *e);

struct config;

/* A configuration describes a machine of one container, which keeps its size, and one of a pod,
 * which may grow: two templates, if that is so. */
enum template_kind {
	TEMPLATE_OF_ONE,
	TEMPLATE_OF_POD,
	TEMPLATE_KINDS,
};

/* Whether the machine of a pod is another. */
bool template_has_pod(const struct config *config);

/**
 * template_make() - boot a machine of this configuration and keep it as a template
 * @most:	how many templates the folder may have afterwards, at least 1; the newest stay
 * @ret_key:	what it is kept as
 *
 * Takes as long as a boot. Nothing is shared with the machine, it has no disk and no interface, and
 * nothing but the guest's kernel and agent has run in it. Returns 0, -EOPNOTSUPP (such a machine
 * cannot be saved), or -errno; then what was there before is still there.
 */
int template_make(const struct config *config, enum template_kind kind, size_t most,
		  char ret_key[HV_KEY_BYTES], struct err *e);

/* How many template_make_missing() keeps, the newest: configurations may share a folder. */
#define TEMPLATES_MAX 4

/* The same for a machine that has missed the template @key, unless another maker was first.
 * Templates of other keys stay, up to TEMPLATES_MAX. Returns 0, -ENOENT (no machine of this
 * configuration has this key), or as template_make(). */
int template_make_missing(const struct config *config, const char *key, struct err *e);

/* The key of a machine of this configuration now. */
int template_key(const struct config *config, enum template_kind kind, char ret[HV_KEY_BYTES],
		 struct err *e);
