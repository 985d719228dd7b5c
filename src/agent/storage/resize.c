/* A mounted file system grows, after its disk has. */

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/storage/storages.h"
#include "base/fd.h"
#include "base/file.h"

/* Of ext2, ext3 and ext4 (Documentation/filesystems/ext4 and fs/ext4/ioctl.c of Linux): the number
 * of blocks that the file system is to have. It grows while it is mounted. */
#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/*
 *	storages_resize ──► wait for the disk's size ──► a child: ioctl() ──► done
 *
 * A child, because the kernel writes to all groups of blocks that come, which takes long on a slow
 * disk, and the loop has other things to do.
 */
struct growth {
	struct list link;
	struct storages *storages;
	int fd; /* of the file system's root */
	dev_t disk;
	uint64_t bytes, blocks;
	struct device_wait wait;
	char path[32]; /* of the disk in sysfs, for who waits in vain */
	pid_t child;   /* 0: none */
	storage_done_fn done;
	void *arg;
};

static void growth_free(struct growth *g)
{
	device_wait_cancel(&g->wait);
	if (g->child) {
		reaper_forget(g->storages->config.reaper, g->child);
		(void) kill(g->child, SIGKILL);
	}
	list_remove(&g->link);
	fd_close(g->fd);
	free(g);
}

static void end_growths(struct storages *s)
{
	while (!list_empty(&s->growths))
		growth_free(container_of(s->growths.next, struct growth, link));
}

static void finish(struct growth *g, int r, const struct err *e)
{
	storage_done_fn done = g->done;
	void *arg = g->arg;

	growth_free(g);
	done(arg, r, e);
}

/* ---- the child ---- */

/* The child ends with the errno. The kernel takes no fewer blocks than there are (EINVAL). */
static void on_child_end(void *arg, pid_t pid, int status)
{
	struct growth *g = arg;
	struct err e = {0};
	int r = 0;

	(void) pid;
	g->child = 0;
	if (!WIFEXITED(status))
		r = err_say(&e, EIO, "the file system was not made larger");
	else if (WEXITSTATUS(status) == EINVAL)
		r = err_say(&e, EINVAL, "the file system cannot be made %llu bytes large",
			    (unsigned long long) g->bytes);
	else if (WEXITSTATUS(status) != 0)
		r = err_sys(&e, WEXITSTATUS(status), "make the file system larger");
	finish(g, r, &e);
}

static int start_child(struct growth *g, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "make the file system larger");
	if (pid == 0)
		_exit(ioctl(g->fd, EXT4_IOC_RESIZE_FS, &g->blocks) < 0 ? errno & 0xff : 0);

	int r = reaper_expect(g->storages->config.reaper, pid, on_child_end, g, e);

	if (r < 0)
		(void) kill(pid, SIGKILL);
	else
		g->child = pid;
	return r;
}

/* ---- the disk ---- */

/* In sectors of 512 bytes, whatever the disk's are (Documentation/ABI/stable/sysfs-block). */
static uint64_t sectors_of(const struct growth *g)
{
	auto_free char *text = NULL;
	unsigned long long n = 0;

	if (file_read(AT_FDCWD, g->path, 64, &text, NULL, NULL) < 0 ||
	    sscanf(text, "%20llu", &n) != 1)
		return 0;
	return n;
}

static int find_size(struct device_wait *w, char path[DEVICE_PATH_MAX], struct err *e)
{
	const struct growth *g = container_of(w, struct growth, wait);

	(void) path, (void) e;
	return sectors_of(g) >= g->bytes / 512 ? 0 : -ENODEV;
}

static void on_size(struct device_wait *w, int r, const char *path, const struct err *cause)
{
	struct growth *g = container_of(w, struct growth, wait);
	struct err e = *cause;

	(void) path;
	if (r == 0)
		r = start_child(g, &e);
	if (r < 0)
		finish(g, r, &e);
}

/* ---- the file system ---- */

static int open_root(const struct storages *s, const char *path, struct err *e)
{
	auto_close int place = place_make(s->run_fd, s->config.run_dir, path, PLACE_FOLDER, e);

	if (place < 0)
		return place;

	int fd = fd_reopen(place, O_RDONLY | O_DIRECTORY);

	return fd < 0 ? err_sys(e, -fd, "open '%s'", path) : fd;
}

static int look_at(struct growth *g, struct err *e)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(g->fd, &fs) < 0 || fstat(g->fd, &st) < 0)
		return err_sys(e, errno, "look at the file system");
	if (fs.f_type != EXT4_SUPER_MAGIC)
		return err_say(e, ENOTSUP, "a file system of type 0x%lx is not made larger",
			       (unsigned long) fs.f_type);
	g->blocks = g->bytes / (uint64_t) fs.f_bsize;
	(void) snprintf(g->path, sizeof g->path, "/sys/dev/block/%u:%u/size", major(st.st_dev),
			minor(st.st_dev));
	return 0;
}

static int begin(struct storages *s, const char *path, uint64_t bytes, struct growth **ret,
		 struct err *e)
{
	const struct mounted *m = storages_find(s, path);

	if (!m || !m->driver->is_disk)
		return err_say(e, ENOENT, "no disk is mounted at '%s'", path);

	int fd = open_root(s, path, e);
	struct growth *g = fd < 0 ? NULL : calloc(1, sizeof *g);

	if (fd < 0)
		return fd;
	if (!g) {
		fd_close(fd);
		return err_sys(e, ENOMEM, "resize '%s'", path);
	}
	*g = (struct growth){.storages = s, .fd = fd, .bytes = bytes};
	list_init(&g->wait.link);
	list_add(&s->growths, &g->link);
	s->end_growths = end_growths;
	*ret = g;
	return err_wrap(e, look_at(g, e), "resize '%s'", path);
}

void storages_resize(struct storages *s, const char *path, uint64_t bytes, storage_done_fn done,
		     void *arg)
{
	struct growth *g = NULL;
	struct err e = {0};
	int r = begin(s, path, bytes, &g, &e);

	if (r < 0) {
		if (g)
			growth_free(g);
		done(arg, r, &e);
		return;
	}
	g->done = done;
	g->arg = arg;
	g->wait.key = g->path;
	g->wait.find = find_size;
	g->wait.finish = on_size;
	device_wait(s->config.devices, &g->wait, clock_deadline(s->config.device_timeout_ms));
}
