#include <stdio.h>
#include <string.h>

#include "agent/boot/boot.h"
#include "agent/container/container.h"
#include "base/version.h"

/* The guest's PID 1, and, executed again by itself, the child that becomes a container's process.
 */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], CONTAINER_CHILD_ARG) == 0)
		return container_child_main(argc, argv);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("kata-agent %s (%s)\n", version_number(), version_commit());
		return 0;
	}
	return boot_main();
}
