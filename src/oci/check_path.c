/* Is a path what the specification wants? */
#include <errno.h>

#include "oci/check.h"

int check_absolute(const char *path, const char *field, struct err *e)
{
	if (!path || !path[0])
		return refuse(e, EINVAL, "%s: is missing", field);
	if (path[0] != '/')
		return refuse(e, EINVAL, "%s: '%.128s' is not an absolute path", field, path);
	return 0;
}
