#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* What the host configures in this agent. Private to agent/boot. */

#define OPTION_TEXT_MAX 256

struct boot_options {
	char server_addr[OPTION_TEXT_MAX]; /* vsock://CID:PORT, serial://NAME, unix://PATH */
	enum log_level log;
	uint32_t hotplug_timeout_ms;
	bool privileged_host; /* the host's vsock port is below 1024; other peers are refused */
	uint32_t pipe_bytes;  /* of the pipes of containers; 0: PROCESS_PIPE_BYTES */
	uint32_t shared_files_max;     /* that the file server can have open, or 0 */
	char preload[OPTION_TEXT_MAX]; /* modules to load before anything is asked for */
	bool server_appends;           /* the file server appends every write to an O_APPEND file */
};

extern const struct boot_options boot_options_default;

/* Reads the agent.* options of a kernel command line; an unknown or invalid one is logged and
 * ignored. */
void boot_options_read_cmdline(struct boot_options *o, const char *cmdline);

/* KATA_AGENT_SERVER_ADDR and KATA_AGENT_LOG_LEVEL, which win over the command line. */
void boot_options_read_env(struct boot_options *o);
