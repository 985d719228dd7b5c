#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "host/storage/share.h"
#include "oci.pb-c.h"

struct oci_mount_options;

/*
 * Makes the spec for the agent from the spec that an engine wrote for this host.
 *
 *	root.path		the root is shown through the share; its guest path
 *	mounts, bind		shown through the share; source becomes the guest path. Owners are
 *				mapped here, too. Files of the kernel and device nodes, by whatever
 *				path, mean those of the guest (host/storage/kernel_files.h)
 *	mounts, tmpfs, proc,...	stay: the guest makes its own
 *	mounts, overlay		mounted here, for the layers are folders of this host, and shown
 *				like a bind mount
 *	mounts, other kinds	refused
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
 * Threads: the sandbox's worker.
 */
struct guest_rules {
	const char *container_id;
	const char *bundle;  /* absolute; what relative paths are relative to */
	struct share *share; /* gets the mounts */
	bool terminal;       /* as the engine said when it asked for the container */
	bool drop_seccomp;
	int *ret_net_ns; /* the network namespace that the spec names; left alone if none */
};

/**
 * guest_spec_make() - rewrite a checked spec in place
 * @ret_hooks:	the hooks that run on the host; may be NULL when there are none. Freed with
 *		grpc__hooks__free_unpacked()
 *
 * When it fails, what was put into the share is taken away with share_drop(). Returns 0, -EINVAL,
 * -ENOENT (a source is missing), -ENOTSUP, or -errno; errors name the field.
 */
int guest_spec_make(const struct guest_rules *rules, Grpc__Spec *spec, Grpc__Hooks **ret_hooks,
		    struct err *e);

/* What linux.cgroupsPath means in the guest, always beginning with '/'; freed by the caller. NULL
 * when out of memory. */
char *guest_cgroups_path(const char *path, const char *container_id);

/* ---- Parts, private to host/spec ---- */

/* Shows the root and the bind mounts. Call it before the mounts are rewritten in any other way. */
int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e);

/* Mounts the overlay @m, whose options are @o, on a new folder @path; guest_overlay_unmount()
 * removes it once it is shared. Errors name the part of the mount, not the mount. */
int guest_overlay_mount(const Grpc__Mount *m, const struct oci_mount_options *o, const char *path,
			struct err *e);
void guest_overlay_unmount(const char *path);

/* Whether an option is overlay's own, which the bind mount in the guest must not have. */
bool guest_overlay_has_option(char *word);

/* Checks the paths of namespaces; opens the network's and takes it out. The types are valid. */
int guest_namespaces_make(Grpc__Linux *linux, int *ret_net_ns, struct err *e);

/* Checks the devices; takes out those that only this host has. The types are valid. */
int guest_devices_make(Grpc__Linux *linux, struct err *e);

/* Makes the files and folders on which the agent will mount, and the working folder, in a root that
 * the guest will not be able to write to. @is_dir[i]: mounts[i] goes on a folder, not a file. */
int guest_root_prepare(int root_fd, const Grpc__Spec *spec, const bool *is_dir, struct err *e);
