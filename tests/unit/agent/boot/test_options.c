#include "tests/test.h"

#include <fcntl.h>

#include "agent/boot/options.h"
#include "base/auto.h"

static struct boot_options read_line(const char *cmdline)
{
	struct boot_options o = boot_options_default;

	log_open(-1, LOG_TEXT, LOG_INFO);
	boot_options_read_cmdline(&o, cmdline);
	return o;
}

/* What is logged while @cmdline is read. */
static void read_log(const char *cmdline, char *ret, size_t bytes)
{
	struct boot_options o = boot_options_default;
	int p[2];

	CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
	auto_close int rd = p[0];
	auto_close int wr = p[1];

	log_open(wr, LOG_TEXT, LOG_INFO);
	boot_options_read_cmdline(&o, cmdline);
	wr = fd_close(wr);

	ssize_t n = read(rd, ret, bytes - 1);

	CHECK(n >= 0);
	ret[n] = '\0';
	log_open(-1, LOG_TEXT, LOG_INFO);
}

TEST(an_empty_command_line_leaves_the_defaults)
{
	struct boot_options o = read_line("");

	CHECK_STR(o.server_addr, "vsock://-1:1024");
	CHECK_EQ(o.log, LOG_INFO);
	CHECK_EQ(o.hotplug_timeout_ms, 3000);
	CHECK_EQ(o.pipe_bytes, 0);
	CHECK(!o.server_appends);
	CHECK(!o.privileged_host); /* an upstream host dials from any port */
}

TEST(our_words_are_found_between_those_of_the_kernel)
{
	struct boot_options o = read_line("console=ttyS0 agent.server_addr=serial://agent.channel.0"
					  " quiet agent.log=debug\tagent.hotplug_timeout=7 panic=1"
					  " agent.container_pipe_size=65536 agent.server_appends=1"
					  " agent.privileged_host=1\n");

	CHECK_STR(o.server_addr, "serial://agent.channel.0");
	CHECK_EQ(o.log, LOG_DEBUG);
	CHECK_EQ(o.hotplug_timeout_ms, 7000);
	CHECK_EQ(o.pipe_bytes, 65536);
	CHECK(o.server_appends);
	CHECK(o.privileged_host);
}

TEST(a_quoted_word_may_hold_blanks)
{
	struct boot_options o =
		read_line("dyndbg=\"file a.c +p agent.log=error\" \"agent.log=warn\" agent.x");

	CHECK_EQ(o.log, LOG_WARN);
}

TEST(nonsense_is_said_and_ignored)
{
	static const char *const lines[] = {
		"agent.log=loud",
		"agent.hotplug_timeout=soon",
		"agent.hotplug_timeout=0",
		"agent.hotplug_timeout=99999999999",
		"agent.container_pipe_size=-1",
		"agent.server_addr=",
		"agent.server_addr",
		"agent.unheard_of=1",
		"agent.trace=on",
		"agent.mem_agent_enable=1",
	};

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		char log[1024];
		struct boot_options o = read_line(lines[i]);

		CHECK_EQ(memcmp(&o, &boot_options_default, sizeof o), 0);
		read_log(lines[i], log, sizeof log);
		CHECK(strstr(log, "ignoring it"));
		CHECK(strstr(log, "level=warning"));
	}
}

TEST(a_word_without_end_is_cut_and_refused)
{
	static char line[20000] = "agent.server_addr=unix:///";

	memset(line + strlen(line), 'x', sizeof line - strlen(line) - 1);
	CHECK_STR(read_line(line).server_addr, "vsock://-1:1024");
}

TEST(the_environment_wins_over_the_command_line)
{
	struct boot_options o = read_line("agent.server_addr=vsock://3:99 agent.log=debug");

	CHECK_EQ(setenv("KATA_AGENT_SERVER_ADDR", "unix:///tmp/x", 1), 0);
	CHECK_EQ(setenv("KATA_AGENT_LOG_LEVEL", "error", 1), 0);
	boot_options_read_env(&o);
	CHECK_STR(o.server_addr, "unix:///tmp/x");
	CHECK_EQ(o.log, LOG_ERROR);
}
