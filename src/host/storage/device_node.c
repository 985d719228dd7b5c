#include "host/storage/device_node.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/auto.h"
#include "base/file.h"

#define UEVENT_MAX_BYTES 4096

int device_node_path(mode_t type, dev_t rdev, char **ret)
{
	char path[64], name[128];
	auto_free char *text = NULL;

	(void) snprintf(path, sizeof path, "/sys/dev/%s/%u:%u/uevent",
			type == S_IFBLK ? "block" : "char", major(rdev), minor(rdev));

	const char *line = file_read(AT_FDCWD, path, UEVENT_MAX_BYTES, &text, NULL, NULL) < 0
				   ? NULL
				   : strstr(text, "DEVNAME=");

	if (!line || sscanf(line, "DEVNAME=%127[^\n]", name) != 1)
		return -ENODEV;
	*ret = str_printf("/dev/%s", name);
	return *ret ? 0 : -ENOMEM;
}
