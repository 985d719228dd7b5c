/* What containerd calls a standard stream. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "host/stdio/stream_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	char *text = strndup((const char *) data, bytes);
	struct stream_name n;

	if (text && stream_name_parse(text, &n, NULL) == 0 && n.path[0] != '/')
		abort();
	if (text)
		stream_name_fini(&n);
	free(text);
	return 0;
}
