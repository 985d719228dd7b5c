/* Templates as files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sparse.h"
#include "host/template/template.h"

/* A maker's folder until it is complete. */
#define UNFINISHED "unfinished"

/* Exists from the begin of a try to make a template until one was made, and has the reason why that
 * failed. Locked while the maker lives. */
#define LAST_TRY "last-try"

#define MEMORY "memory"
#define STATE  "state"
#define ABOUT  "about"

/* The state of QEMU's devices has some hundred kilobytes. */
#define STATE_MAX_BYTES (64 << 20)

static const char magic[8] = "template";

/* Written last, as it is in memory: it is read by the same program only. */
struct about {
	char magic[sizeof magic];
	uint64_t memory_bytes, data_bytes, state_bytes;
};

static bool is_key(const char *name)
{
	return strlen(name) == HV_KEY_BYTES - 1 &&
	       strspn(name, "0123456789abcdef") == HV_KEY_BYTES - 1;
}

/* ---- reading ---- */

/* What others could have written, or can read, is nobody's template. */
static int check_owner(int fd, const char *path, struct stat *ret, struct err *e)
{
	if (fstat(fd, ret) < 0)
		return err_sys(e, errno, "inspect '%s'", path);
	if (ret->st_uid != geteuid())
		return err_say(e, EPERM, "'%s' belongs to user %u", path, ret->st_uid);
	if (ret->st_mode & 077)
		return err_say(e, EPERM, "'%s' is open to other users (mode %04o)", path,
			       ret->st_mode & 07777);
	return 0;
}

/* Returns a descriptor or -errno. */
static int open_checked(int dir, const char *name, int flags, struct stat *ret, struct err *e)
{
	auto_close int fd = openat(dir, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", name);
	r = check_owner(fd, name, ret, e);
	return r < 0 ? r : take_fd(&fd);
}

static int read_about(int dir, struct about *ret, struct err *e)
{
	struct stat st;
	auto_close int fd = open_checked(dir, ABOUT, O_RDONLY, &st, e);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, ret, sizeof *ret);
	if (n != sizeof *ret || memcmp(ret->magic, magic, sizeof magic) != 0)
		return err_say(e, EIO, "'" ABOUT "' is not what a maker has written");
	return 0;
}

static int open_file(int dir, const char *name, uint64_t bytes, int *ret_fd, struct err *e)
{
	struct stat st;
	auto_close int fd = open_checked(dir, name, O_RDONLY, &st, e);

	if (fd < 0)
		return fd;
	if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size != bytes)
		return err_say(e, EIO, "'%s' has %llu bytes and should have %llu", name,
			       (unsigned long long) st.st_size, (unsigned long long) bytes);
	*ret_fd = take_fd(&fd);
	return 0;
}

static int open_template(int base, const char *key, struct hv_saved *ret, struct err *e)
{
	auto_template struct hv_saved t = TEMPLATE_NONE;
	struct about about;
	struct stat st;
	auto_close int dir = open_checked(base, key, O_RDONLY | O_DIRECTORY, &st, e);
	int r = dir < 0 ? dir : read_about(dir, &about, e);

	if (r == 0)
		r = open_file(dir, MEMORY, about.memory_bytes, &t.memory_fd, e);
	if (r == 0)
		r = open_file(dir, STATE, about.state_bytes, &t.state_fd, e);
	if (r < 0)
		return r;
	t.data_bytes = about.data_bytes;
	*ret = t;
	t = TEMPLATE_NONE;
	return 0;
}

/* With the words of the last try to make one, if it has made none. */
static int say_none(int base, const char *path, struct err *e)
{
	struct stat st;
	auto_close int fd = open_checked(base, LAST_TRY, O_RDONLY, &st, NULL);
	char words[256] = "";

	if (fd < 0 || pread(fd, words, sizeof words - 1, 0) <= 0)
		return err_say(e, ENOENT, "there is none for this machine in '%s'", path);
	words[strcspn(words, "\n")] = '\0';
	return err_say(e, ENOENT, "there is none for this machine in '%s'; the last try: %s", path,
		       words);
}

int template_open(const char *path, const char *key, struct hv_saved *ret, struct err *e)
{
	struct stat st;
	auto_close int base = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r;

	if (base < 0)
		return err_sys(e, errno, "open '%s'", path);
	r = check_owner(base, path, &st, e);
	if (r == 0 && faccessat(base, key, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return say_none(base, path, e);
	if (r == 0)
		r = err_wrap(e, open_template(base, key, ret, e), "template '%s'", key);
	return r;
}

void template_close(struct hv_saved *t)
{
	t->memory_fd = fd_close(t->memory_fd);
	t->state_fd = fd_close(t->state_fd);
}

/* ---- the folder ---- */

/* Opens the folder of templates, which is made if it is missing. Returns a descriptor or -errno. */
static int open_base(const char *path, struct err *e)
{
	struct stat st;
	int r = dir_make(path, 0700, e);
	auto_close int fd =
		r < 0 ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (r < 0)
		return r;
	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	r = check_owner(fd, path, &st, e);
	return r < 0 ? r : take_fd(&fd);
}

int template_lock(const char *path, int *ret_fd, struct err *e)
{
	auto_close int fd = open_base(path, e);

	if (fd < 0)
		return fd;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(e, errno, "lock '%s'", path);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- tries ---- */

static bool is_recent(const struct stat *st)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	return st->st_mtim.tv_sec <= now.tv_sec &&
	       now.tv_sec - st->st_mtim.tv_sec < TEMPLATE_TRY_PAUSE_S;
}

static int refuse_try(struct err *e)
{
	return err_say(e, EALREADY, "there was a try less than %d s ago", TEMPLATE_TRY_PAUSE_S);
}

/* The file of the next try: a new one, or that of one that is over. Returns a descriptor or -errno.
 */
static int open_try(int base, struct err *e)
{
	struct stat st;
	auto_close int fd =
		openat(base, LAST_TRY,
		       O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	/* Another who looks at it has the lock for a moment. */
	if (fd >= 0)
		return flock(fd, LOCK_EX) < 0 ? err_sys(e, errno, "lock '" LAST_TRY "'")
					      : take_fd(&fd);
	if (errno != EEXIST)
		return err_sys(e, errno, "make '" LAST_TRY "'");
	fd = open_checked(base, LAST_TRY, O_RDWR | O_APPEND, &st, e);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return refuse_try(e);
	/* With the lock, because another may have begun a moment ago. */
	if (fstat(fd, &st) < 0 || is_recent(&st))
		return refuse_try(e);
	if (ftruncate(fd, 0) < 0 || futimens(fd, NULL) < 0)
		return err_sys(e, errno, "empty '" LAST_TRY "'");
	return take_fd(&fd);
}

int template_try(const char *path, int *ret_fd, struct err *e)
{
	auto_close int base = open_base(path, e);
	int fd = base < 0 ? base : open_try(base, e);

	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

/* ---- making ---- */

static int make_file(int dir, const char *name, int *ret_fd, struct err *e)
{
	*ret_fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? err_sys(e, errno, "make '%s'", name) : 0;
}

static int write_memory(int dir, const struct hv_saved *saved, struct about *a, struct err *e)
{
	auto_close int fd = -1;
	int r = make_file(dir, MEMORY, &fd, e);

	if (r == 0 && ftruncate(fd, (off_t) a->memory_bytes) < 0)
		r = err_sys(e, errno, "size '" MEMORY "'");
	if (r == 0)
		r = sparse_copy_dense(saved->memory_fd, fd, a->memory_bytes, &a->data_bytes, e);
	if (r == 0 && fsync(fd) < 0)
		r = err_sys(e, errno, "write '" MEMORY "'");
	return r;
}

static int write_state(int dir, const struct hv_saved *saved, struct about *a, struct err *e)
{
	auto_close int fd = -1;
	struct stat st;
	int r = make_file(dir, STATE, &fd, e);

	if (r == 0 && fstat(saved->state_fd, &st) < 0)
		r = err_sys(e, errno, "inspect the machine's state");
	if (r < 0)
		return r;
	if (st.st_size > STATE_MAX_BYTES)
		return err_say(e, EFBIG, "the machine's state has %lld bytes",
			       (long long) st.st_size);
	a->state_bytes = (uint64_t) st.st_size;

	uint64_t data;

	r = sparse_copy(saved->state_fd, fd, a->state_bytes, &data, e);
	if (r == 0 && (ftruncate(fd, st.st_size) < 0 || fsync(fd) < 0))
		r = err_sys(e, errno, "write '" STATE "'");
	return r;
}

static int write_about(int dir, const struct about *a, struct err *e)
{
	return file_replace(dir, ABOUT, a, sizeof *a, 0600, e);
}

static int write_all(int base, const struct hv_saved *saved, uint64_t memory_bytes, struct err *e)
{
	struct about about = {.memory_bytes = memory_bytes};
	auto_close int dir = -1;
	int r;

	memcpy(about.magic, magic, sizeof magic);
	if (mkdirat(base, UNFINISHED, 0700) < 0)
		return err_sys(e, errno, "make a folder");
	dir = openat(base, UNFINISHED, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, errno, "open a folder");
	r = write_memory(dir, saved, &about, e);
	if (r == 0)
		r = write_state(dir, saved, &about, e);
	return r < 0 ? r : write_about(dir, &about, e);
}

static int list(int base, DIR **ret, struct err *e)
{
	auto_close int copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	*ret = copy < 0 ? NULL : fdopendir(copy);
	if (!*ret)
		return err_sys(e, errno, "list the templates");
	(void) take_fd(&copy); /* closedir() closes it */
	return 0;
}

/* Whether makers have made it: templates, and what is left of one that made none. */
static bool is_ours(const char *name)
{
	return is_key(name) || strcmp(name, UNFINISHED) == 0 || strcmp(name, LAST_TRY) == 0;
}

int template_remove_all(int locked_fd, unsigned *ret_n, struct err *e)
{
	DIR *dir;
	struct dirent *entry;
	int r = list(locked_fd, &dir, e);

	*ret_n = 0;
	if (r < 0)
		return r;
	while (r == 0 && (entry = readdir(dir))) {
		if (is_ours(entry->d_name))
			r = dir_remove(locked_fd, entry->d_name, e);
		*ret_n += is_key(entry->d_name);
	}
	(void) closedir(dir);
	return r;
}

struct oldest {
	char key[HV_KEY_BYTES]; /* "": there is none */
	struct timespec made;
	size_t n; /* of how many */
};

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec < b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* @key: is_key(). */
static void compare(struct oldest *o, const char *key, const struct timespec *made)
{
	o->n++;
	if (o->key[0] && !is_before(made, &o->made))
		return;
	o->made = *made;
	memcpy(o->key, key, sizeof o->key);
}

/* Of the templates but @except. */
static int find_oldest(int base, const char *except, struct oldest *ret, struct err *e)
{
	DIR *dir;
	struct dirent *entry;
	struct stat st;
	int r = list(base, &dir, e);

	*ret = (struct oldest){.n = 0};
	if (r < 0)
		return r;
	while ((entry = readdir(dir)))
		if (is_key(entry->d_name) && strcmp(entry->d_name, except) != 0 &&
		    fstatat(base, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			compare(ret, entry->d_name, &st.st_mtim);
	(void) closedir(dir);
	return 0;
}

/* Removes the oldest templates until there are @most with @newest. */
static int remove_oldest(int base, const char *newest, size_t most, struct err *e)
{
	struct oldest o;
	int r;

	do {
		r = find_oldest(base, newest, &o, e);
		if (r < 0 || o.n < most)
			return r;
		r = dir_remove(base, o.key, e);
	} while (r == 0);
	return r;
}

/* Gives the finished template its name. One that has it already is in the way of the rename. */
static int publish(int base, const char *key, struct err *e)
{
	int r = dir_remove(base, key, e);

	if (r == 0 && renameat(base, UNFINISHED, base, key) < 0)
		r = err_sys(e, errno, "rename a template");
	if (r == 0 && fsync(base) < 0)
		r = err_sys(e, errno, "write the list of templates");
	return r;
}

int template_keep(int locked_fd, const char *key, const struct hv_saved *saved,
		  uint64_t memory_bytes, size_t most, struct err *e)
{
	int r = dir_remove(locked_fd, UNFINISHED, e);

	if (r == 0)
		r = write_all(locked_fd, saved, memory_bytes, e);
	if (r == 0)
		r = publish(locked_fd, key, e);
	if (r == 0)
		r = dir_remove(locked_fd, LAST_TRY, e);
	if (r == 0)
		return remove_oldest(locked_fd, key, most, e);
	if (dir_remove(locked_fd, UNFINISHED, NULL) < 0)
		log_warn("ignoring what is left of a template that could not be made");
	return r;
}
