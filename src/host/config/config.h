#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"

/*
 * configuration.toml: how the administrator wants sandboxes to be made.
 *
 *	defaults <- configuration.toml <- config.d/<x>.toml in name order <- annotations of one pod
 *
 * Every key of upstream Kata is in one of the tables (key.h lists them): in its section's
 * (table_<section>.c) if it is honoured, else in table_upstream.c, and then its value
 *
 *	is refused	with the error "not supported yet",
 *	is warned of	if upstream's own files set it, or
 *	is ignored	because it qualifies a feature that is off, or only tunes.
 *
 * Types and ranges are checked; errors name file and line. An unknown key is a warning.
 * docs/configuration.md is printed from the same tables.
 *
 * A struct config is read once and then only read: copy it (config_copy) before a pod's annotations
 * change it. Strings are never NULL; "" means not set.
 *
 * Distrusts annotations, which come from users who may create pods: enable_annotations must allow
 * their names, types and ranges are checked, and a valid_* list must match their paths. Trusts the
 * file: it is the administrator's; that others cannot write to its folder is not checked here.
 *
 * Threads: none; no global state.
 */

struct config_list {
	char **items;
	size_t n;
};

enum config_shared_fs {
	CONFIG_SHARED_FS_NONE,
	CONFIG_SHARED_FS_VIRTIO_FS,
	CONFIG_SHARED_FS_VIRTIO_9P,
};

enum config_network {
	CONFIG_NETWORK_NONE,
	CONFIG_NETWORK_TCFILTER,
};

/* Most pairs of queues of an interface. */
#define CONFIG_NETWORK_QUEUES_MAX 16

/* [hypervisor.NAME], the one that is selected. */
struct config_hypervisor {
	char *name; /* "qemu" */
	char *path; /* the VMM's program; "" searches for it */
	char *kernel;
	char *firmware;
	char *initrd;
	char *kernel_params;        /* appended to the driver's own */
	char *machine_type;         /* "q35" */
	uint32_t accelerator;       /* enum hv_accel */
	uint32_t channel;           /* enum hv_channel: how the agent is reached */
	char *machine_accelerators; /* appended to -machine */
	char *cpu_features;         /* appended to -cpu */
	char *seccomp_sandbox;      /* -sandbox; "" uses the driver's default */
	int32_t default_vcpus;      /* as written: 0 is 1, negative all of the host */
	uint32_t default_maxvcpus;  /* 0: as many as the host has */
	uint32_t default_memory;    /* MiB */
	uint32_t default_maxmemory; /* MiB; 0: as much as the host has */
	bool enable_mem_prealloc;
	bool enable_hugepages;
	bool reclaim_guest_freed_memory;
	bool disable_block_device_use;
	bool rootless;
	bool require_confinement;
	bool enable_debug;
	char *entropy_source;
	bool enable_template;
	char *template_path;
	uint32_t network_queues;          /* of each interface; 0: 1 */
	int64_t rx_max_rate, tx_max_rate; /* bits per second; 0: no limit */

	uint32_t shared_fs;       /* enum config_shared_fs */
	char *virtio_fs_daemon;   /* "" searches for it */
	uint32_t virtio_fs_cache; /* enum virtiofsd_cache */
	uint32_t virtio_fs_queue_size;
	struct config_list virtio_fs_extra_args;
	uint32_t msize_9p;

	/* What a pod's annotations may do. */
	struct config_list enable_annotations;
	struct config_list valid_hypervisor_paths;
	struct config_list valid_virtio_fs_daemon_paths;
	struct config_list valid_entropy_sources;
};

/* [agent.kata] */
struct config_agent {
	bool enable_debug;
	struct config_list kernel_modules; /* "NAME PARAMETER..." */
	uint32_t dial_timeout_ms;          /* pause between tries to connect */
	uint32_t reconnect_timeout_ms;     /* how long to go on trying in all */
	uint32_t create_container_timeout_ms;
	uint32_t container_pipe_size; /* bytes; 0: the agent's choice */
	bool debug_console_enabled;
	char *debug_console_shell; /* a path of the host */
};

/* [runtime] */
struct config_runtime {
	bool enable_debug;
	bool log_to_journald;
	uint32_t network;                    /* enum config_network */
	char *dan_conf;                      /* folder of descriptions of interfaces; "": none */
	struct config_list egress_resolvers; /* addresses */
	struct config_list egress_allow;     /* lines of host/egress; none: no policy */
	bool disable_guest_seccomp;
	bool static_sandbox_resource_mgmt; /* a machine keeps the size that it boots with */
	bool sandbox_cgroup_only;
	struct config_list sandbox_bind_mounts; /* "PATH" or "PATH:rw" */
};

struct config {
	struct config_hypervisor hypervisor;
	struct config_agent agent;
	struct config_runtime runtime;

	char *path;                  /* the file that was read */
	struct config_list dropins;  /* and those that were merged over it, in order */
	struct config_list warnings; /* complete sentences, for the caller to log */

	uint32_t driver;               /* private: FOR_ bit (key.h) of the hypervisor's driver */
	struct config_source *sources; /* private: where each value came from */
};

/**
 * config_load() - find and read the configuration
 * @explicit_path: the file that the user named (--config, the shim's ConfigPath); NULL searches
 * @ret:	freed by the caller with config_free()
 *
 * The order: @explicit_path; $KATA_CONF_FILE; configuration.toml beside the running program when it
 * runs from a build tree; config_default_path(0), (1), ... The first that exists is read, then its
 * config.d/<x>.toml. A named file that does not exist is an error: the search does not go on.
 *
 * Returns 0, or
 *  -ENOENT	none of the files exists; the sentence lists them
 *  -EINVAL	syntax, type, range; the sentence begins with file:line
 *  -ENOTSUP	a key asks for what is not supported yet; the sentence names file:line and key
 *  -errno	reading failed
 */
int config_load(const char *explicit_path, struct config **ret, struct err *e)
	__attribute__((cold));

/* Accepts NULL. */
void config_free(struct config *c);
AUTO_PTR(struct config, config_free)

/* A copy to be changed by annotations; NULL when out of memory. */
struct config *config_copy(const struct config *c);

/* The default places, first choice first; NULL after the last. */
const char *config_default_path(unsigned i);

/**
 * config_annotate() - let one annotation of a pod change a setting
 * @key:	such as "io.katacontainers.config.hypervisor.default_memory"
 * @value:	as the pod wrote it
 *
 * For an annotation that does not begin with "io.katacontainers.config." it returns 0 and changes
 * nothing. Otherwise returns 0, or
 *  -EPERM	it is not allowed by enable_annotations, or the path by its valid_ list
 *  -EINVAL	it does not exist, or the value has the wrong type or range
 *  -ENOTSUP	valid but not supported yet
 */
int config_annotate(struct config *c, const char *key, const char *value, struct err *e)
	__attribute__((cold));

/* One effective setting, as config_each() shows it. Borrowed, valid during the call. */
struct config_setting {
	const char *key;    /* "hypervisor.qemu.default_memory" */
	const char *value;  /* as TOML; NULL: the key was set and is not supported */
	const char *origin; /* "default", "/etc/.../configuration.toml:12", "annotation" */
};

/* Calls @show for every setting that is honoured, and for every other key that a file or annotation
 * set, in the order of the tables. */
void config_each(const struct config *c, void (*show)(void *arg, const struct config_setting *s),
		 void *arg);

/* Where the value of @key ("hypervisor.qemu.kernel") came from, as above; NULL for a key that is
 * not honoured. Valid as long as @c. */
const char *config_origin(const struct config *c, const char *key);

/* The text of docs/configuration.md, freed by the caller; NULL when out of memory. */
char *config_manual(void);
