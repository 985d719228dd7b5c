#include <errno.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/container/child/setup.h"
#include "agent/container/sysctl.h"
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

/* Writes through the agent's /proc, which shows the namespaces of the process that opens a file. */
int set_sysctls(struct setup *s, struct err *e)
{
	const Grpc__Linux *l = s->spec->linux;
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->n_sysctl; i++)
		r = sysctl_set(s->proc_fd, l->sysctl[i]->key, l->sysctl[i]->value, s->namespaces,
			       e);
	return r;
}
