/* What a storage driver says of a direct volume. */
#include <stdlib.h>

#include "host/storage/direct_volume.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
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
	return 0;
}
