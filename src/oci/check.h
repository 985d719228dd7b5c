#pragma once

#include <stdbool.h>

#include "oci/oci.h"
#include "oci/refuse.h"

/* The parts of oci_spec_check(). Private to oci. Each returns 0, -EINVAL or -ENOTSUP and names the
 * field from the top of the document. */

/* A path that the specification wants absolute; absent and empty are refused too. */
int check_absolute(const char *path, const char *field, struct err *e);

/* @namespaces: CLONE_NEW* of those the spec lists. */
int check_namespaces(const Grpc__Linux *l, unsigned *ret_namespaces, struct err *e);
int check_linux(const Grpc__Linux *l, unsigned namespaces, struct err *e);
int check_sysctl(const char *name, unsigned namespaces, struct err *e);
int check_id_mappings(Grpc__LinuxIDMapping *const *list, size_t n, const char *field,
		      struct err *e);
int check_seccomp(const Grpc__LinuxSeccomp *s, struct err *e);
