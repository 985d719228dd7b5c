#include "agent/container/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>

#include "agent/container/container.h"
#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"

/* Sysctls whose value belongs to a namespace; a name that ends in '/' means all below it. Those of
 * the network are always allowed, because only containers use the VM's network. */
static const struct {
	const char *name;
	unsigned namespace;
} sysctls[] = {
	{"fs/mqueue/", CLONE_NEWIPC},
	{"kernel/domainname", CLONE_NEWUTS},
	{"kernel/msgmax", CLONE_NEWIPC},
	{"kernel/msgmnb", CLONE_NEWIPC},
	{"kernel/msgmni", CLONE_NEWIPC},
	{"kernel/sem", CLONE_NEWIPC},
	{"kernel/shm_rmid_forced", CLONE_NEWIPC},
	{"kernel/shmall", CLONE_NEWIPC},
	{"kernel/shmmax", CLONE_NEWIPC},
	{"kernel/shmmni", CLONE_NEWIPC},
	{"net/", 0},
};

/* "a.b.c" is the file a/b/c; when the first separator is a slash it is the other way round, so that
 * a name with a dot in it can be written. */
static void to_file(char *name)
{
	char first = name[strcspn(name, "./")];

	if (first != '.')
		return;
	for (; *name; name++)
		*name = *name == '.' ? '/' : *name == '/' ? '.' : *name;
}

static bool may_set(unsigned namespaces, const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
		const char *name = sysctls[i].name;
		size_t bytes = strlen(name);
		bool match = name[bytes - 1] == '/' ? strncmp(file, name, bytes) == 0
						    : strcmp(file, name) == 0;

		if (match)
			return (namespaces & sysctls[i].namespace) == sysctls[i].namespace;
	}
	return false;
}

static bool leads_out(const char *file)
{
	return file[0] == '/' || strncmp(file, "../", 3) == 0 || strstr(file, "/../");
}

int sysctl_set(int proc_fd, const char *key, const char *value, unsigned namespaces, struct err *e)
{
	auto_free char *file = str_printf("%s", key ? key : "");

	if (!file)
		return err_sys(e, ENOMEM, "set linux.sysctl");
	to_file(file);
	if (leads_out(file) || !may_set(namespaces, file))
		return err_say(e, EINVAL,
			       "linux.sysctl['%.128s']: is not in a namespace of the container",
			       key ? key : "");

	auto_free char *path = str_printf("sys/%s", file);

	if (!path)
		return err_sys(e, ENOMEM, "set linux.sysctl");

	int r = file_write(proc_fd, path, value ? value : "", e);

	return err_wrap(e, r, "set linux.sysctl['%.128s']", key);
}

int container_pod_sysctl(const char *key, const char *value, struct err *e)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (proc < 0)
		return err_sys(e, errno, "open '/proc'");
	return sysctl_set(proc, key, value, CLONE_NEWIPC | CLONE_NEWUTS, e);
}
