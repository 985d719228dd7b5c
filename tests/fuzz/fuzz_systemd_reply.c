/* What systemd, or whoever listens at its socket, answers: one message of D-Bus. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/cgroup/systemd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char words[256];
	bool is_reply = false;
	const char *refusal = systemd_reply_read(data, bytes, 1, &is_reply, words);

	if (refusal && (!is_reply || strlen(refusal) >= sizeof words))
		abort();
	return 0;
}
