#include "host/cli/leftovers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/claim.h"
#include "base/fd.h"
#include "base/file.h"
#include "host/cli/shim_client.h"
#include "host/state/names.h"
#include "host/state/pod_dir.h"
#include "host/state/state_dir.h"

/* In a bundle of containerd: where its server was. */
#define ADDRESS_FILE      "address"
#define ADDRESS_SCHEME    "unix://"
#define ADDRESS_MAX_BYTES 256

static void say(struct leftovers *l, const char *what, const char *name)
{
	l->found++;
	printf("%s %s '%s'\n", l->dry_run ? "would remove" : "removing", what, name);
	(void) fflush(stdout);
}

static void fail(struct leftovers *l, const struct err *e)
{
	char sentence[640];

	l->failed++;
	fprintf(stderr, "%s: %s\n", l->cli->program, err_show(e, sentence, sizeof sentence));
}

/* ---- Sockets ---- */

/* Whether nobody listens there. Any other failure than a refusal must not take a socket away from
 * one who lives. */
static bool is_refused(const char *path)
{
	struct sockaddr_un at;
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || fd_unix_address(path, &at) < 0)
		return false;
	return connect(fd, (struct sockaddr *) &at, sizeof at) < 0 && errno == ECONNREFUSED;
}

/* The socket that a dead server of containerd has left. */
static void bury_address(struct leftovers *l, int bundle)
{
	auto_free char *address = NULL;
	const char *path;

	if (file_read_regular(bundle, ADDRESS_FILE, ADDRESS_MAX_BYTES, &address, NULL, NULL) < 0 ||
	    strncmp(address, ADDRESS_SCHEME "/", sizeof ADDRESS_SCHEME) != 0)
		return;
	path = address + strlen(ADDRESS_SCHEME);
	if (!is_refused(path))
		return;
	say(l, "socket", path);
	if (!l->dry_run)
		(void) unlink(path);
}

/* ---- Folders with the state of a container or a pod ---- */

static bool exists_in(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether a server answers, or one cannot know. */
static bool is_served(const struct state_dir *dir)
{
	auto_free char *path = str_printf("/proc/self/fd/%d/" STATE_SOCKET, dir->fd);

	return !path || state_server_lives(dir->fd) ||
	       (exists_in(dir->fd, STATE_SOCKET) && !is_refused(path));
}

/* A container of kata-runtime. */
static void bury_container(struct leftovers *l, const char *root, const char *id)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	struct err e = {0};
	int r = state_dir_open(root, id, &dir, &e);

	if (r == 0)
		r = state_dir_lock_left(&dir, &e);
	if (r == -EWOULDBLOCK || r == -ENOENT || (r == 0 && is_served(&dir)))
		return;
	if (r == 0) {
		say(l, "container", dir.path);
		if (l->dry_run)
			return;
		r = shim_client_clean_up(l->cli, &dir, &e);
	}
	if (r == 0)
		r = state_dir_remove(&dir, &e);
	if (r < 0)
		fail(l, &e);
}

/* A bundle of containerd, which is containerd's to remove: only what our server has noted in it. */
static void bury_bundle(struct leftovers *l, const char *path, const char *id)
{
	struct state_dir dir = STATE_DIR_NONE;
	struct err e = {0};

	dir.fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir.fd < 0)
		return;
	dir.id = (char *) id;
	dir.path = (char *) path;
	bury_address(l, dir.fd);
	if (exists_in(dir.fd, STATE_NOTES) && !state_server_lives(dir.fd)) {
		say(l, "what is noted in", path);
		if (!l->dry_run && shim_client_clean_up(l->cli, &dir, &e) < 0)
			fail(l, &e);
	}
	fd_close(dir.fd);
}

static void bury_state(struct leftovers *l, char *path, const char *pod)
{
	auto_free char *socket = str_printf("%s/" STATE_SOCKET, path);
	char *slash = strrchr(path, '/');

	if (!socket || !slash || slash == path)
		return;
	if (access(socket, F_OK) < 0) {
		bury_bundle(l, path, pod);
		return;
	}
	*slash = '\0';
	/* Those below --root come anyway. */
	if (strcmp(path, l->cli->root) != 0)
		bury_container(l, path, slash + 1);
}

/* ---- What lies in a folder of folders ---- */

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void each(struct leftovers *l, const char *base,
		 void (*fn)(struct leftovers *l, const char *base, const char *name))
{
	struct dirent **names = NULL;
	struct err e = {0};
	int n = scandir(base, &names, not_hidden, alphasort);

	if (n < 0 && errno != ENOENT) {
		(void) err_sys(&e, errno, "read folder '%s'", base);
		fail(l, &e);
	}
	for (int i = 0; i < n; i++) {
		fn(l, base, names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

/* Whether the owner of a folder with a lock is dead. *@path is freed by the caller. */
static bool is_left(struct leftovers *l, const char *base, const char *name, char **path,
		    int *ret_fd)
{
	struct err e = {0};
	int r;

	*path = str_printf("%s/%s", base, name);
	r = *path ? claim_left(*path, ret_fd, &e) : err_sys(&e, ENOMEM, "name a folder");
	if (r < 0 && r != -EWOULDBLOCK && r != -ENOENT)
		fail(l, &e);
	return r == 0;
}

static void bury_pod(struct leftovers *l, const char *base, const char *name)
{
	auto_free char *path = NULL;
	auto_free char *state = NULL;
	auto_close int lock = -1;
	struct err e = {0};

	if (!is_left(l, base, name, &path, &lock))
		return;
	say(l, "sandbox", path);
	state = pod_dir_state(base, name);
	/* The clean-up program takes the lock itself, and does nothing if it is no longer free. */
	lock = fd_close(lock);
	if (state)
		bury_state(l, state, name);
	if (l->dry_run)
		return;

	int r = pod_dir_bury(base, name, clock_now(), &e);

	if (r < 0 && r != -ENOENT && r != -EWOULDBLOCK)
		fail(l, &e);
}

static void bury_share(struct leftovers *l, const char *base, const char *name)
{
	auto_free char *path = NULL;
	auto_close int lock = -1;
	struct err e = {0};

	if (!is_left(l, base, name, &path, &lock))
		return;
	say(l, "share", path);
	if (!l->dry_run && rmdir(path) < 0 && errno != ENOENT) {
		(void) err_sys(&e, errno, "remove '%s'", path);
		fail(l, &e);
	}
}

void leftovers_remove(struct leftovers *l)
{
	each(l, l->pods_base, bury_pod);
	each(l, l->cli->root, bury_container);
	each(l, l->shares_base, bury_share);
}
