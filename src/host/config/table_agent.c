/* [agent.kata]. .access says which pods may set a key by an annotation. */
#include "base/array.h"
#include "host/config/key.h"

#define MS_PER_SECOND 1000

static const struct key agent[] = {
	{.name = "enable_debug",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(agent.enable_debug),
	 .preset = "false",
	 .help = "The agent logs what it does."},
	{.name = "kernel_modules",
	 .kind = KEY_LIST,
	 .to = KEY_TO(agent.kernel_modules),
	 .preset = "[]",
	 .help = "Modules to load in the guest: `\"NAME PARAMETER...\"`. An annotation separates "
		 "them with `;`. The guest has those of `guest-image/modules.list`, and what its "
		 "kernel has built in, whose parameters `kernel_params` takes."},
	{.name = "debug_console_enabled",
	 .kind = KEY_BOOL,
	 .access = POD_NEVER,
	 .to = KEY_TO(agent.debug_console_enabled),
	 .preset = "false",
	 .help = "Allow `kata-runtime console`: a shell in the guest, which sees all containers of "
		 "the sandbox."},
	{.name = "debug_console_shell",
	 .kind = KEY_STRING,
	 .access = POD_NEVER,
	 .to = KEY_TO(agent.debug_console_shell),
	 .preset = "\"/bin/busybox\"",
	 .help = "The program of this host that is lent to the guest for that: a statically linked "
		 "BusyBox. Not upstream's."},
	{.name = "reconnect_timeout_ms",
	 .kind = KEY_U32,
	 .access = POD_NEVER,
	 .to = KEY_TO(agent.reconnect_timeout_ms),
	 .preset = "45000",
	 .min = 1,
	 .max = HOUR_MS,
	 .help = "How long the guest may take from power-on until its agent answers."},
	{.name = "dial_timeout",
	 .same_as = "agent.reconnect_timeout_ms",
	 .factor = MS_PER_SECOND,
	 .help = "In seconds."},
	{.name = "create_container_timeout",
	 .kind = KEY_U32,
	 .access = POD_MAY,
	 .to = KEY_TO(agent.create_container_timeout_ms),
	 .factor = MS_PER_SECOND,
	 .preset = "60",
	 .min = 1,
	 .max = HOUR_MS / MS_PER_SECOND,
	 .help = "Seconds that making a container may take."},
	{.name = "container_pipe_size",
	 .kind = KEY_U32,
	 .to = KEY_TO(agent.container_pipe_size),
	 .preset = "0",
	 .max = INT32_MAX,
	 .help = "Bytes that fit into each pipe of a container in the guest; 0 leaves it to the agent."},
};

const struct key_table keys_agent = {SECTION_AGENT, FOR_ALL, "Agent", agent, ARRAY_LEN(agent)};
