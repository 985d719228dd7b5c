#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"

/* How the host wants this agent. Private to agent/boot. */

#define OPTION_TEXT_MAX 256

struct boot_options {
	char server_addr[OPTION_TEXT_MAX]; /* vsock://CID:PORT, serial://NAME, unix://PATH */
	enum log_level log;
	uint32_t hotplug_timeout_ms;
	bool privileged_host; /* it connects from a vsock port below 1024, and nobody else is served */
	uint32_t pipe_bytes;       /* of the pipes of containers; 0 is our own choice */
	uint32_t shared_files_max; /* that their server can have open, or 0 */
	bool server_appends; /* the server of shared files appends what is written to O_APPEND */
};

extern const struct boot_options boot_options_default;

/* Reads what is for us from a kernel command line; a word that is unknown or makes no sense is
 * logged and otherwise without effect. */
void boot_options_read_cmdline(struct boot_options *o, const char *cmdline);

/* KATA_AGENT_SERVER_ADDR and KATA_AGENT_LOG_LEVEL, which win over the command line. */
void boot_options_read_env(struct boot_options *o);
