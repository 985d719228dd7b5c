#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "host/storage/volumes.h"
#include "oci.pb-c.h"

/*
 * Makes the spec for the agent from the spec that an engine wrote for this host.
 *
 *	root.path		the root is shown through the share; its guest path
 *	mounts			each becomes a volume (host/storage/volumes.h), which rewrites it:
 *	  bind			shown through the share; source becomes the guest path. Owners are
 *				mapped here, too. Files of the kernel and device nodes, by whatever
 *				path, mean those of the guest (host/storage/kernel_files.h)
 *	  tmpfs, proc,...	stay: the guest makes its own
 *	  overlay		mounted here, for the layers are folders of this host, and shown
 *				like a bind mount
 *	  other kinds		refused
 *	hooks			all but startContainer are taken out: they run here
 *	linux.namespaces	network is taken out: the machine is the network namespace. A path
 *				must be a namespace of its type; only a network can be joined
 *	linux.devices		what is the same in every kernel stays (null, tty, fuse), and
 *				numbers that no device of this host has; the host's devices are
 *				refused, and taken out with a warning when all were asked for
 *				(privileged)
 *	linux.cgroupsPath	made a plain path (systemd's slice:prefix:name included)
 *	linux.seccomp		taken out if the configuration says so
 *	labels			AppArmor and SELinux: for this host's kernel only; taken out, with a
 *				warning in the log
 *	linux.intelRdt		is about this host's processor; refused
 *
 * Everything else goes to the guest as it is. A field that cannot be honoured is refused by name.
 *
 * Threads: a worker of the sandbox's.
 */
struct guest_rules {
	const char *container_id;
	const char *bundle;   /* absolute; what relative paths are relative to */
	struct share *share;  /* gets the mounts */
	struct list *volumes; /* struct volume: gets what is held for the mounts */
	bool terminal;        /* as the engine said when it asked for the container */
	bool drop_seccomp;
	int *ret_net_ns; /* the network namespace that the spec names; left alone if none */
};

/**
 * guest_spec_make() - rewrite a checked spec in place
 * @ret_hooks:	the hooks that run on the host; may be NULL when there are none. Freed with
 *		grpc__hooks__free_unpacked()
 *
 * When it fails, rules->volumes is to be released all the same. Returns 0, -EINVAL, -ENOENT (a
 * source is missing), -ENOTSUP, or -errno; errors name the field.
 */
int guest_spec_make(const struct guest_rules *rules, Grpc__Spec *spec, Grpc__Hooks **ret_hooks,
		    struct err *e);

/* What linux.cgroupsPath means in the guest, always beginning with '/'; freed by the caller. NULL
 * when out of memory. */
char *guest_cgroups_path(const char *path, const char *container_id);

/* ---- Parts, private to host/spec ---- */

/* Makes the volumes of the root and the mounts, before anything else rewrites the mounts. */
int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e);

/* Checks the paths of namespaces; opens the network's and takes it out. The types are valid. */
int guest_namespaces_make(Grpc__Linux *linux, int *ret_net_ns, struct err *e);

/* Checks the devices; takes out those that only this host has. The types are valid. */
int guest_devices_make(Grpc__Linux *linux, struct err *e);
