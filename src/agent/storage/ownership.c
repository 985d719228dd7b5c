#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/storage/driver.h"

/* Deeper trees are refused, for each level costs two descriptors. */
#define OWNERSHIP_DEPTH_MAX 256

#define OWNERSHIP_FILE_MODE   0060
#define OWNERSHIP_FOLDER_MODE (S_ISGID | 0070)

static mode_t wanted_mode(const struct stat *st)
{
	return (st->st_mode & 07777) |
	       (S_ISDIR(st->st_mode) ? OWNERSHIP_FOLDER_MODE : OWNERSHIP_FILE_MODE);
}

bool ownership_needed(int fd, const Grpc__FSGroup *group)
{
	struct stat st;

	if (!group)
		return false;
	if (group->group_change_policy != TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch)
		return true;
	return fstat(fd, &st) < 0 || st.st_gid != group->group_id ||
	       (st.st_mode & 07777) != wanted_mode(&st);
}

/* Changes only what is open as @fd (O_PATH), nothing below it. */
static int change_one(int fd, const struct stat *st, uint32_t gid)
{
	char path[PLACE_FD_PATH_BYTES];

	if (fchownat(fd, "", (uid_t) -1, gid, AT_EMPTY_PATH) < 0)
		return -errno;
	/* A link has no mode. The change of group has taken the set-id bits away. */
	if (S_ISLNK(st->st_mode))
		return 0;
	return chmod(place_fd_path(fd, path), wanted_mode(st)) < 0 ? -errno : 0;
}

static int change_tree(int fd, dev_t dev, uint32_t gid, unsigned depth);

static int change_entries(int fd, dev_t dev, uint32_t gid, unsigned depth)
{
	int list = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = list < 0 ? NULL : fdopendir(list);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = -errno;
		fd_close(list);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;

		auto_close int below = openat(fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (below >= 0)
			r = change_tree(below, dev, gid, depth + 1);
		else if (errno != ENOENT)
			r = -errno;
	}
	(void) closedir(dir);
	return r;
}

/* A folder is changed after its entries, because its group says that all below it is done (see
 * ownership_needed()), also after an interruption. Other mounts below it are left alone. */
static int change_tree(int fd, dev_t dev, uint32_t gid, unsigned depth)
{
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_dev != dev)
		return 0;
	if (depth > OWNERSHIP_DEPTH_MAX)
		return -ELOOP;
	if (S_ISDIR(st.st_mode))
		r = change_entries(fd, dev, gid, depth);
	return r < 0 ? r : change_one(fd, &st, gid);
}

int ownership_set(int fd, uint32_t gid, struct err *e)
{
	struct stat st;
	int r = fstat(fd, &st) < 0 ? -errno : change_tree(fd, st.st_dev, gid, 0);

	return r < 0 ? err_sys(e, -r, "give the volume to group %u", gid) : 0;
}
