#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "host/storage/volumes.h"
#include "oci.pb-c.h"

/*
 * Makes the spec for the agent from the spec that an engine wrote for this host.
 *
 *	root.path		the root is shown through the share; its guest path. One that
 *				consists of disks is mounted by the guest
 *	mounts			each becomes a volume (host/storage/volumes.h), which rewrites it:
 *	  bind			shown through the share; source becomes the guest path. Owners are
 *				mapped here, too. Files of the kernel and character devices, by
 *				whatever path, mean those of the guest
 *				(host/storage/kernel_files.h); a disk is lent to the machine as one
 *				of linux.devices is
 *	  tmpfs, proc,...	stay: the guest makes its own
 *	  on /dev/shm		a tmpfs of the host becomes one of the guest's, the pod's if it is
 *				the pod's
 *	  overlay		mounted here, for the layers are folders of this host, and shown
 *				like a bind mount
 *	  ext4, erofs, ...	the disk is given to the machine, and the guest mounts it
 *	  other kinds		refused
 *	hooks			all but startContainer are taken out: they run here
 *	linux.namespaces	network is taken out: the machine is the network namespace. A path
 *				must be a namespace of its type. Any network can be joined; ipc, uts
 *				and pid if it is that of a container in the same machine; of a user
 *				namespace the mappings count, and that of a container in the same
 *				machine is shared with it
 *	linux.devices		what is the same in every kernel stays (null, tty, fuse), and
 *				numbers that no device of this host has; a disk is lent to the
 *				machine, for reading only if the rules (linux.resources.devices)
 *				allow no more; other devices of the host are refused. Disks and
 *				others are taken out with a warning when all were asked for
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

/* A namespace of this host: two are the same if both numbers are. */
struct guest_ns {
	dev_t dev;
	ino_t ino;
};

/* A container that is in the machine, and the namespaces of its stand-in: a path that leads to one
 * of these means what the container has in the guest. */
struct guest_sibling {
	const char *id;
	struct guest_ns net, ipc, uts, pid, user;
};

/* The namespaces that a spec names by path, and its user namespace. */
struct guest_joined {
	int net_ns, ipc_ns, uts_ns; /* of this host; -1: none. Closed by guest_joined_fini() */
	int user_ns;                /* the same; if no path names it, one of its own */
	char *pid_of; /* the sibling whose process ids the container sees; NULL: its own */
	char *ipc_of; /* the siblings whose the others are; NULL: nobody's */
	char *uts_of;
	char *user_of;
	bool any; /* at least one is a sibling's */
};

#define GUEST_JOINED_NONE \
	((struct guest_joined){.net_ns = -1, .ipc_ns = -1, .uts_ns = -1, .user_ns = -1})

void guest_joined_fini(struct guest_joined *j);

struct guest_rules {
	const char *container_id;
	const char *bundle;  /* absolute; what relative paths are relative to */
	struct share *share; /* gets the mounts */
	const struct volume_disks *disks;
	bool no_block_devices; /* refuse them */
	const char *
		direct_volumes; /* folder: see host/storage/direct_volume.h; NULL: there are none */
	const char *sandbox_id; /* who has direct volumes */
	struct list *volumes;   /* struct volume: gets what is held for the mounts */
	/* The mounts of the root, if the guest makes them; they are not at root.path then. */
	Grpc__Mount *const *root_mounts;
	size_t n_root_mounts;
	bool terminal; /* as the engine said when it asked for the container */
	bool drop_seccomp;
	struct volume_shm *shm; /* the pod's /dev/shm; guest_holder_make() finds it */
	bool lends_shm;         /* no container holds the pod: this one's /dev/shm is the pod's */
	const struct guest_sibling *siblings;
	size_t n_siblings;
	struct guest_joined *ret_joined; /* gets what the spec names, also when this fails */
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

/**
 * guest_holder_make() - the same for a container that holds a pod and runs no program
 *
 * Nothing of it is shared: only its namespaces are judged, its /dev/shm is looked at, and its hooks
 * are taken out.
 */
int guest_holder_make(const struct guest_rules *rules, Grpc__Spec *spec, Grpc__Hooks **ret_hooks,
		      struct err *e);

/* What linux.cgroupsPath means in the guest, always beginning with '/'; freed by the caller. NULL
 * when out of memory. */
char *guest_cgroups_path(const char *path, const char *container_id);

/* ---- Parts, private to host/spec ---- */

/* Makes the volumes of the root and the mounts, before anything else rewrites the mounts. */
int guest_mounts_make(const struct guest_rules *rules, Grpc__Spec *spec, struct err *e);

/* Checks the paths of namespaces, takes them out, and takes out the network. The types are
 * valid. */
int guest_namespaces_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e);

/* Opens @path, which must be a namespace of @type. *@ret_fd is the caller's; *@ret_sibling is whose
 * namespace it is, or NULL: nobody's in this machine. */
int guest_namespace_open(const struct guest_rules *rules, const char *path, int type, int *ret_fd,
			 const struct guest_sibling **ret_sibling, struct err *e);

/* Makes or opens the user namespace, takes out its path, and completes or checks the mappings.
 * Before guest_mounts_make(), because mounts use them. */
int guest_users_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e);

/* Lends the machine the disks among the devices, refuses what else only this host has, or takes all
 * that out if the container is privileged. The types are valid. */
int guest_devices_make(const struct guest_rules *rules, Grpc__Linux *linux, struct err *e);

/* Says what the rules let the container do with a disk of the machine in a rule of its own, because
 * the agent gives that the guest's numbers, and a rule about all of a driver's devices means
 * another driver there. @d has the host's numbers. */
int guest_device_allow(Grpc__Linux *linux, const Grpc__LinuxDevice *d, struct err *e);

/* Whom volumes are made for. */
struct volume_owner guest_volume_owner(const struct guest_rules *rules, const Grpc__Linux *linux);
