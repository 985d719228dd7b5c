#include "host/confine/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"

#define TRIES 64

/* The kernel takes at most 340 lines of three numbers. */
#define MAP_MAX_BYTES (64 << 10)

/* The lock belongs to the open file, so a fork neither gets nor loses it. */
static int lock_place(int fd, uint32_t place)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t) place, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

/* An extent of a map: ids of the namespace that follow each other. */
static bool next_extent(const char **text, struct confine_ids *ret)
{
	uint32_t outside;
	int bytes = 0;

	if (sscanf(*text, " %" SCNu32 " %" SCNu32 " %" SCNu32 "%n", &ret->first, &outside,
		   &ret->count, &bytes) != 3)
		return false;
	*text += bytes;
	return true;
}

static struct confine_ids overlap(struct confine_ids a, struct confine_ids b)
{
	uint64_t first = a.first > b.first ? a.first : b.first;
	uint64_t a_end = (uint64_t) a.first + a.count, b_end = (uint64_t) b.first + b.count;
	uint64_t end = a_end < b_end ? a_end : b_end;

	return (struct confine_ids){(uint32_t) first, end > first ? (uint32_t) (end - first) : 0};
}

struct confine_ids confine_ids_choose(const char *uid_map, const char *gid_map)
{
	const struct confine_ids wanted = {CONFINE_FIRST_ID, CONFINE_N_IDS};
	struct confine_ids users, groups, most = {0};

	while (next_extent(&uid_map, &users)) {
		for (const char *map = gid_map; next_extent(&map, &groups);) {
			struct confine_ids both = overlap(users, groups);

			if (overlap(both, wanted).count == CONFINE_N_IDS)
				return wanted;
			if (both.count > most.count)
				most = both;
		}
	}
	return (struct confine_ids){most.first + most.count / 2 + most.count % 2, most.count / 2};
}

static int own_ids(struct confine_ids *ret, struct err *e)
{
	auto_free char *uids = NULL, *gids = NULL;
	int r = file_read(AT_FDCWD, "/proc/self/uid_map", MAP_MAX_BYTES, &uids, NULL, e);

	if (r == 0)
		r = file_read(AT_FDCWD, "/proc/self/gid_map", MAP_MAX_BYTES, &gids, NULL, e);
	if (r < 0)
		return r;
	*ret = confine_ids_choose(uids, gids);
	return ret->count ? 0 : err_say(e, ENOENT, "this user namespace has only one user");
}

char *confine_ids_same(const char *file, struct err *e)
{
	auto_free char *path = str_printf("/proc/self/%s", file), *map = NULL;
	char *same = NULL;
	struct confine_ids ids;

	if (!path) {
		(void) err_sys(e, ENOMEM, "read a map");
		return NULL;
	}
	if (file_read(AT_FDCWD, path, MAP_MAX_BYTES, &map, NULL, e) < 0)
		return NULL;
	for (const char *at = map; next_extent(&at, &ids);) {
		char *more = str_printf("%s%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", same ? same : "",
					ids.first, ids.first, ids.count);

		free(same);
		same = more;
		if (!same)
			break;
	}
	if (!same)
		(void) err_say(e, EINVAL, "'%s' has no line", path);
	return same;
}

int confine_id_claim(const char *dir, uid_t *ret_id, int *ret_fd, struct err *e)
{
	auto_free char *path = str_printf("%s/" CONFINE_IDS_FILE, dir);
	struct confine_ids ids = {0};
	int r = path ? own_ids(&ids, e) : err_sys(e, ENOMEM, "claim a user");

	if (r == 0)
		r = dir_make(dir, 0711, e);
	if (r < 0)
		return r;
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	/* Tries at random, because hosts in containers have their own lock files but share the
	 * machine's ids. */
	for (int i = 0; i < TRIES; i++) {
		uint32_t place;

		if (getrandom(&place, sizeof place, 0) != sizeof place)
			return err_sys(e, errno, "choose a user");
		place %= ids.count;
		r = lock_place(fd, place);
		if (r == 0) {
			*ret_id = ids.first + place;
			*ret_fd = take_fd(&fd);
			return 0;
		}
		if (r != -EAGAIN && r != -EACCES)
			return err_sys(e, -r, "lock '%s'", path);
	}
	return err_say(e, EAGAIN, "%d users were all taken, says '%s'", TRIES, path);
}
