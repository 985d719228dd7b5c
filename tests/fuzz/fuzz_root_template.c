/* Options of a root's mounts as a snapshotter writes them, with templates. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "host/storage/root_template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static const char *const places[] = {"/a", "/b", "/c"};
	auto_free char *text = malloc(bytes + 1);
	auto_free char *got = NULL;
	struct err e = {0};

	memcpy(text, data, bytes);
	text[bytes] = '\0';

	int r = root_template_expand(text, places, 3, &got, &e);

	if ((r == 0) != (got != NULL) || (r < 0 && e.code != -r))
		abort();
	/* Nothing that is a template is left. */
	if (got && strstr(text, "{{") && strcmp(got, text) == 0)
		abort();
	return 0;
}
