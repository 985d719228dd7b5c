/* [hypervisor.NAME]: other devices, what pods may ask for, and what only special machines have. */
#include "base/array.h"
#include "host/config/key.h"

#define NOT_YET(name_, kind_, preset_, help_)                                           \
	{                                                                               \
		.name = name_, .kind = kind_, .status = KEY_NOT_YET, .preset = preset_, \
		.help = help_                                                           \
	}
#define QUALIFIES(name_, kind_, what)                                  \
	{                                                              \
		.name = name_, .kind = kind_, .status = KEY_NO_EFFECT, \
		.help = "Qualifies `" what "`."                        \
	}

static const struct key device[] = {
	{.name = "entropy_source",
	 .kind = KEY_STRING,
	 .access = POD_IF_NAMED,
	 .globs = "valid_entropy_sources",
	 .to = KEY_TO(hypervisor.entropy_source),
	 .preset = "\"/dev/urandom\"",
	 .help = "What feeds the guest's random number device."},
	{.name = "disable_vhost_net",
	 .kind = KEY_BOOL,
	 .access = POD_IF_NAMED,
	 .status = KEY_NOT_YET,
	 .to = KEY_TO(hypervisor.disable_vhost_net),
	 .preset = "false",
	 .help = "Network devices in the VMM instead of the host's kernel; networks come later."},
	NOT_YET("network_queues", KEY_INTEGER, "1, 0", "Queues of a network device."),
	NOT_YET("rx_rate_limiter_max_rate", KEY_INTEGER, "0", "Bits per second into the guest."),
	NOT_YET("tx_rate_limiter_max_rate", KEY_INTEGER, "0", "Bits per second out of the guest."),
	NOT_YET("net_rate_limiter_bw_max_rate", KEY_INTEGER, "0", "Bits per second of networks."),
	QUALIFIES("net_rate_limiter_bw_one_time_burst", KEY_INTEGER,
		  "net_rate_limiter_bw_max_rate"),
	NOT_YET("net_rate_limiter_ops_max_rate", KEY_INTEGER, "0",
		"Operations per second of networks."),
	QUALIFIES("net_rate_limiter_ops_one_time_burst", KEY_INTEGER,
		  "net_rate_limiter_ops_max_rate"),
	{.name = "default_bridges",
	 .kind = KEY_INTEGER,
	 .status = KEY_INSTEAD,
	 .preset = "1, 0",
	 .max = 5,
	 .note = "devices are not plugged",
	 .help = "PCI bridges for plugging; plugging comes later."},
	NOT_YET("enable_iommu", KEY_BOOL, "false", "An IOMMU in the guest."),
	NOT_YET("enable_iommu_platform", KEY_BOOL, "false", "Virtio behind the IOMMU."),
	NOT_YET("cold_plug_vfio", KEY_STRING, "\"no-port\", \"\"",
		"The port for devices passed through at boot."),
	NOT_YET("hot_plug_vfio", KEY_STRING, "\"no-port\", \"\"",
		"The port for devices passed through later."),
	NOT_YET("pcie_root_port", KEY_INTEGER, "0", "PCIe root ports."),
	NOT_YET("pcie_switch_port", KEY_INTEGER, "0", "PCIe switch ports."),
};

const struct key_table keys_device = {SECTION_HYPERVISOR, "Devices", device, ARRAY_LEN(device)};

static const struct key pod[] = {
	{.name = "enable_annotations",
	 .kind = KEY_LIST,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.enable_annotations),
	 .preset = "[]",
	 .help = "Which keys a pod's annotations may set: extended regular expressions for the whole "
		 "name. Free text, paths above all, needs the name itself in this list."},
	{.name = "valid_hypervisor_paths",
	 .kind = KEY_LIST,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.valid_hypervisor_paths),
	 .preset = "[]",
	 .help = "Globs for `path` in an annotation."},
	{.name = "valid_virtio_fs_daemon_paths",
	 .kind = KEY_LIST,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.valid_virtio_fs_daemon_paths),
	 .preset = "[]",
	 .help = "Globs for `virtio_fs_daemon` in an annotation."},
	{.name = "valid_entropy_sources",
	 .kind = KEY_LIST,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.valid_entropy_sources),
	 .preset = "[]",
	 .help = "Globs for `entropy_source` in an annotation."},
	QUALIFIES("valid_vhost_user_store_paths", KEY_LIST, "vhost_user_store_path"),
	QUALIFIES("valid_jailer_paths", KEY_LIST, "jailer_path"),
	QUALIFIES("valid_ctlpaths", KEY_LIST, "ctlpath"),
};

const struct key_table keys_pod = {SECTION_HYPERVISOR, "What pods may ask for", pod,
				   ARRAY_LEN(pod)};

static const struct key special[] = {
	NOT_YET("confidential_guest", KEY_BOOL, "false", "A guest that the host cannot read."),
	NOT_YET("sev_snp_guest", KEY_BOOL, "false", "AMD SEV-SNP."),
	QUALIFIES("snp_id_block", KEY_STRING, "sev_snp_guest"),
	QUALIFIES("snp_id_auth", KEY_STRING, "sev_snp_guest"),
	QUALIFIES("snp_guest_policy", KEY_INTEGER, "sev_snp_guest"),
	QUALIFIES("tdx_quote_generation_service_socket_port", KEY_INTEGER, "confidential_guest"),
	QUALIFIES("measurement_algo", KEY_STRING, "confidential_guest"),
	{.name = "initdata",
	 .kind = KEY_STRING,
	 .annotation = "cc_init_data",
	 .status = KEY_NOT_YET,
	 .preset = "\"\"",
	 .help = "What a confidential guest is told first."},
	NOT_YET("rootless_user", KEY_TABLES, "[]", "The user of `rootless`."),
	NOT_YET("boot_to_be_template", KEY_BOOL, "false", "Inner state of templates."),
	NOT_YET("boot_from_template", KEY_BOOL, "false", "Inner state of templates."),
	NOT_YET("memory_path", KEY_STRING, "\"\"", "Inner state of templates."),
	NOT_YET("device_state_path", KEY_STRING, "\"\"", "Inner state of templates."),
	NOT_YET("default_gpus", KEY_INTEGER, "0", "GPUs of a remote sandbox."),
	NOT_YET("default_gpu_model", KEY_STRING, "\"\"", "Model of those GPUs."),
	QUALIFIES("jailer_path", KEY_STRING, "runtime.hypervisor_name"),
	QUALIFIES("ctlpath", KEY_STRING, "runtime.hypervisor_name"),
	QUALIFIES("remote_hypervisor_socket", KEY_STRING, "runtime.hypervisor_name"),
	QUALIFIES("remote_hypervisor_timeout", KEY_INTEGER, "runtime.hypervisor_name"),
};

const struct key_table keys_special = {SECTION_HYPERVISOR, "Special machines", special,
				       ARRAY_LEN(special)};

static const struct key factory[] = {
	NOT_YET("enable_template", KEY_BOOL, "false", "Clone sandboxes from a running one."),
	QUALIFIES("template_path", KEY_STRING, "enable_template"),
	NOT_YET("vm_cache_number", KEY_INTEGER, "0", "Machines that are kept warm."),
	QUALIFIES("vm_cache_endpoint", KEY_STRING, "vm_cache_number"),
};

const struct key_table keys_factory = {SECTION_FACTORY, "Factory", factory, ARRAY_LEN(factory)};
