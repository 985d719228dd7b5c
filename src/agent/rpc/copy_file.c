/* CopyFile: how files get into a guest that shares no file system with the host. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/rpc/agent.h"
#include "base/file.h"

/* Below run_dir: the tree that containers are made of. */
#define COPY_DIR "shared/containers"

#define COPY_DEPTH_MAX 128

/* Where a copy goes: an open folder, and a name in it. */
struct copy_target {
	int folder;
	const char *name; /* a part of the request's path */
};

/* The part of @path below the tree, or NULL. */
static const char *below(const char *run_dir, const char *path)
{
	static const char *const parts[] = {"/", COPY_DIR, "/"};
	size_t n = strlen(run_dir);

	if (strncmp(path, run_dir, n) != 0)
		return NULL;
	path += n;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		n = strlen(parts[i]);
		if (strncmp(path, parts[i], n) != 0)
			return NULL;
		path += n;
	}
	return path;
}

static bool is_clean(const char *path)
{
	unsigned depth = 0;

	for (const char *p = path; *p; depth++) {
		size_t n = strcspn(p, "/");

		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p += n;
		if (*p == '/' && !*++p)
			return false; /* a slash at the end */
	}
	return depth > 0 && depth <= COPY_DEPTH_MAX;
}

/* The folder @path, made with what is missing above it. Links are followed, but none leads out. */
static int open_folder(int root, char *path, mode_t mode, struct err *e)
{
	auto_close int at = path_open_in(root, ".", O_PATH | O_DIRECTORY, 0, e);

	for (char *name = path; at >= 0 && *name;) {
		char *slash = name + strcspn(name, "/");
		char keep = *slash;

		*slash = '\0';

		struct err cause = {0};
		int fd = path_open_in(root, path, O_PATH | O_DIRECTORY, 0, &cause);

		if (fd == -ENOENT && mkdirat(at, name, mode) == 0) {
			err_clear(&cause);
			fd = path_open_in(root, path, O_PATH | O_DIRECTORY, 0, &cause);
		}
		if (fd < 0) {
			if (e)
				*e = cause;
			return fd;
		}
		at = fd_close(at);
		at = fd;
		*slash = keep;
		name = keep ? slash + 1 : slash;
	}
	return take_fd(&at);
}

static int open_target(struct rpc *rpc, const Grpc__CopyFileRequest *req, struct copy_target *ret,
		       struct err *e)
{
	const char *path = below(rpc->config.run_dir, req->path);

	if (!path || !is_clean(path))
		return err_say(e, EINVAL, "'%s' is not below '%s/%s'", req->path,
			       rpc->config.run_dir, COPY_DIR);

	auto_free char *tree = str_printf("%s/%s", rpc->config.run_dir, COPY_DIR);
	auto_free char *folder = strdup(path);

	if (!tree || !folder)
		return err_sys(e, ENOMEM, "copy '%s'", req->path);

	char *slash = strrchr(folder, '/');

	ret->name = slash ? path + (slash - folder) + 1 : path;
	*(slash ? slash : folder) = '\0';

	int r = dir_make(tree, 0755, e);

	if (r < 0)
		return r;

	auto_close int root = open(tree, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return err_sys(e, errno, "open '%s'", tree);
	ret->folder = open_folder(root, folder, req->dir_mode & 07777, e);
	return ret->folder < 0 ? ret->folder : 0;
}

/* Owner and mode; a link has no mode. */
static int dress(const struct copy_target *t, const char *name, const Grpc__CopyFileRequest *req,
		 struct err *e)
{
	auto_close int fd = openat(t->folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchownat(fd, "", (uid_t) req->uid, (gid_t) req->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, errno, "set the owner of '%s'", req->path);
	if (S_ISLNK(req->file_mode))
		return 0;

	auto_free char *path = str_printf("/proc/self/fd/%d", fd);

	if (!path || chmod(path, req->file_mode & 07777) < 0)
		return err_sys(e, errno, "set the mode of '%s'", req->path);
	return 0;
}

static int copy_folder(const struct copy_target *t, const Grpc__CopyFileRequest *req, struct err *e)
{
	struct stat st;

	if (mkdirat(t->folder, t->name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make folder '%s'", req->path);
	if (fstatat(t->folder, t->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return err_sys(e, ENOTDIR, "make folder '%s'", req->path);
	return dress(t, t->name, req, e);
}

static int copy_link(const struct copy_target *t, const Grpc__CopyFileRequest *req, struct err *e)
{
	auto_free char *target = strndup((const char *) req->data.data, req->data.len);

	if (!target)
		return err_sys(e, ENOMEM, "make link '%s'", req->path);

	int r = dir_remove(t->folder, t->name, e);

	if (r < 0)
		return r;
	if (symlinkat(target, t->folder, t->name) < 0)
		return err_sys(e, errno, "make link '%s'", req->path);
	return dress(t, t->name, req, e);
}

/* Opens the file that gathers the chunks; the first chunk makes it anew. */
static int open_temp(const struct copy_target *t, const char *temp,
		     const Grpc__CopyFileRequest *req, struct err *e)
{
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat st;

	if (req->offset == 0) {
		int r = dir_remove(t->folder, temp, e);

		if (r == 0)
			r = dir_remove(t->folder, t->name, e);
		if (r < 0)
			return r;
		flags |= O_CREAT | O_EXCL;
	}

	auto_close int fd = openat(t->folder, temp, flags, 0600);

	if (fd < 0)
		return err_sys(e, errno, "write '%s'", req->path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_sys(e, EINVAL, "write '%s'", req->path);
	return take_fd(&fd);
}

static int write_chunk(int fd, const Grpc__CopyFileRequest *req)
{
	size_t done = 0;

	while (done < req->data.len) {
		ssize_t n = pwrite(fd, req->data.data + done, req->data.len - done,
				   req->offset + (off_t) done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t) n : 0;
	}
	return 0;
}

static int copy_regular(const struct copy_target *t, const Grpc__CopyFileRequest *req,
			struct err *e)
{
	auto_free char *temp = str_printf("%s.tmp", t->name);
	struct stat st = {0};

	if (!temp)
		return err_sys(e, ENOMEM, "write '%s'", req->path);

	auto_close int fd = open_temp(t, temp, req, e);

	if (fd < 0)
		return fd;

	int r = write_chunk(fd, req);

	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r < 0)
		(void) err_sys(e, -r, "write '%s'", req->path);
	else if (st.st_size < req->file_size)
		return 0; /* more is to come */
	else
		r = dress(t, temp, req, e);
	if (r == 0 && renameat(t->folder, temp, t->folder, t->name) < 0)
		r = err_sys(e, errno, "rename to '%s'", req->path);
	if (r < 0)
		(void) unlinkat(t->folder, temp, 0);
	return r;
}

static int check(const Grpc__CopyFileRequest *req, struct err *e)
{
	if (req->file_size < 0 || req->offset < 0 || req->offset > req->file_size ||
	    (uint64_t) (req->file_size - req->offset) < req->data.len)
		return err_say(e, EINVAL, "%zu bytes at %lld do not fit into a file of %lld bytes",
			       req->data.len, (long long) req->offset, (long long) req->file_size);
	return 0;
}

static int copy(struct rpc *rpc, const Grpc__CopyFileRequest *req, struct err *e)
{
	struct copy_target t = {.folder = -1};
	int r = open_target(rpc, req, &t, e);

	if (r < 0 || !t.name)
		return r;
	switch (req->file_mode & S_IFMT) {
	case S_IFDIR:
		r = copy_folder(&t, req, e);
		break;
	case S_IFLNK:
		r = copy_link(&t, req, e);
		break;
	case S_IFREG:
	case 0:
		r = check(req, e);
		if (r == 0)
			r = copy_regular(&t, req, e);
		break;
	default:
		r = err_say(e, EINVAL, "'%s' is neither file, folder nor link", req->path);
	}
	fd_close(t.folder);
	return r;
}

void copy_file(struct rpc *rpc, struct ttrpc_call *call, const void *request)
{
	struct err e = {0};

	ttrpc_answer(call, copy(rpc, request, &e), &e);
}
