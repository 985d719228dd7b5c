/*
 * What a guest can write to its console, on its way into a log and into an error. The first byte
 * says how small the room is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/tail.h"
#include "base/text.h"
#include "host/hypervisor/ending.h"

static void check(const char *text, size_t room)
{
	size_t n = strlen(text);
	uint32_t c = 0;

	if (n >= room)
		abort();
	for (size_t i = 0, taken; i < n; i += taken) {
		taken = text_char(text + i, n - i, &c);
		if (taken == 0 || !text_is_plain(c))
			abort();
	}
}

static void on_line(void *arg, const char *line)
{
	(void) arg;
	check(line, 256);
}

static void through_a_pipe(struct tail *t, const uint8_t *data, size_t bytes)
{
	int p[2];

	if (pipe(p) < 0)
		return;
	if (bytes > 32768) /* what a pipe holds */
		bytes = 32768;
	(void) fd_write_all(p[1], data, bytes);
	(void) close(p[1]);
	while (tail_pump(t, p[0], on_line, NULL) > 0)
		;
	(void) close(p[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct tail console = {0}, messages = {0};
	const struct vmm_ending end = {
		.vmm = "QEMU",
		.signature = "qemu-system-",
		.status = 0x100,
		.console = &console,
		.messages = &messages,
	};
	struct err why = {0};
	char shown[256];

	if (bytes < 1)
		return 0;

	size_t room = (size_t) data[0] + 1;
	auto_free char *out = malloc(room);

	if (!out || tail_init(&console, room, NULL) < 0 || tail_init(&messages, 64, NULL) < 0)
		abort();
	data++;
	bytes--;
	(void) text_printable((const char *) data, bytes, out, room);
	check(out, room);
	text_last_lines((const char *) data, bytes, 3, out, room);
	check(out, room);
	through_a_pipe(&console, data, bytes);
	tail_put(&messages, data, bytes);
	vmm_ending_explain(&end, &why);
	check(err_show(&why, shown, sizeof shown), sizeof shown);
	tail_fini(&console);
	tail_fini(&messages);
	return 0;
}
