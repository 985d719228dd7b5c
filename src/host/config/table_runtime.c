/* [runtime]. .access says which pods may set a key by an annotation. */
#include "base/array.h"
#include "host/config/key.h"
#include "host/hypervisor/hypervisor.h"

/* Names of sections; where there is a driver, with its bit. */
static const struct key_word hypervisors[] = {
	{HV_QEMU, FOR_QEMU},           {"clh", WORD_NOT_YET},
	{"firecracker", WORD_NOT_YET}, {"dragonball", WORD_NOT_YET},
	{"openvmm", WORD_NOT_YET},     {"stratovirt", WORD_NOT_YET},
	{"remote", WORD_NOT_YET},      {NULL, 0},
};

static const struct key_word networks[] = {
	{"none", CONFIG_NETWORK_NONE},
	{"tcfilter", CONFIG_NETWORK_TCFILTER},
	{"macvtap", WORD_NOT_YET},
	{"l3forwarding", WORD_NOT_YET},
	{NULL, 0},
};

static const struct key keys[] = {
	{.name = "enable_debug",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(runtime.enable_debug),
	 .preset = "false",
	 .help = "The sandbox server logs what it does."},
	{.name = "log_to_journald",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(runtime.log_to_journald),
	 .preset = "false",
	 .help = "The sandbox server logs to systemd's journal by its own protocol, each line with "
		 "the field `KATA_SANDBOX`, and not where its engine keeps its log. Not "
		 "upstream's."},
	{.name = "hypervisor_name",
	 .kind = KEY_STRING,
	 .words = hypervisors,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.name),
	 .preset = "\"" HV_QEMU "\"",
	 .help = "Which `[hypervisor.NAME]` is used. Without this key, the only one there is."},
	{.name = "internetworking_model",
	 .kind = KEY_WORD,
	 .words = networks,
	 .note = "take 'tcfilter', which brings the same interfaces into the guest",
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(runtime.network),
	 .preset = "\"tcfilter\"",
	 .help = "How the guest is connected to the pod's network namespace. `none`: it is not, and has "
		 "its loopback only. See docs/networking.md."},
	{.name = "dan_conf",
	 .kind = KEY_STRING,
	 .access = POD_NEVER,
	 .to = KEY_TO(runtime.dan_conf),
	 .preset = "\"/run/kata-containers/dans\"",
	 .help = "Where a file `ID.json` describes the interfaces of the sandbox with that id, which then "
		 "has no others; empty: nowhere. See docs/networking.md."},
	{.name = "egress_allow",
	 .kind = KEY_LIST,
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(runtime.egress_allow),
	 .preset = "[]",
	 .help = "The only places that a pod may reach, each as `WHERE [PROTOCOL [PORT[-PORT]]]`: an "
		 "address, a prefix, a name, or `*.NAME` for all names below one; `tcp`, `udp`, `sctp` or `icmp`, and ports, such as "
		 "`10.0.0.0/8 tcp 443`; `none` as the only one allows nothing. Without any, "
		 "everything is allowed. Who speaks to the pod is answered. See docs/networking.md. "
		 "Not upstream's."},
	{.name = "egress_resolvers",
	 .kind = KEY_LIST,
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(runtime.egress_resolvers),
	 .preset = "[]",
	 .help = "With `egress_allow`: the addresses of the name servers that a pod may ask, and whose "
		 "answers tell the addresses of the names in that list. Not upstream's."},
	{.name = "disable_guest_seccomp",
	 .kind = KEY_BOOL,
	 .to = KEY_TO(runtime.disable_guest_seccomp),
	 .preset = "false",
	 .help = "Drop the seccomp profile of containers."},
	{.name = "static_sandbox_resource_mgmt",
	 .kind = KEY_BOOL,
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(runtime.static_sandbox_resource_mgmt),
	 .preset = "false",
	 .help = "A pod's machine keeps the size that it boots with, which has room for what the "
		 "annotations `io.kubernetes.cri.sandbox-memory`, `-cpu-quota` and `-cpu-period` "
		 "say of all its containers; else it grows with the limits of its containers, and "
		 "gives memory back when they go. A machine of one container keeps its size in any "
		 "case."},
	{.name = "sandbox_cgroup_only",
	 .kind = KEY_BOOL,
	 .access = POD_IF_NAMED,
	 .to = KEY_TO(runtime.sandbox_cgroup_only),
	 .preset = "true",
	 .help = "Keep all processes of a sandbox in the pod's cgroup of the host. `false`: only the "
		 "virtual CPUs; the others are below `/kata_overhead`. See docs/host-cgroups.md."},
	{.name = "sandbox_bind_mounts",
	 .kind = KEY_LIST,
	 .access = POD_NEVER,
	 .to = KEY_TO(runtime.sandbox_bind_mounts),
	 .preset = "[]",
	 .help = "Files of the host that every sandbox sees, read-only unless they end in `:rw`."},
	{.name = "create_container_timeout", .same_as = "agent.create_container_timeout"},
};

const struct key_table keys_runtime = {SECTION_RUNTIME, FOR_ALL, "Runtime", keys, ARRAY_LEN(keys)};
