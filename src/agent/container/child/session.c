#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "base/array.h"
#include "base/file.h"

/* What a possessor and the owner may do with the keyring; keyctl(2). The owner may search, which
 * the kernel does not grant by itself, so that a process that has changed its user finds its
 * keys. */
#define KEYRING_RIGHTS (0x1f000000U | 0x000b0000U)

/* Joins a new keyring, because all containers would share their keys otherwise. */
static int join_keyring(const char *id, struct err *e)
{
	char name[300];

	(void) snprintf(name, sizeof name, "_ses.%s", id);

	long key = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);

	if (key < 0 && errno != ENOSYS)
		return err_sys(e, errno, "make a session keyring");
	if (key > 0)
		(void) syscall(SYS_keyctl, KEYCTL_SETPERM, key, KEYRING_RIGHTS);
	return 0;
}

int start_session(struct setup *s, struct err *e)
{
	if (setsid() < 0)
		return err_sys(e, errno, "start a session");
	return join_keyring(s->id, e);
}

int set_names(struct setup *s, struct err *e)
{
	const char *host = s->spec->hostname, *domain = s->spec->domainname;

	if (host && host[0]) {
		if (!(s->namespaces & CLONE_NEWUTS))
			return err_say(e, EINVAL, "hostname: needs a uts namespace");
		if (sethostname(host, strlen(host)) < 0)
			return err_sys(e, errno, "set hostname '%s'", host);
	}
	if (domain && domain[0]) {
		if (!(s->namespaces & CLONE_NEWUTS))
			return err_say(e, EINVAL, "domainname: needs a uts namespace");
		if (setdomainname(domain, strlen(domain)) < 0)
			return err_sys(e, errno, "set domainname '%s'", domain);
	}
	return 0;
}

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

static bool may_set(const struct setup *s, const char *file)
{
	for (size_t i = 0; i < ARRAY_LEN(sysctls); i++) {
		const char *name = sysctls[i].name;
		size_t bytes = strlen(name);
		bool match = name[bytes - 1] == '/' ? strncmp(file, name, bytes) == 0
						    : strcmp(file, name) == 0;

		if (match)
			return (s->namespaces & sysctls[i].namespace) == sysctls[i].namespace;
	}
	return false;
}

static bool leads_out(const char *file)
{
	return file[0] == '/' || strncmp(file, "../", 3) == 0 || strstr(file, "/../");
}

/* Writes through the agent's /proc, which shows the namespaces of the process that opens a file. */
int set_sysctls(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;

	for (size_t i = 0; i < l->n_sysctl; i++) {
		const char *key = l->sysctl[i]->key, *value = l->sysctl[i]->value;
		auto_free char *file = str_printf("%s", key ? key : "");

		if (!file)
			return err_sys(e, ENOMEM, "set linux.sysctl");
		to_file(file);
		if (leads_out(file) || !may_set(s, file))
			return err_say(
				e, EINVAL,
				"linux.sysctl['%.128s']: is not in a namespace of the container",
				key ? key : "");

		auto_free char *path = str_printf("sys/%s", file);

		if (!path)
			return err_sys(e, ENOMEM, "set linux.sysctl");

		int r = file_write(s->proc_fd, path, value ? value : "", e);

		if (r < 0)
			return err_wrap(e, r, "set linux.sysctl['%.128s']", key);
	}
	return 0;
}
