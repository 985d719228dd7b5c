#pragma once

#include "oci/oci.h"
#include "task.pb-c.h"

/* A container's status in the words of containerd's task API, as it goes between a sandbox server
 * and its clients. */

/* UNKNOWN for a container that is being created. */
Containerd__V1__Types__Status task_status_of(enum oci_status status);

/* OCI_CREATING for what the API does not tell apart from it. */
enum oci_status task_status_read(Containerd__V1__Types__Status status);
