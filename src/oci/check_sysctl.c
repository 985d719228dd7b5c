/* May a container set this sysctl? Only where the value belongs to a namespace that it has. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "oci/check.h"

#define SYSCTL_NAME_MAX 256

/* @name ends in "." when everything below it is meant. */
static const struct {
	const char *name;
	unsigned namespace;
	const char *namespace_name;
} sysctls[] = {
	{"fs.mqueue.", CLONE_NEWIPC, "an ipc"},
	{"kernel.domainname", CLONE_NEWUTS, "a uts"},
	{"kernel.msgmax", CLONE_NEWIPC, "an ipc"},
	{"kernel.msgmnb", CLONE_NEWIPC, "an ipc"},
	{"kernel.msgmni", CLONE_NEWIPC, "an ipc"},
	{"kernel.sem", CLONE_NEWIPC, "an ipc"},
	{"kernel.shm_rmid_forced", CLONE_NEWIPC, "an ipc"},
	{"kernel.shmall", CLONE_NEWIPC, "an ipc"},
	{"kernel.shmmax", CLONE_NEWIPC, "an ipc"},
	{"kernel.shmmni", CLONE_NEWIPC, "an ipc"},
	{"net.", CLONE_NEWNET, "a network"},
};

/* sysctl(8) also writes a.b/c.d as a/b.c/d: the first separator decides which form @name has. */
static void to_dots(const char *name, char *dots)
{
	size_t first = strcspn(name, "./");
	bool swap = name[first] == '/';

	for (; *name; name++)
		*dots++ = swap && *name == '/' ? '.' : swap && *name == '.' ? '/' : *name;
	*dots = '\0';
}

static bool matches(const char *pattern, const char *name)
{
	size_t n = strlen(pattern);

	return pattern[n - 1] == '.' ? strncmp(pattern, name, n) == 0 : strcmp(pattern, name) == 0;
}

int check_sysctl(const char *name, unsigned namespaces, struct err *e)
{
	char dots[SYSCTL_NAME_MAX];

	if (strlen(name) >= sizeof dots)
		return refuse(e, EINVAL, "linux.sysctl: '%.64s...' is too long", name);
	to_dots(name, dots);
	if (strcmp(dots, "kernel.hostname") == 0)
		return refuse(e, EINVAL, "linux.sysctl['%s']: is what 'hostname' is for", name);
	if (strstr(dots, "..") || strchr(dots, '\n'))
		return refuse(e, EINVAL, "linux.sysctl['%s']: is no name of a sysctl", name);
	for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
		if (!matches(sysctls[i].name, dots))
			continue;
		if (!(namespaces & sysctls[i].namespace))
			return refuse(e, EINVAL, "linux.sysctl['%s']: needs %s namespace", name,
				      sysctls[i].namespace_name);
		return 0;
	}
	return refuse(e, EINVAL, "linux.sysctl['%s']: does not belong to a namespace", name);
}
