/* What a storage driver says of a direct volume. */
#include <stdlib.h>
#include <string.h>

#include "host/storage/direct_volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
}

/* What a sandbox is posted is read alike, however often it is written again. */
static void resize(const char *json, size_t bytes)
{
	char *path = NULL, *again = NULL, *text = NULL;
	uint64_t size = 0, same = 0;
	struct err e = {0};

	if (direct_volume_parse_resize(json, bytes, &path, &size, &e) == 0) {
		require(path[0] == '/' && size > 0);
		require(direct_volume_print_resize(path, size, &text, NULL) == 0);
		require(direct_volume_parse_resize(text, strlen(text), &again, &same, NULL) == 0);
		require(strcmp(path, again) == 0 && size == same);
	} else {
		require(e.text[0] && !path);
	}
	free(path);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct direct_volume v;
	struct err e = {0};
	int r = direct_volume_parse((const char *) data, bytes, &v, &e);

	if (r == 0)
		require(v.device[0] == '/' && v.fstype[0] && (v.gid == 0 || v.has_group));
	else
		require(e.text[0] && !v.device && !v.fstype && !v.options);
	direct_volume_fini(&v);
	resize((const char *) data, bytes);
	return 0;
}
