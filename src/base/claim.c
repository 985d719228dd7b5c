#include "base/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/auto.h"

/* Each try is lost only to another process that removes the folder at the same moment. */
#define TRIES 100

/* Opens and locks the folder; -ENOENT if it was removed meanwhile. */
static int lock_folder(const char *path, int *ret_fd, struct err *e)
{
	auto_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat ours, there;

	if (fd < 0 || fstat(fd, &ours) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (ours.st_uid != geteuid())
		return err_say(e, EPERM, "'%s' belongs to user %u: remove it", path, ours.st_uid);
	if (ours.st_mode & 077 && fchmod(fd, 0700) < 0)
		return err_sys(e, errno, "close '%s' to others", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "lock '%s'", path);
	if (lstat(path, &there) < 0 || there.st_dev != ours.st_dev || there.st_ino != ours.st_ino)
		return err_say(e, ENOENT, "'%s' was removed meanwhile", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

int claim_folder(const char *path, int *ret_fd, struct err *e)
{
	int r = -ENOENT;

	for (int i = 0; i < TRIES && r == -ENOENT; i++) {
		err_clear(e);
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make folder '%s'", path);
		r = lock_folder(path, ret_fd, e);
	}
	return r;
}

int claim_left(const char *path, int *ret_fd, struct err *e)
{
	return lock_folder(path, ret_fd, e);
}
