#pragma once

#include <stdbool.h>

#include "host/storage/virtiofsd.h"

/* Where virtiofsd finds its listening socket. */
#define VIRTIOFSD_FD 3

#define VIRTIOFSD_ARGS_MAX 64

enum virtiofsd_flavour {
	VIRTIOFSD_C,
	VIRTIOFSD_RUST,
	VIRTIOFSD_FLAVOUR_MAX,
};

struct virtiofsd_args {
	char *argv[VIRTIOFSD_ARGS_MAX + 1]; /* NULL-terminated */
	size_t n;
	int error; /* errno of the first argument that could not be added, or 0 */
};

/* The program's path, freed by the caller, or NULL and a sentence. */
char *virtiofsd_find(const char *program, struct err *e);

/* Which flavour of virtiofsd the file is. Returns 0 or -errno. */
int virtiofsd_flavour(const char *program, enum virtiofsd_flavour *ret, struct err *e);

/* A sentence about what programs in a container cannot do with this flavour. */
const char *virtiofsd_cannot(enum virtiofsd_flavour flavour);

/* Builds into zeroed @a. On failure it is empty again. */
int virtiofsd_args_build(struct virtiofsd_args *a, const struct virtiofsd_spec *spec,
			 const char *program, enum virtiofsd_flavour flavour, struct err *e);

/* Accepts a zeroed struct. */
void virtiofsd_args_fini(struct virtiofsd_args *a);
