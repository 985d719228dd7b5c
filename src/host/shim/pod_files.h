#pragma once

#include "base/err.h"
#include "oci.pb-c.h"

/*
 * What the containers of a pod share beside namespaces: /etc/hostname, /etc/hosts, /etc/resolv.conf
 * and /dev/shm. Private to host/shim.
 *
 * An engine that makes the pod's own container has these in a folder of its own and lists them
 * among the mounts of each container. One that leaves pods to their sandbox server lists none, so
 * the server makes them, in the folder of the sandbox, which its engine removes. /dev/shm is a
 * tmpfs in the server's mount namespace and goes with that; it tells which mount is the pod's, and
 * what is written there is in the guest (struct volume_shm of host/storage/volumes.h).
 *
 * Source: containerd, linuxContainerMounts() in internal/cri/server.
 */

/* Makes them in @folder. @resolv_conf: its text; NULL: the host's. A file that the host does not
 * have either is left out. */
int pod_files_make(const char *folder, const char *hostname, const char *resolv_conf,
		   struct err *e);

/* Adds them to the mounts of a container, where these have nothing at the same place. A container
 * whose root is read-only cannot write to the files. @folder: a string. Any thread. */
int pod_files_complete(void *folder, Grpc__Spec *spec, struct err *e);
