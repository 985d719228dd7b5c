/*
 * Files that an engine writes between create and start. Podman mounts an empty /etc/hosts and fills
 * it once the container has a network; the guest remembers for a second that it is empty.
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "agent/container/child/setup.h"

/* AT_STATX_FORCE_SYNC of statx(2) asks the host, and what was read before is thrown away if the
 * size or the time has changed. */
static void freshen(const char *path)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
	struct statx st;

	if (statx(AT_FDCWD, path, flags | AT_STATX_DONT_SYNC, STATX_TYPE, &st) == 0 &&
	    S_ISREG(st.stx_mode))
		(void) statx(AT_FDCWD, path, flags | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &st);
}

/* A file that this user cannot reach, its program cannot read either. Folders are left, because
 * what is asked about one says nothing of the files in it. */
int freshen_files(struct setup *s, struct err *e)
{
	(void) e;
	for (size_t i = 0; i < s->spec->n_mounts; i++)
		freshen(s->spec->mounts[i]->destination);
	return 0;
}
