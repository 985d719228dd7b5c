/* [hypervisor.NAME], what several drivers have: what is booted and on what, its size, its devices,
 * what pods may ask for. .access says which pods may set a key by an annotation. */
#include "base/array.h"
#include "host/config/key.h"
#include "host/hypervisor/hypervisor.h"
#include "host/storage/virtiofsd.h"

#define MEMORY_MIN_MIB 64
#define MEMORY_MAX_MIB (16 << 20) /* 16 TiB */
#define VCPUS_MAX      256

static const struct key_word channels[] = {
	{"auto", HV_CHANNEL_AUTO},
	{"vsock", HV_CHANNEL_VSOCK},
	{"virtio-serial", HV_CHANNEL_SERIAL},
	{NULL, 0},
};

static const struct key machine[] = {
	{.name = "path",
	 .kind = KEY_STRING,
	 .access = POD_IF_NAMED,
	 .globs = "valid_hypervisor_paths",
	 .to = KEY_TO(hypervisor.path),
	 .preset = "\"\"",
	 .help = "The VMM's program; empty looks for it in the usual places."},
	{.name = "kernel",
	 .kind = KEY_STRING,
	 .to = KEY_TO(hypervisor.kernel),
	 .preset = "\"\"",
	 .help = "The guest's kernel; an uncompressed `vmlinux` boots fastest."},
	{.name = "initrd",
	 .kind = KEY_STRING,
	 .to = KEY_TO(hypervisor.initrd),
	 .preset = "\"\"",
	 .help = "The guest's root file system: agent and modules."},
	{.name = "kernel_params",
	 .kind = KEY_STRING,
	 .appends = true,
	 .to = KEY_TO(hypervisor.kernel_params),
	 .preset = "\"\"",
	 .help = "Appended to the guest kernel's command line. An annotation appends to it."},
	{.name = "agent_channel",
	 .kind = KEY_WORD,
	 .words = channels,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.channel),
	 .preset = "\"auto\"",
	 .help = "How the agent is reached: `auto` takes vsock where the host has it. Only here, "
		 "not in the upstream system."},
	{.name = "rootless",
	 .kind = KEY_BOOL,
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(hypervisor.rootless),
	 .preset = "false",
	 .help = "The VMM has no capabilities at all: with 9p it serves files as its own user."},
	{.name = "require_confinement",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.require_confinement),
	 .preset = "false",
	 .help = "Refuse to start a VMM where the host's kernel lacks a layer of its confinement "
		 "(Landlock, user namespaces); else it is a warning. Only here, not in the "
		 "upstream system."},
	{.name = "enable_debug",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.enable_debug),
	 .preset = "false",
	 .help = "Log what the VMM and the guest's console say."},
};

const struct key_table keys_machine = {SECTION_HYPERVISOR, FOR_ALL, "Machine", machine,
				       ARRAY_LEN(machine)};

static const struct key processor[] = {
	{.name = "default_vcpus",
	 .kind = KEY_VCPUS,
	 .to = KEY_TO(hypervisor.default_vcpus),
	 .preset = "1",
	 .min = -VCPUS_MAX,
	 .max = VCPUS_MAX,
	 .help = "Virtual CPUs at boot; 0 is 1, a negative number all that the host has."},
	{.name = "default_maxvcpus",
	 .kind = KEY_U32,
	 .annotation = "default_max_vcpus",
	 .to = KEY_TO(hypervisor.default_maxvcpus),
	 .preset = "0",
	 .max = VCPUS_MAX,
	 .help = "The most that a container's limits or an annotation may raise `default_vcpus` "
		 "to; 0 is all that the host has."},
	{.name = "default_memory",
	 .kind = KEY_U32,
	 .to = KEY_TO(hypervisor.default_memory),
	 .preset = "2048",
	 .min = MEMORY_MIN_MIB,
	 .max = MEMORY_MAX_MIB,
	 .help = "MiB of memory at boot. The host gives what the guest touches, not more."},
	{.name = "default_maxmemory",
	 .kind = KEY_U32,
	 .to = KEY_TO(hypervisor.default_maxmemory),
	 .preset = "0",
	 .max = UINT32_MAX,
	 .help = "The most MiB that a container's limits or an annotation may raise `default_memory` to; "
		 "0 is all that the host has."},
	{.name = "enable_mem_prealloc",
	 .kind = KEY_BOOL,
	 .to = KEY_TO(hypervisor.enable_mem_prealloc),
	 .preset = "false",
	 .help = "Touch all memory at boot."},
	{.name = "enable_hugepages",
	 .kind = KEY_BOOL,
	 .to = KEY_TO(hypervisor.enable_hugepages),
	 .preset = "false",
	 .help = "Take the guest's memory from the host's huge pages."},
	{.name = "reclaim_guest_freed_memory",
	 .kind = KEY_BOOL,
	 .to = KEY_TO(hypervisor.reclaim_guest_freed_memory),
	 .preset = "true",
	 .help = "Give memory that the guest frees back to the host; not with `enable_mem_prealloc` or "
		 "`enable_hugepages`, with which the guest is to have it for certain."},
};

const struct key_table keys_processor = {SECTION_HYPERVISOR, FOR_ALL, "Processors and memory",
					 processor, ARRAY_LEN(processor)};

static const struct key disks[] = {
	{.name = "disable_block_device_use",
	 .kind = KEY_BOOL,
	 .to = KEY_TO(hypervisor.disable_block_device_use),
	 .preset = "false",
	 .help = "Refuse containers whose root, mounts or devices are block devices, which would be "
		 "passed on; images are files and are taken all the same."},
};

const struct key_table keys_disks = {SECTION_HYPERVISOR, FOR_ALL, "Block devices", disks,
				     ARRAY_LEN(disks)};

static const struct key_word shares[] = {
	{"none", CONFIG_SHARED_FS_NONE},           {"virtio-fs", CONFIG_SHARED_FS_VIRTIO_FS},
	{"virtio-9p", CONFIG_SHARED_FS_VIRTIO_9P}, {"virtio-fs-nydus", WORD_NOT_YET},
	{"inline-virtio-fs", WORD_NOT_YET},        {NULL, 0},
};

static const struct key_word caches[] = {
	{"never", VIRTIOFSD_CACHE_NEVER},       {"none", VIRTIOFSD_CACHE_NEVER},
	{"metadata", VIRTIOFSD_CACHE_METADATA}, {"auto", VIRTIOFSD_CACHE_AUTO},
	{"always", VIRTIOFSD_CACHE_ALWAYS},     {NULL, 0},
};

static const struct key share[] = {
	{.name = "shared_fs",
	 .kind = KEY_WORD,
	 .words = shares,
	 .to = KEY_TO(hypervisor.shared_fs),
	 .preset = "\"virtio-fs\"",
	 .help = "How the guest sees files of the host. `virtio-9p` needs a guest kernel that has "
		 "9p, `none` is not supported yet: no sandbox starts with it."},
	{.name = "virtio_fs_daemon",
	 .kind = KEY_STRING,
	 .access = POD_IF_NAMED,
	 .globs = "valid_virtio_fs_daemon_paths",
	 .to = KEY_TO(hypervisor.virtio_fs_daemon),
	 .preset = "\"\"",
	 .help = "The virtiofsd program; empty looks for it in the usual places."},
	{.name = "virtio_fs_cache",
	 .kind = KEY_WORD,
	 .words = caches,
	 .to = KEY_TO(hypervisor.virtio_fs_cache),
	 .preset = "\"auto\"",
	 .help = "What the guest may keep of shared files. `auto`: their data, and it asks each time "
		 "whether they are the same (the Rust virtiofsd: each second); `never`: nothing, "
		 "and a file cannot be mapped for writing; `always`: everything, for files that "
		 "the host does not change."},
	{.name = "virtio_fs_queue_size",
	 .kind = KEY_U32,
	 .to = KEY_TO(hypervisor.virtio_fs_queue_size),
	 .preset = "1024",
	 .min = 1,
	 .max = 1024,
	 .help = "Requests in flight."},
	{.name = "virtio_fs_extra_args",
	 .kind = KEY_LIST,
	 .to = KEY_TO(hypervisor.virtio_fs_extra_args),
	 .preset = "[]",
	 .help = "More arguments for virtiofsd."},
	{.name = "msize_9p",
	 .kind = KEY_U32,
	 .only_for = FOR_QEMU,
	 .to = KEY_TO(hypervisor.msize_9p),
	 .preset = "131072",
	 .min = 4096,
	 .max = 1048576,
	 .help = "Bytes in a 9p message."},
};

const struct key_table keys_share = {SECTION_HYPERVISOR, FOR_ALL, "Shared files", share,
				     ARRAY_LEN(share)};

static const struct key device[] = {
	{.name = "entropy_source",
	 .kind = KEY_STRING,
	 .access = POD_IF_NAMED,
	 .globs = "valid_entropy_sources",
	 .to = KEY_TO(hypervisor.entropy_source),
	 .preset = "\"/dev/urandom\"",
	 .help = "What feeds the guest's random number device."},
	{.name = "network_queues",
	 .kind = KEY_U32,
	 .access = POD_IF_LISTED,
	 .max = CONFIG_NETWORK_QUEUES_MAX,
	 .to = KEY_TO(hypervisor.network_queues),
	 .preset = "1",
	 .help = "Pairs of queues of each interface, if the machine may have as many vCPUs; 0 is 1. "
		 "Three interfaces with 16 are too many."},
	{.name = "rx_rate_limiter_max_rate",
	 .kind = KEY_INTEGER,
	 .access = POD_IF_LISTED,
	 .max = INT64_MAX,
	 .to = KEY_TO(hypervisor.rx_max_rate),
	 .preset = "0",
	 .help = "Bits per second that each interface of the guest receives at most; 0: as many as come."},
	{.name = "tx_rate_limiter_max_rate",
	 .kind = KEY_INTEGER,
	 .access = POD_IF_LISTED,
	 .max = INT64_MAX,
	 .to = KEY_TO(hypervisor.tx_max_rate),
	 .preset = "0",
	 .help = "The same for what it sends."},
};

const struct key_table keys_device = {SECTION_HYPERVISOR, FOR_ALL, "Devices", device,
				      ARRAY_LEN(device)};

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
};

const struct key_table keys_pod = {SECTION_HYPERVISOR, FOR_ALL, "What pods may ask for", pod,
				   ARRAY_LEN(pod)};

static const struct key factory[] = {
	{.name = "enable_template",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.enable_template),
	 .preset = "false",
	 .help = "Start machines from a template instead of booting each. `kata-runtime factory init` "
		 "makes one, or the first machine that misses it has it made. See docs/templates.md "
		 "for what machines of one template share."},
	{.name = "template_path",
	 .kind = KEY_STRING,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.template_path),
	 .preset = "\"/run/vc/vm/template\"",
	 .help = "The folder of templates. It holds memory of machines, is closed to all but its owner, and "
		 "is fastest where it is memory itself."},
};

const struct key_table keys_factory = {SECTION_FACTORY, FOR_ALL, "Factory", factory,
				       ARRAY_LEN(factory)};
