#include "host/state/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/proc_stat.h"
#include "host/state/names.h"
#include "oci/oci.h"

/* Each try is lost only to another process that removes the folder at the same moment. */
#define TRIES 100

#define RECORD_MAX_BYTES (64 << 10)

static int fill(const char *root, const char *id, struct state_dir *ret, struct err *e)
{
	*ret = (struct state_dir){
		.fd = -1,
		.id = strdup(id),
		.path = str_printf("%s/%s", root, id),
	};
	if (ret->id && ret->path)
		return 0;
	state_dir_close(ret);
	return err_sys(e, ENOMEM, "remember container '%s'", id);
}

/* Whether the name still stands for the open folder. */
static bool is_there(const struct state_dir *dir)
{
	struct stat ours, there;

	return fstat(dir->fd, &ours) == 0 && lstat(dir->path, &there) == 0 &&
	       file_is_same(&ours, &there);
}

/* While this process has the folder open, its lock says that the container is being made: whoever
 * cleans up wants the lock alone. One who had it first has removed the folder, and it is made
 * again. */
static int make_and_lock(struct state_dir *dir, struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		if (mkdir(dir->path, 0700) < 0)
			return errno == EEXIST
				       ? err_say(e, EEXIST,
						 "container with given ID already exists: '%s'",
						 dir->id)
				       : err_sys(e, errno, "make folder '%s'", dir->path);
		dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir->fd < 0 && errno != ENOENT)
			return err_sys(e, errno, "open folder '%s'", dir->path);
		if (dir->fd >= 0 && flock(dir->fd, LOCK_SH) == 0 && is_there(dir))
			return 0;
		dir->fd = fd_close(dir->fd);
	}
	return err_say(e, EAGAIN, "folder '%s' is removed again and again", dir->path);
}

int state_dir_make(const char *root, const char *id, struct state_dir *ret, struct err *e)
{
	struct state_dir dir;
	int r = dir_make(root, 0700, e);

	if (r == 0)
		r = fill(root, id, &dir, e);
	if (r < 0)
		return r;

	r = make_and_lock(&dir, e);
	if (r < 0) {
		state_dir_close(&dir);
		return r;
	}
	*ret = dir;
	return 0;
}

/* If other users can write to --root (/tmp for one), the folder may be one of theirs. */
static int check_owner(const struct state_dir *dir, struct err *e)
{
	struct stat st;

	if (fstat(dir->fd, &st) < 0)
		return err_sys(e, errno, "look at folder '%s'", dir->path);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return err_say(e, EPERM, "folder '%s' is user %u's, who is neither root nor us",
			       dir->path, st.st_uid);
	if ((st.st_mode & 077) != 0 && fchmod(dir->fd, 0700) < 0)
		return err_sys(e, errno, "close folder '%s' to others", dir->path);
	return 0;
}

int state_dir_open(const char *root, const char *id, struct state_dir *ret, struct err *e)
{
	struct state_dir dir;
	int r = oci_id_check(id, e);

	if (r == 0)
		r = fill(root, id, &dir, e);
	if (r < 0)
		return r;
	dir.fd = open(dir.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir.fd < 0) {
		r = errno == ENOENT ? err_say(e, ENOENT, "container '%s' does not exist", id)
				    : err_sys(e, errno, "open folder '%s'", dir.path);
		state_dir_close(&dir);
		return r;
	}
	/* As in make_and_lock(): a verb that deletes the container is not met by one who cleans up.
	 * Who cleans up already has the lock alone, and nothing is lost then. */
	(void) flock(dir.fd, LOCK_SH | LOCK_NB);
	r = check_owner(&dir, e);
	if (r < 0) {
		state_dir_close(&dir);
		return r;
	}
	*ret = dir;
	return 0;
}

int state_dir_lock_left(const struct state_dir *dir, struct err *e)
{
	if (flock(dir->fd, LOCK_EX | LOCK_NB) < 0)
		return err_sys(e, errno, "lock '%s'", dir->path);
	return is_there(dir) ? 0 : err_say(e, ENOENT, "'%s' was removed meanwhile", dir->path);
}

bool state_server_lives(int dirfd)
{
	auto_free char *text = NULL;

	if (file_read_regular(dirfd, STATE_NOTES, RECORD_MAX_BYTES, &text, NULL, NULL) < 0)
		return false;

	json_t *notes = json_loads(text, 0, NULL);
	const json_t *server = json_object_get(notes, "server");
	pid_t pid = (pid_t) json_integer_value(json_object_get(server, "pid"));
	uint64_t start = (uint64_t) json_integer_value(json_object_get(server, "start_time"));
	bool lives = pid > 0 && start > 0 && proc_start_time(pid) == start;

	json_decref(notes);
	return lives;
}

int state_dir_remove(const struct state_dir *dir, struct err *e)
{
	return dir_remove(AT_FDCWD, dir->path, e);
}

void state_dir_close(struct state_dir *dir)
{
	free(dir->id);
	free(dir->path);
	fd_close(dir->fd);
	*dir = STATE_DIR_NONE;
}

int record_write(const struct state_dir *dir, const struct record *r, struct err *e)
{
	json_t *o =
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:I}", "id", dir->id, "bundle", r->bundle,
			  "rootfs", r->rootfs, "created", r->created, "owner", r->owner, "pid",
			  (int) r->pid, "pid_start", (json_int_t) r->pid_start);
	auto_free char *text = o ? json_dumps(o, JSON_INDENT(1)) : NULL;

	json_decref(o);
	if (!text)
		return err_sys(e, ENOMEM, "remember container '%s'", dir->id);
	return file_replace(dir->fd, STATE_RECORD, text, strlen(text), 0600, e);
}

static char *string_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return strdup(text ? text : "");
}

int record_read(const struct state_dir *dir, struct record *ret, struct err *e)
{
	auto_free char *text = NULL;
	int r = file_read(dir->fd, STATE_RECORD, RECORD_MAX_BYTES, &text, NULL, e);

	if (r < 0)
		return err_wrap(e, r, "container '%s' is not made yet", dir->id);

	json_t *o = json_loads(text, 0, NULL);

	if (!o)
		return err_say(e, EBADMSG, "'%s/%s' is not JSON", dir->path, STATE_RECORD);
	*ret = (struct record){
		.bundle = string_of(o, "bundle"),
		.rootfs = string_of(o, "rootfs"),
		.created = string_of(o, "created"),
		.owner = string_of(o, "owner"),
		.pid = (pid_t) json_integer_value(json_object_get(o, "pid")),
		.pid_start =
			(unsigned long long) json_integer_value(json_object_get(o, "pid_start")),
	};
	json_decref(o);
	if (ret->bundle && ret->rootfs && ret->created && ret->owner)
		return 0;
	record_fini(ret);
	return err_sys(e, ENOMEM, "read '%s/%s'", dir->path, STATE_RECORD);
}

void record_fini(struct record *r)
{
	free(r->bundle);
	free(r->rootfs);
	free(r->created);
	free(r->owner);
	*r = (struct record){0};
}
