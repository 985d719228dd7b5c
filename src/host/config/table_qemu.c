/* [hypervisor.qemu], what only QEMU has. .access says which pods may set a key by an annotation. */
#include "base/array.h"
#include "host/config/key.h"
#include "host/hypervisor/hypervisor.h"

static const struct key_word machines[] = {
	{"q35", 0},
	{"microvm", 0},
	{"pc", WORD_NOT_YET},
	{"virt", WORD_NOT_YET},
	{"pseries", WORD_NOT_YET},
	{"s390-ccw-virtio", WORD_NOT_YET},
	{NULL, 0},
};

static const struct key_word accelerators[] = {
	{"auto", HV_ACCEL_AUTO},
	{"kvm", HV_ACCEL_KVM},
	{"tcg", HV_ACCEL_TCG},
	{NULL, 0},
};

static const struct key keys[] = {
	{.name = "firmware",
	 .after = "kernel_params",
	 .kind = KEY_STRING,
	 .to = KEY_TO(hypervisor.firmware),
	 .preset = "\"\"",
	 .help = "A firmware file for QEMU's `-bios`. Empty: qboot where QEMU brings it, which has "
		 "the guest's kernel running some 0.2 s earlier than QEMU's own choice."},
	{.name = "machine_type",
	 .kind = KEY_STRING,
	 .words = machines,
	 .access = POD_IF_LISTED,
	 .to = KEY_TO(hypervisor.machine_type),
	 .preset = "\"q35\"",
	 .help = "`q35` has everything, `microvm` boots faster and cannot plug."},
	{.name = "machine_accelerators",
	 .kind = KEY_STRING,
	 .to = KEY_TO(hypervisor.machine_accelerators),
	 .preset = "\"\"",
	 .help = "Appended to QEMU's `-machine`."},
	{.name = "accelerator",
	 .kind = KEY_WORD,
	 .words = accelerators,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.accelerator),
	 .preset = "\"auto\"",
	 .help = "`auto` takes KVM where it can run an ordinary kernel and QEMU's emulation (`tcg`) "
		 "elsewhere. Only here, not in the upstream system."},
	{.name = "cpu_features",
	 .after = "agent_channel",
	 .kind = KEY_STRING,
	 .to = KEY_TO(hypervisor.cpu_features),
	 .preset = "\"\"",
	 .help = "Appended to QEMU's `-cpu`, such as `pmu=off`."},
	{.name = "seccomp_sandbox",
	 .after = "require_confinement",
	 .kind = KEY_STRING,
	 .access = POD_NEVER,
	 .to = KEY_TO(hypervisor.seccomp_sandbox),
	 .preset = "\"\"",
	 .help = "The value of QEMU's `-sandbox`; empty takes the strictest that works."},
	{.name = "seccompsandbox", .same_as = "hypervisor.seccomp_sandbox"},
};

const struct key_table keys_qemu = {SECTION_HYPERVISOR, FOR_QEMU, NULL, keys, ARRAY_LEN(keys)};
