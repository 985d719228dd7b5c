#include <stdio.h>
#include <string.h>

#include "agent/boot/boot.h"
#include "agent/container/container.h"
#include "base/version.h"

/* The guest's PID 1, and, executed again by itself, what containers' processes are made from. */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], CONTAINER_ZYGOTE_ARG) == 0)
		return container_zygote_main();
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("kata-agent %s (%s)\n", version_number(), version_commit());
		return fflush(stdout) == 0 ? 0 : 1;
	}
	return boot_main();
}
