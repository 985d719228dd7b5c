/* mapped_writer FILE BYTES: fills FILE with 'x' through a mapping, and is killed while it has
 * it. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int fd = argc == 3 ? open(argv[1], O_RDWR | O_CREAT, 0644) : -1;
	size_t bytes = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (fd < 0 || ftruncate(fd, (off_t) bytes) < 0)
		return 1;

	char *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return 1;
	(void) close(fd);
	memset(map, 'x', bytes);
	return raise(SIGKILL);
}
