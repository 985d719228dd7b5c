#pragma once

#include <stddef.h>

#include "base/auto.h"
#include "base/buf.h"

/*
 * The metrics of many pods in one text: each family once, with the samples of all pods, which get
 * the label sandbox_id. Private to host/monitor.
 *
 * Left out are lines that are not in order (host/metrics/exposition.h), samples outside of their
 * family, a family that a pod tells twice or with another type than the first pod, and a label
 * sandbox_id of the pod's own.
 */
#define FAMILIES_MAX       256
#define FAMILIES_MAX_BYTES (32 << 20)

struct families;

/* NULL when out of memory. */
struct families *families_new(void);

/* Accepts NULL. */
void families_free(struct families *f);
AUTO_PTR(struct families, families_free)

/* Adds the text of one pod. @sandbox_id NULL: no label is added. Returns 0, or -EMSGSIZE or -ENOMEM
 * when not all of it was added. */
int families_add(struct families *f, const char *text, size_t bytes, const char *sandbox_id);

/* Appends the whole text. Returns 0, -EMSGSIZE or -ENOMEM. */
int families_print(const struct families *f, struct buf *out);
