#include "host/cli/pid_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"

int pid_file_write(const char *path, pid_t pid, struct err *e)
{
	char text[16];

	(void) snprintf(text, sizeof text, "%d", pid);
	return err_wrap(e, file_replace(AT_FDCWD, path, text, strlen(text), 0666, e),
			"write pid file");
}
