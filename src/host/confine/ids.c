#include "host/confine/ids.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/auto.h"
#include "base/file.h"

#define TRIES 64

/* The lock belongs to the open file, so a fork neither gets nor loses it. */
static int lock_place(int fd, uint32_t place)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t) place, .l_len = 1};

	return fcntl(fd, F_OFD_SETLK, &lock) < 0 ? -errno : 0;
}

int confine_id_claim(const char *dir, uid_t *ret_id, int *ret_fd, struct err *e)
{
	auto_free char *path = str_printf("%s/" CONFINE_IDS_FILE, dir);
	int r = path ? dir_make(dir, 0711, e) : err_sys(e, ENOMEM, "claim a user");

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
		place %= CONFINE_N_IDS;
		r = lock_place(fd, place);
		if (r == 0) {
			*ret_id = CONFINE_FIRST_ID + place;
			*ret_fd = take_fd(&fd);
			return 0;
		}
		if (r != -EAGAIN && r != -EACCES)
			return err_sys(e, -r, "lock '%s'", path);
	}
	return err_say(e, EAGAIN, "%d users were all taken, says '%s'", TRIES, path);
}
