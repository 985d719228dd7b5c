#include "base/file.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/buf.h"
#include "base/fd.h"

#define FILE_CHUNK_BYTES 4096
#define DIR_DEPTH_MAX    128

int file_read_fd(int fd, const char *name, size_t max_bytes, char **ret, size_t *ret_bytes,
		 struct err *e)
{
	struct buf text;
	ssize_t n;

	/* One byte more than allowed, to notice a file that is too big, and one for the NUL. */
	buf_init(&text, max_bytes + 2);
	while ((n = buf_read_from(&text, fd, FILE_CHUNK_BYTES)) > 0)
		if (buf_len(&text) > max_bytes)
			break;

	int r = n < 0 ? (int) n : 0;

	if (r < 0 && r != -EMSGSIZE)
		(void) err_sys(e, -r, "read '%s'", name);
	else if (buf_len(&text) > max_bytes)
		r = err_say(e, EFBIG, "'%s' is larger than %zu bytes", name, max_bytes);
	else if ((r = buf_append(&text, "", 1)) < 0)
		(void) err_sys(e, -r, "read '%s'", name);
	if (r < 0) {
		buf_fini(&text);
		return r;
	}
	if (ret_bytes)
		*ret_bytes = buf_len(&text) - 1;
	*ret = (char *) text.data;
	return 0;
}

int file_read(int dirfd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes,
	      struct err *e)
{
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	return file_read_fd(fd, path, max_bytes, ret, ret_bytes, e);
}

int file_read_regular(int dirfd, const char *path, size_t max_bytes, char **ret, size_t *ret_bytes,
		      struct err *e)
{
	/* O_NONBLOCK, because open() of a pipe would wait for a writer; O_NOCTTY, because open() of
	 * a terminal could make it the controlling one. */
	auto_close int fd = openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_sys(e, EISDIR, "read '%s'", path);
	if (!S_ISREG(st.st_mode))
		return err_say(e, EINVAL, "'%s' is not a regular file", path);
	return file_read_fd(fd, path, max_bytes, ret, ret_bytes, e);
}

bool file_is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int file_write(int dirfd, const char *path, const char *text, struct err *e)
{
	auto_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	if (write(fd, text, strlen(text)) < 0)
		return err_sys(e, errno, "write '%s' to '%s'", text, path);
	return 0;
}

int file_replace(int dirfd, const char *path, const void *data, size_t bytes, mode_t mode,
		 struct err *e)
{
	auto_free char *temp = str_printf("%s.%d.tmp", path, getpid());

	if (!temp)
		return err_sys(e, ENOMEM, "write '%s'", path);

	auto_close int fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0)
		return err_sys(e, errno, "make '%s'", temp);

	int r = fd_write_all(fd, data, bytes);

	if (r == 0 && renameat(dirfd, temp, dirfd, path) < 0)
		r = -errno;
	if (r < 0) {
		(void) unlinkat(dirfd, temp, 0);
		return err_sys(e, -r, "write '%s'", path);
	}
	return 0;
}

int dir_make(const char *path, mode_t mode, struct err *e)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return err_sys(e, ENOMEM, "make folder '%s'", path);
	for (char *slash = copy + 1; slash[-1]; slash++) {
		if (*slash != '/' && *slash != '\0')
			continue;

		char keep = *slash;

		*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, errno, "make folder '%s'", copy);
		*slash = keep;
		if (!keep)
			break;
	}

	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(e, errno, "make folder '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "make folder '%s'", path);
	return 0;
}

static int remove_at(int dirfd, const char *name, dev_t dev, unsigned depth, struct err *e);

static int remove_entries(int take_fd, dev_t dev, unsigned depth, struct err *e)
{
	DIR *dir = fdopendir(take_fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		int saved = errno;

		fd_close(take_fd);
		return err_sys(e, saved, "read a folder");
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = remove_at(dirfd(dir), entry->d_name, dev, depth, e);
	(void) closedir(dir);
	return r;
}

static int remove_at(int dirfd, const char *name, dev_t dev, unsigned depth, struct err *e)
{
	struct stat st;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, errno, "remove '%s'", name);

	auto_close int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, errno, "remove '%s'", name);
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "remove '%s'", name);
	if (dev && st.st_dev != dev)
		return err_say(e, EXDEV, "something is still mounted on '%s'", name);
	if (depth > DIR_DEPTH_MAX)
		return err_say(e, ELOOP, "'%s' is nested too deeply", name);

	int r = remove_entries(take_fd(&fd), st.st_dev, depth + 1, e);

	if (r < 0)
		return r;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_sys(e, errno, "remove '%s'", name);
	return 0;
}

int dir_remove(int dirfd, const char *path, struct err *e)
{
	return err_wrap(e, remove_at(dirfd, path, 0, 0, e), "remove folder '%s'", path);
}

int path_open_in(int rootfd, const char *path, int flags, mode_t mode, struct err *e)
{
	struct open_how how = {
		.flags = (unsigned) (flags | O_CLOEXEC),
		.mode = flags & (O_CREAT | O_TMPFILE) ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, rootfd, path, &how, sizeof how);

	if (fd < 0)
		return err_sys(e, errno, "open '%s'", path);
	return (int) fd;
}

char *path_absolute(const char *path, struct err *e)
{
	auto_free char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	char *ret = NULL;

	if (path[0] == '/')
		ret = strdup(path);
	else if (here)
		ret = str_printf("%s/%s", strcmp(here, "/") == 0 ? "" : here, path);
	if (!ret)
		(void) err_sys(e, errno, "find folder of '%s'", path);
	return ret;
}

int path_clean(const char *path, char *to, size_t room)
{
	size_t used = 0;

	while (*path) {
		size_t bytes = strcspn(path, "/");

		if (bytes == 2 && path[0] == '.' && path[1] == '.') {
			while (used > 0 && to[--used] != '/')
				;
		} else if (bytes > 0 && !(bytes == 1 && path[0] == '.')) {
			if (used + bytes + 2 > room)
				return -ENAMETOOLONG;
			to[used++] = '/';
			memcpy(to + used, path, bytes);
			used += bytes;
		}
		path += bytes + (path[bytes] == '/');
	}
	if (used == 0)
		to[used++] = '/';
	to[used] = '\0';
	return 0;
}

char *str_printf(const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return n < 0 ? NULL : text;
}

int num_parse_u64(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char) text[0]))
		return -EINVAL;
	errno = 0;

	unsigned long long v = strtoull(text, &end, 10);

	if (*end)
		return -EINVAL;
	if (errno)
		return -errno;
	*ret = v;
	return 0;
}

int num_parse_i64(const char *text, int64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char) text[text[0] == '-']))
		return -EINVAL;
	errno = 0;

	long long v = strtoll(text, &end, 10);

	if (*end)
		return -EINVAL;
	if (errno)
		return -errno;
	*ret = v;
	return 0;
}
