/*
 * Of all sections the keys that the upstream system knows and that are not honoured here.
 *
 *	REFUSED		a value that asks for something is an error, because the sandbox would not
 *			be what the administrator configured: the feature is not supported yet
 *	WARNED		such a value loads, because files that the upstream system ships have it;
 *			the warning says what is done instead
 *	IGNORED		any value loads, because the key only tunes, or nothing here depends on it
 *	QUALIFIES	any value loads, because the key says more about one that is refused
 *
 * The text is the key's line in the manual. A key that becomes honoured moves to its section's
 * table. .after keeps lines where their subject is shown, see order.c.
 */
#include "base/array.h"
#include "host/config/key.h"

#define REFUSED(name_, kind_, accepted_, help_)                                           \
	.name = name_, .kind = KEY_##kind_, .status = KEY_REFUSED, .accepted = accepted_, \
	.help = help_
#define WARNED(name_, kind_, accepted_, instead_, help_)                                 \
	.name = name_, .kind = KEY_##kind_, .status = KEY_WARNED, .accepted = accepted_, \
	.note = instead_, .help = help_
#define IGNORED(name_, kind_, help_) \
	.name = name_, .kind = KEY_##kind_, .status = KEY_IGNORED, .help = help_
#define QUALIFIES(name_, kind_, what_) IGNORED(name_, kind_, "Qualifies `" what_ "`.")

/* What asks for nothing, as TOML. */
#define VALUES(...) #__VA_ARGS__

static const struct key hypervisor[] = {
	{REFUSED("image", STRING, VALUES(""), "A disk image as the guest's root."),
	 .after = "initrd", .note = "set 'initrd' instead"},
	{IGNORED("rootfs_type", STRING, "The file system in `image`.")},
	{IGNORED("vm_rootfs_driver", STRING, "How `image` is attached.")},
	{IGNORED("disable_image_nvdimm", BOOL, "Attach `image` as a block device.")},
	{REFUSED("kernel_verity_params", STRING, VALUES(""), "dm-verity hashes of `image`."),
	 .after = "kernel_params"},
	{REFUSED("firmware_volume", STRING, VALUES(""), "The firmware's variables."),
	 .after = "firmware"},
	{REFUSED("pflashes", LIST, VALUES([]), "Flash images.")},
	{REFUSED("disable_seccomp", BOOL, VALUES(false),
		 "Switch off the VMM's own seccomp filter."),
	 .after = "seccompsandbox"},
	{IGNORED("log_level", STRING, "Of VMMs other than QEMU."), .after = "enable_debug"},
	{IGNORED("hypervisor_loglevel", INTEGER, "Of VMMs other than QEMU."), .max = 3},
	{REFUSED("extra_monitor_socket", STRING, VALUES(""),
		 "A second monitor socket of QEMU, for debugging.")},
	{REFUSED("use_legacy_serial", BOOL, VALUES(false),
		 "A serial port as the guest's console.")},
	{IGNORED("disable_nesting_checks", BOOL,
		 "There is no such check: the accelerator is chosen by trying.")},
	{REFUSED("disable_nested_virtualization", BOOL, VALUES(false),
		 "Hide virtualization from the guest.")},
	{REFUSED("guest_hook_path", STRING, VALUES(""), "A folder of hooks in the guest.")},
	{IGNORED("disable_selinux", BOOL, "The VMM's process is not labelled.")},
	{REFUSED("disable_guest_selinux", BOOL, VALUES(true),
		 "Do not label processes in the guest."),
	 .note = "the guest has no SELinux"},
	{REFUSED("selinux_label", STRING, VALUES(""), "The label of processes in the guest.")},
	{REFUSED("guest_memory_dump_path", STRING, VALUES(""),
		 "Where a panicking guest's memory is saved.")},
	{QUALIFIES("guest_memory_dump_paging", BOOL, "guest_memory_dump_path")},
	{REFUSED("guest_extension_images", TABLES, VALUES([]),
		 "Further images with parts of the guest's root.")},
	{WARNED("overhead_vcpus", FLOAT, VALUES(0.2, 0.0, 0),
		"a sandbox is sized by its container's limits alone",
		"Virtual CPUs added for the VM itself."),
	 .after = "default_maxvcpus"},
	{WARNED("overhead_memory", INTEGER, VALUES(32, 0),
		"what the guest needs is known and added without it",
		"MiB added for the VM itself."),
	 .after = "default_maxmemory", .max = UINT32_MAX},
	{WARNED("memory_slots", INTEGER, VALUES(10, 0), "memory comes by virtio-mem, without slots",
		"Slots for plugged memory."),
	 .max = UINT32_MAX},
	{REFUSED("memory_offset", INTEGER, VALUES(0), "MiB kept free for an nvdimm.")},
	{REFUSED("hugepage_type", STRING, VALUES("", "hugetlbfs"), "Which kind of huge pages."),
	 .after = "enable_hugepages"},
	{IGNORED("enable_virtio_mem", BOOL, "Memory always comes and goes by virtio-mem.")},
	{REFUSED("enable_guest_swap", BOOL, VALUES(false), "A swap device in the guest.")},
	{QUALIFIES("guest_swap_path", STRING, "enable_guest_swap")},
	{QUALIFIES("guest_swap_size_percent", INTEGER, "enable_guest_swap"), .max = UINT32_MAX},
	{QUALIFIES("guest_swap_create_threshold_secs", INTEGER, "enable_guest_swap"),
	 .max = UINT32_MAX},
	{REFUSED("enable_numa", BOOL, VALUES(false), "NUMA nodes in the guest.")},
	{REFUSED("numa_mapping", LIST, VALUES([]), "The host's node of each of the guest's.")},
	{REFUSED("virtio_fs_cache_size", INTEGER, VALUES(0), "MiB of the DAX window."),
	 .after = "virtio_fs_extra_args"},
	{REFUSED("virtio_fs_is_dax", BOOL, VALUES(false), "A DAX window.")},
	{REFUSED("prefetch_list_path", STRING, VALUES(""), "Files to read ahead."),
	 .after = "msize_9p", .annotation = "prefetch_files.list"},
	{REFUSED("disable_vhost_net", BOOL, VALUES(false),
		 "Network devices in the VMM instead of the host's kernel; networks come later."),
	 .after = "entropy_source", .access = POD_IF_NAMED},
	{REFUSED("net_rate_limiter_bw_max_rate", INTEGER, VALUES(0),
		 "Bits per second of networks.")},
	{QUALIFIES("net_rate_limiter_bw_one_time_burst", INTEGER, "net_rate_limiter_bw_max_rate")},
	{REFUSED("net_rate_limiter_ops_max_rate", INTEGER, VALUES(0),
		 "Operations per second of networks.")},
	{QUALIFIES("net_rate_limiter_ops_one_time_burst", INTEGER,
		   "net_rate_limiter_ops_max_rate")},
	{WARNED("default_bridges", INTEGER, VALUES(1, 0), "there is one",
		"PCI bridges for what is plugged: one, which has room for 29 disks."),
	 .max = 5},
	{REFUSED("enable_iommu", BOOL, VALUES(false), "An IOMMU in the guest.")},
	{REFUSED("enable_iommu_platform", BOOL, VALUES(false), "Virtio behind the IOMMU.")},
	{REFUSED("cold_plug_vfio", STRING, VALUES("no-port", ""),
		 "The port for devices passed through at boot.")},
	{REFUSED("hot_plug_vfio", STRING, VALUES("no-port", ""),
		 "The port for devices passed through later.")},
	{REFUSED("pcie_root_port", INTEGER, VALUES(0), "PCIe root ports.")},
	{REFUSED("pcie_switch_port", INTEGER, VALUES(0), "PCIe switch ports.")},
	{QUALIFIES("valid_vhost_user_store_paths", LIST, "vhost_user_store_path"),
	 .after = "valid_entropy_sources"},
	{QUALIFIES("valid_jailer_paths", LIST, "jailer_path")},
	{QUALIFIES("valid_ctlpaths", LIST, "ctlpath")},
};

const struct key_table upstream_hypervisor = {SECTION_HYPERVISOR, FOR_ALL, NULL, hypervisor,
					      ARRAY_LEN(hypervisor)};

static const struct key_word aio[] = {
	{"threads", 0},
	{"native", 0},
	{"io_uring", 0},
	{NULL, 0},
};

static const struct key block[] = {
	{WARNED("block_device_driver", STRING, VALUES("virtio-blk", "virtio-blk-pci"),
		"virtio-blk is used", "How a container's block devices are attached."),
	 .after = "disable_block_device_use"},
	{WARNED("block_device_aio", STRING, VALUES("io_uring", "threads"),
		"QEMU takes its own choice", "How QEMU does I/O on block devices."),
	 .words = aio},
	{REFUSED("block_device_cache_set", BOOL, VALUES(false), "Use the two keys below.")},
	{REFUSED("block_device_cache_direct", BOOL, VALUES(false),
		 "Bypass the host's page cache.")},
	{REFUSED("block_device_cache_noflush", BOOL, VALUES(false), "Ignore the guest's flushes.")},
	{REFUSED("block_device_logical_sector_size", INTEGER, VALUES(0),
		 "Bytes in a sector; 0 as the device has it."),
	 .annotation = "blk_logical_sector_size"},
	{REFUSED("block_device_physical_sector_size", INTEGER, VALUES(0),
		 "Bytes in a physical sector; 0 as the device has it."),
	 .annotation = "blk_physical_sector_size"},
	{REFUSED("enable_iothreads", BOOL, VALUES(false), "A thread of its own for disks.")},
	{REFUSED("indep_iothreads", INTEGER, VALUES(0), "How many more such threads.")},
	{WARNED("queue_size", INTEGER, VALUES(128, 0), "QEMU takes its own choice",
		"Requests in flight of a block device."),
	 .annotation = "block_device_queue_size", .max = UINT32_MAX},
	{REFUSED("num_queues", INTEGER, VALUES(1, 0), "Queues of a block device."),
	 .annotation = "block_device_num_queues"},
	{REFUSED("enable_vhost_user_store", BOOL, VALUES(false),
		 "Block devices of a vhost-user target.")},
	{QUALIFIES("vhost_user_store_path", STRING, "enable_vhost_user_store")},
	{QUALIFIES("vhost_user_reconnect_timeout_sec", INTEGER, "enable_vhost_user_store"),
	 .max = UINT32_MAX},
	{REFUSED("disk_rate_limiter_bw_max_rate", INTEGER, VALUES(0),
		 "Bits per second of disks; 0 is no limit.")},
	{QUALIFIES("disk_rate_limiter_bw_one_time_burst", INTEGER,
		   "disk_rate_limiter_bw_max_rate")},
	{REFUSED("disk_rate_limiter_ops_max_rate", INTEGER, VALUES(0),
		 "Operations per second of disks; 0 is no limit.")},
	{QUALIFIES("disk_rate_limiter_ops_one_time_burst", INTEGER,
		   "disk_rate_limiter_ops_max_rate")},
};

const struct key_table upstream_block = {SECTION_HYPERVISOR, FOR_ALL, NULL, block,
					 ARRAY_LEN(block)};

static const struct key special[] = {
	{REFUSED("confidential_guest", BOOL, VALUES(false), "A guest that the host cannot read.")},
	{REFUSED("sev_snp_guest", BOOL, VALUES(false), "AMD SEV-SNP.")},
	{QUALIFIES("snp_id_block", STRING, "sev_snp_guest")},
	{QUALIFIES("snp_id_auth", STRING, "sev_snp_guest")},
	{QUALIFIES("snp_guest_policy", INTEGER, "sev_snp_guest")},
	{QUALIFIES("tdx_quote_generation_service_socket_port", INTEGER, "confidential_guest")},
	{QUALIFIES("measurement_algo", STRING, "confidential_guest")},
	{REFUSED("initdata", STRING, VALUES(""), "What a confidential guest is told first."),
	 .annotation = "cc_init_data"},
	{REFUSED("rootless_user", TABLES, VALUES([]), "The user of `rootless`.")},
	{REFUSED("boot_to_be_template", BOOL, VALUES(false), "Inner state of templates.")},
	{REFUSED("boot_from_template", BOOL, VALUES(false), "Inner state of templates.")},
	{REFUSED("memory_path", STRING, VALUES(""), "Inner state of templates.")},
	{REFUSED("device_state_path", STRING, VALUES(""), "Inner state of templates.")},
	{REFUSED("default_gpus", INTEGER, VALUES(0), "GPUs of a remote sandbox.")},
	{REFUSED("default_gpu_model", STRING, VALUES(""), "Model of those GPUs.")},
	{QUALIFIES("jailer_path", STRING, "runtime.hypervisor_name")},
	{QUALIFIES("ctlpath", STRING, "runtime.hypervisor_name")},
	{QUALIFIES("remote_hypervisor_socket", STRING, "runtime.hypervisor_name")},
	{QUALIFIES("remote_hypervisor_timeout", INTEGER, "runtime.hypervisor_name")},
};

const struct key_table upstream_special = {SECTION_HYPERVISOR, FOR_ALL, "Special machines", special,
					   ARRAY_LEN(special)};

static const struct key factory[] = {
	{REFUSED("vm_cache_number", INTEGER, VALUES(0), "Machines that are kept warm."),
	 .after = "template_path"},
	{QUALIFIES("vm_cache_endpoint", STRING, "vm_cache_number")},
};

const struct key_table upstream_factory = {SECTION_FACTORY, FOR_ALL, NULL, factory,
					   ARRAY_LEN(factory)};

static const struct key agent[] = {
	{WARNED("log_level", STRING, VALUES("info", ""), "'enable_debug' decides",
		"How much the agent logs."),
	 .after = "enable_debug"},
	{REFUSED("enable_tracing", BOOL, VALUES(false), "OpenTelemetry spans of the agent.")},
	{IGNORED("dial_timeout_ms", U32,
		 "Pause between two tries to reach the agent; it is reached as soon as it listens."),
	 .access = POD_NEVER, .to = KEY_TO(agent.dial_timeout_ms), .preset = "10", .min = 1,
	 .max = HOUR_MS},
	{IGNORED("launch_process_timeout", INTEGER, "Of helpers in a confidential guest."),
	 .after = "create_container_timeout", .max = UINT32_MAX},
	{IGNORED("cdh_api_timeout_ms", INTEGER, "Of helpers in a confidential guest."),
	 .max = UINT32_MAX},
	{IGNORED("cdh_api_timeout", INTEGER, "Of helpers in a confidential guest."),
	 .max = UINT32_MAX},
	{REFUSED("visible_cdi_devices", BOOL, VALUES(false),
		 "Devices by the Container Device Interface."),
	 .after = "container_pipe_size"},
	{REFUSED("server_port", INTEGER, VALUES(1024), "The agent's port.")},
	{REFUSED("log_port", INTEGER, VALUES(1025, 0),
		 "The port of the agent's log, which comes over the console.")},
	{QUALIFIES("passfd_listener_port", INTEGER, "runtime.use_passfd_io"), .max = UINT32_MAX},
	{WARNED("health_check_request_timeout_ms", INTEGER, VALUES(90000, 0),
		"the end of the VMM is seen at once, without asking",
		"How long the agent may take to say that it is well."),
	 .max = UINT32_MAX},
	{REFUSED("policy", STRING, VALUES(""), "Which calls the agent answers.")},
};

const struct key_table upstream_agent = {SECTION_AGENT, FOR_ALL, NULL, agent, ARRAY_LEN(agent)};

static const struct key mem_agent[] = {
	{REFUSED("mem_agent_enable", BOOL, VALUES(false), "Age and compact the guest's memory.")},
	{QUALIFIES("memcg_disable", BOOL, "mem_agent_enable")},
	{QUALIFIES("memcg_swap", BOOL, "mem_agent_enable")},
	{QUALIFIES("memcg_swappiness_max", INTEGER, "mem_agent_enable")},
	{QUALIFIES("memcg_period_secs", INTEGER, "mem_agent_enable")},
	{QUALIFIES("memcg_period_psi_percent_limit", INTEGER, "mem_agent_enable")},
	{QUALIFIES("memcg_eviction_psi_percent_limit", INTEGER, "mem_agent_enable")},
	{QUALIFIES("memcg_eviction_run_aging_count_min", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_disable", BOOL, "mem_agent_enable")},
	{QUALIFIES("compact_period_secs", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_period_psi_percent_limit", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_psi_percent_limit", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_sec_max", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_order", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_threshold", INTEGER, "mem_agent_enable")},
	{QUALIFIES("compact_force_times", INTEGER, "mem_agent_enable")},
};

const struct key_table upstream_mem_agent = {SECTION_MEM_AGENT, FOR_ALL, "Memory agent", mem_agent,
					     ARRAY_LEN(mem_agent)};

static const struct key runtime[] = {
	{WARNED("log_level", STRING, VALUES("info", ""), "'enable_debug' decides",
		"How much the sandbox server logs."),
	 .after = "enable_debug"},
	{REFUSED("name", STRING, VALUES("virt_container", ""), "The kind of container.")},
	{REFUSED("agent_name", STRING, VALUES("kata"), "Which `[agent.NAME]` is used."),
	 .after = "hypervisor_name"},
	{REFUSED("disable_new_netns", BOOL, VALUES(false), "Stay in the host's network namespace."),
	 .after = "internetworking_model", .access = POD_NEVER},
	{REFUSED("guest_selinux_label", STRING, VALUES(""), "The label of processes in the guest."),
	 .after = "disable_guest_seccomp"},
	{REFUSED("selinux_label", STRING, VALUES(""), "The label of processes in the guest.")},
	{REFUSED("enable_vcpus_pinning", BOOL, VALUES(false),
		 "Pin virtual CPUs to the pod's CPU set.")},
	{REFUSED("shared_mounts", TABLES, VALUES([]), "Mounts of one container that another sees."),
	 .after = "sandbox_bind_mounts", .access = POD_NEVER},
	{REFUSED("vfio_mode", STRING, VALUES("guest-kernel", ""),
		 "What a passed-through device is for the container."),
	 .after = "create_container_timeout"},
	{REFUSED("emptydir_mode", STRING, VALUES("shared-fs", ""), "Where an emptyDir lies.")},
	{REFUSED("disable_guest_empty_dir", BOOL, VALUES(true),
		 "Keep an emptyDir off the guest's file system."),
	 .note = "an emptyDir lies on the host"},
	{IGNORED("kubelet_root_dir", STRING, "Where the kubelet keeps emptyDirs."),
	 .access = POD_NEVER},
	{REFUSED("pod_resource_api_sock", STRING, VALUES(""),
		 "The kubelet's socket that tells which devices a pod has."),
	 .access = POD_NEVER},
	{REFUSED("experimental", LIST, VALUES([]), "Features that are tried out.")},
	{REFUSED("experimental_force_guest_pull", BOOL, VALUES(false),
		 "Images are pulled in the guest.")},
	{REFUSED("enable_tracing", BOOL, VALUES(false),
		 "OpenTelemetry spans of the sandbox server."),
	 .access = POD_NEVER},
	{QUALIFIES("jaeger_endpoint", STRING, "enable_tracing")},
	{QUALIFIES("jaeger_user", STRING, "enable_tracing")},
	{QUALIFIES("jaeger_password", STRING, "enable_tracing")},
	{REFUSED("enable_pprof", BOOL, VALUES(false), "Profiles of the sandbox server.")},
	{REFUSED("keep_abnormal", BOOL, VALUES(false), "Keep a sandbox that failed."),
	 .access = POD_NEVER},
	{IGNORED("use_passfd_io", BOOL, "How streams travel; what arrives is the same.")},
	{QUALIFIES("passfd_listener_port", INTEGER, "use_passfd_io"), .max = UINT32_MAX},
};

const struct key_table upstream_runtime = {SECTION_RUNTIME, FOR_ALL, NULL, runtime,
					   ARRAY_LEN(runtime)};
