#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "oci/oci.h"

int oci_id_map_print(Grpc__LinuxIDMapping *const *maps, size_t n, char **ret, struct err *e)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return err_sys(e, ENOMEM, "print id mappings");
	for (size_t i = 0; i < n; i++)
		(void) fprintf(out, "%u %u %u\n", maps[i]->containerid, maps[i]->hostid,
			       maps[i]->size);
	if (fclose(out) != 0) {
		free(text);
		return err_sys(e, ENOMEM, "print id mappings");
	}
	*ret = text;
	return 0;
}
