/*
 * PID 1 of the machine in which tests/guest/run tries what this machine's kernel cannot do: boots
 * as the agent does, runs every program in /tests with the arguments of the kernel command line's
 * "only=", and switches the machine off. What they print goes to the console.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/boot/steps.h"
#include "base/file.h"

static void run(const char *name, const char *only)
{
	char path[300];
	int status;
	pid_t pid = fork();

	(void) snprintf(path, sizeof path, "/tests/%s", name);
	if (pid == 0) {
		(void) execl(path, name, only, NULL);
		perror(path);
		_exit(127);
	}
	while (waitpid(-1, &status, 0) != pid)
		;
	printf("# %s ended with status %#x\n", name, status);
	(void) fflush(stdout);
}

/* The word after "only=", or NULL. */
static char *find_only(void)
{
	char *line = NULL, *rest = NULL;

	if (file_read(AT_FDCWD, "/proc/cmdline", 4096, &line, NULL, NULL) < 0)
		return NULL;
	for (char *word = strtok_r(line, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
		if (strncmp(word, "only=", 5) == 0)
			return word + 5;
	return NULL;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_test(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

int main(void)
{
	struct dirent **names;
	struct err e = {0};

	if (mount_over_initramfs(&e) < 0)
		return 1;
	mount_base();
	for (int fd = 0; fd < 3; fd++) {
		int console = open("/dev/console", O_RDWR);

		(void) dup2(console, fd);
		if (console > 2)
			(void) close(console);
	}
	(void) mkdir("/tmp", 01777);

	char *only = find_only();
	int n = scandir("/tests", &names, is_test, by_name);

	for (int i = 0; i < n; i++)
		run(names[i]->d_name, only);
	printf("# the end\n");
	(void) fflush(stdout);
	sync();
	(void) reboot(RB_POWER_OFF);
	return 1;
}
