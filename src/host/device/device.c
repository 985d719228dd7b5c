#include "host/device/device.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/array.h"

static const char *const kind_names[] = {
	[DEVICE_DISK] = "disk",        [DEVICE_VIRTIO_FS] = "virtio-fs share",
	[DEVICE_9P] = "9p share",      [DEVICE_VSOCK] = "vsock",
	[DEVICE_PORT] = "serial port", [DEVICE_NIC] = "network interface",
};
TABLE_COVERS(kind_names, DEVICE_KIND_MAX);

const char *device_kind_name(enum device_kind kind)
{
	return (size_t) kind < DEVICE_KIND_MAX ? kind_names[kind] : "?";
}

int device_check_id(const struct device *d, struct err *e)
{
	size_t n = d->id ? strlen(d->id) : 0;

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char) d->id[i]) && d->id[i] != '-' && d->id[i] != '_')
			n = 0;
	if (n == 0 || n > DEVICE_ID_MAX)
		return err_say(e, EINVAL, "'%s' cannot be the name of a %s", d->id ? d->id : "",
			       device_kind_name(d->kind));
	return 0;
}
