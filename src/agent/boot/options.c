#include "agent/boot/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

const struct boot_options boot_options_default = {
	.server_addr = "vsock://-1:1024",
	.log = LOG_INFO,
	.hotplug_timeout_ms = 3000,
};

static int set_text(void *field, const char *value)
{
	if (!*value || strlen(value) >= OPTION_TEXT_MAX)
		return -EINVAL;
	memcpy(field, value, strlen(value) + 1);
	return 0;
}

static int set_log(void *field, const char *value)
{
	static const struct {
		const char *name;
		enum log_level level;
	} levels[] = {
		{"critical", LOG_ERROR}, {"error", LOG_ERROR}, {"warn", LOG_WARN},
		{"warning", LOG_WARN},   {"info", LOG_INFO},   {"debug", LOG_DEBUG},
		{"trace", LOG_DEBUG},
	};

	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (strcmp(levels[i].name, value) == 0) {
			*(enum log_level *) field = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

static int set_seconds(void *field, const char *value)
{
	uint64_t n;

	if (num_parse_u64(value, &n) < 0 || n == 0 || n > UINT32_MAX / 1000)
		return -EINVAL;
	*(uint32_t *) field = (uint32_t) n * 1000;
	return 0;
}

static int set_bytes(void *field, const char *value)
{
	uint64_t n;

	if (num_parse_u64(value, &n) < 0 || n > INT32_MAX)
		return -EINVAL;
	*(uint32_t *) field = (uint32_t) n;
	return 0;
}

static int set_flag(void *field, const char *value)
{
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return -EINVAL;
	*(bool *) field = *value == '1';
	return 0;
}

static const struct option {
	const char *name; /* without "agent." */
	int (*set)(void *field, const char *value);
	size_t field;
} options[] = {
	{"server_addr", set_text, offsetof(struct boot_options, server_addr)},
	{"log", set_log, offsetof(struct boot_options, log)},
	{"hotplug_timeout", set_seconds, offsetof(struct boot_options, hotplug_timeout_ms)},
	{"privileged_host", set_flag, offsetof(struct boot_options, privileged_host)},
	{"container_pipe_size", set_bytes, offsetof(struct boot_options, pipe_bytes)},
	{"shared_files_max", set_bytes, offsetof(struct boot_options, shared_files_max)},
	{"preload", set_text, offsetof(struct boot_options, preload)},
	{"server_appends", set_flag, offsetof(struct boot_options, server_appends)},
};

/* Known to upstream's agent; of no effect in this one. */
static const char *const not_supported[] = {
	"cdh_api_timeout",
	"cdi_timeout",
	"config_file",
	"debug_console",
	"debug_console_vport",
	"devmode",
	"guest_components_procs",
	"guest_components_rest_api",
	"https_proxy",
	"image_pull_timeout",
	"launch_process_timeout",
	"log_vport",
	"no_proxy",
	"passfd_listener_port",
	"secure_storage_integrity",
	"trace",
	"visible_cdi_devices",
};

static bool is_not_supported(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(not_supported); i++)
		if (strcmp(not_supported[i], name) == 0)
			return true;
	return strncmp(name, "mem_agent_", strlen("mem_agent_")) == 0;
}

static void set(struct boot_options *o, const char *name, const char *value)
{
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (strcmp(options[i].name, name) != 0)
			continue;
		if (options[i].set((char *) o + options[i].field, value) < 0)
			log_warn("agent.%s cannot be '%s', ignoring it", name, value);
		return;
	}
	if (is_not_supported(name))
		log_warn("agent.%s is not supported, ignoring it", name);
	else
		log_warn("agent.%s is unknown, ignoring it", name);
}

/* The next word at *@p, without its quotes, into @word; false at the end. As in the kernel, a blank
 * inside double quotes does not end a word. */
static bool next_word(const char **p, char *word, size_t word_bytes)
{
	const char *at = *p + strspn(*p, " \t\n");
	bool quoted = false;
	size_t n = 0;

	if (!*at)
		return false;
	for (; *at && (quoted || !strchr(" \t\n", *at)); at++) {
		if (*at == '"')
			quoted = !quoted;
		else if (n < word_bytes - 1)
			word[n++] = *at;
	}
	word[n] = '\0';
	*p = at;
	return true;
}

void boot_options_read_cmdline(struct boot_options *o, const char *cmdline)
{
	static const char ours[] = "agent.";
	char word[2 * OPTION_TEXT_MAX];

	while (next_word(&cmdline, word, sizeof word)) {
		if (strncmp(word, ours, strlen(ours)) != 0)
			continue;

		char *name = word + strlen(ours);
		char *equals = strchr(name, '=');

		if (equals)
			*equals = '\0';
		set(o, name, equals ? equals + 1 : "");
	}
}

void boot_options_read_env(struct boot_options *o)
{
	const char *addr = getenv("KATA_AGENT_SERVER_ADDR");
	const char *level = getenv("KATA_AGENT_LOG_LEVEL");

	if (addr)
		set(o, "server_addr", addr);
	if (level)
		set(o, "log", level);
}
