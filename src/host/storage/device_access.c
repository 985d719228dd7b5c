#include "host/storage/device_access.h"

#include <stdbool.h>
#include <string.h>

/* Whether rule @r is about @what ('r', 'w' or 'm') of a block device. As in version 1 of control
 * groups, a rule without a type is about everything, and without access about all of it. */
static bool is_about(const Grpc__LinuxDeviceCgroup *r, int64_t major_, int64_t minor_, char what)
{
	if (!r->type || !r->type[0] || strcmp(r->type, "a") == 0)
		return true;
	return strcmp(r->type, "b") == 0 && (!r->has_major || r->major < 0 || r->major == major_) &&
	       (!r->has_minor || r->minor < 0 || r->minor == minor_) &&
	       (!r->access || !r->access[0] || strchr(r->access, what));
}

static bool may(const Grpc__LinuxResources *resources, int64_t major_, int64_t minor_, char what)
{
	for (size_t i = resources ? resources->n_devices : 0; i-- > 0;)
		if (is_about(resources->devices[i], major_, minor_, what))
			return resources->devices[i]->allow;
	return false;
}

void device_access(const Grpc__LinuxResources *resources, int64_t major_, int64_t minor_,
		   char ret[DEVICE_ACCESS_BYTES])
{
	size_t n = 0;

	for (const char *what = "rwm"; *what; what++)
		if (may(resources, major_, minor_, *what))
			ret[n++] = *what;
	ret[n] = '\0';
}
