#include "agent/cgroup/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/cgroup/tree.h"
#include "base/file.h"

#define WALK_DEPTH_MAX 64
/* The kernel's own bound: PID_MAX_LIMIT of 64 bit. */
#define PIDS_MAX (4 * 1024 * 1024)

struct pids {
	pid_t *at;
	size_t n, room;
};

static int pids_add(struct pids *pids, pid_t pid)
{
	if (pids->n == PIDS_MAX)
		return -E2BIG;
	if (pids->n == pids->room) {
		size_t room = pids->room ? 2 * pids->room : 64;
		pid_t *at = realloc(pids->at, room * sizeof *at);

		if (!at)
			return -ENOMEM;
		pids->at = at;
		pids->room = room;
	}
	pids->at[pids->n++] = pid;
	return 0;
}

static int read_procs(int dirfd, struct pids *pids)
{
	auto_free char *text = NULL;
	char *rest = NULL;
	int r = file_read(dirfd, "cgroup.procs", (size_t) PIDS_MAX * 8, &text, NULL, NULL);

	/* EOPNOTSUPP: a threaded cgroup, whose processes are listed by the domain above it. */
	if (r < 0)
		return r == -EOPNOTSUPP || r == -ENOENT || r == -ENODEV ? 0 : r;
	for (char *line = strtok_r(text, "\n", &rest); r == 0 && line;
	     line = strtok_r(NULL, "\n", &rest)) {
		int64_t pid;

		/* 0 is a process that this pid namespace cannot see. */
		if (num_parse_i64(line, &pid) == 0 && pid > 0)
			r = pids_add(pids, (pid_t) pid);
	}
	return r;
}

static int walk(int take_dirfd, unsigned depth, struct pids *pids)
{
	int r = read_procs(take_dirfd, pids);
	DIR *dir = r == 0 ? fdopendir(take_dirfd) : NULL;
	struct dirent *entry;

	if (!dir) {
		fd_close(take_dirfd);
		return r < 0 ? r : -ENOMEM;
	}
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;

		int fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0)
			r = depth < WALK_DEPTH_MAX ? walk(take_fd(&fd), depth + 1, pids) : -ELOOP;
		fd_close(fd);
	}
	(void) closedir(dir);
	return r;
}

int cgroup_pids(struct cgroup *cg, pid_t **ret, size_t *ret_n, struct err *e)
{
	struct pids pids = {0};
	int fd = openat(cg->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : walk(take_fd(&fd), 0, &pids);

	if (r < 0) {
		free(pids.at);
		return err_sys(e, -r, "list the processes of cgroup '%s'", cg->path);
	}
	*ret = pids.at;
	*ret_n = pids.n;
	return 0;
}

int cgroup_open_of(const struct cgroup *cg, pid_t pid, struct err *e)
{
	auto_free char *text = NULL;
	char path[64];

	(void) snprintf(path, sizeof path, "/proc/%d/cgroup", pid);

	int r = file_read(AT_FDCWD, path, CGROUP_FILE_MAX_BYTES, &text, NULL, e);

	if (r < 0)
		return r;

	/* "0::/path"; the others, if any, are of v1. */
	char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");

	if (!line)
		return err_say(e, ENOENT, "process %d is in no cgroup", pid);
	line = strchr(line, '/') + 1;
	line[strcspn(line, "\n")] = '\0';

	int fd = openat(cg->root->fd, line[0] ? line : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(e, errno, "open cgroup '%s'", line) : fd;
}
