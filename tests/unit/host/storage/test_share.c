#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/storage/share.h"

/* A folder for the test, and a mount namespace; skips where that is not allowed. */
static void in_namespace(char folder[32])
{
	int host_ns;
	struct err e = {0};

	strcpy(folder, "/tmp/test-share-XXXXXX");
	if (geteuid() != 0 || share_namespace_enter(&host_ns, &e) == -EPERM)
		exit(TEST_SKIP);
	CHECK_STR(e.text, "");
	fd_close(host_ns);
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, NULL), 0);
}

static void done(const char *folder)
{
	(void) umount2(folder, MNT_DETACH);
	CHECK_EQ(rmdir(folder), 0);
}

static void put_file(const char *folder, const char *name, const char *text)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK_EQ(fd_write_all(fd, text, strlen(text)), 0);
}

static int open_at(const char *folder, const char *name)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	int fd = open(path, O_PATH | O_CLOEXEC);

	CHECK(fd >= 0);
	return fd;
}

/* The path below the export of what the guest knows as @guest_path. */
static char *exported(struct share *share, const char *guest_path)
{
	CHECK(strncmp(guest_path, SHARE_GUEST_PATH "/", strlen(SHARE_GUEST_PATH) + 1) == 0);
	return str_printf("%s/%s", share_export_path(share),
			  guest_path + strlen(SHARE_GUEST_PATH) + 1);
}

TEST(a_root_appears_in_the_export_and_can_be_written)
{
	char folder[32];
	struct share *share;
	char *guest;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *root = str_printf("%s/root", folder);
	CHECK_EQ(mkdir(root, 0755), 0);
	put_file(root, "hello", "text");
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(root, "");

	CHECK_EQ(share_add(share, "c1", fd, "rootfs",
			   (struct share_flags){.exact_name = true, .recursive = true}, &guest,
			   NULL),
		 0);
	CHECK_STR(guest, SHARE_GUEST_PATH "/c1/rootfs");

	auto_free char *seen = exported(share, guest);

	put_file(seen, "made-by-guest", "x");
	auto_free char *back = str_printf("%s/made-by-guest", root);
	CHECK_EQ(access(back, F_OK), 0);
	free(guest);
	fd = fd_close(fd);
	CHECK_EQ(share_close(share, NULL), 0);
	CHECK_EQ(rmdir(base), 0); /* and it is empty */
	done(folder);
}

TEST(the_guest_cannot_make_names_beside_its_mounts)
{
	char folder[32];
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_free char *name = str_printf("%s/link", share_export_path(share));

	CHECK_EQ(symlink("/etc", name), -1);
	CHECK_EQ(errno, EROFS);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(read_only_is_enforced_here)
{
	char folder[32];
	struct share *share;
	char *guest;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	put_file(folder, "secret", "text");
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(folder, "secret");

	CHECK_EQ(share_add(share, "c1", fd, "/etc/resolv.conf",
			   (struct share_flags){.readonly = true}, &guest, NULL),
		 0);
	CHECK(strstr(guest, "/c1-") != NULL);
	CHECK(strcmp(guest + strlen(guest) - strlen("-resolv.conf"), "-resolv.conf") == 0);

	auto_free char *seen = exported(share, guest);

	CHECK_EQ(open(seen, O_WRONLY | O_CLOEXEC), -1);
	CHECK_EQ(errno, EROFS);
	free(guest);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

/* Opens @name below @parent; returns 0 or the errno. */
static int try_open(const char *parent, const char *name, int flags)
{
	auto_free char *path = str_printf("%s/%s", parent, name);
	auto_close int fd = open(path, flags | O_CLOEXEC, 0644);

	return fd < 0 ? errno : 0;
}

TEST(read_only_holds_for_what_is_mounted_below_the_source)
{
	char folder[32], *guest;
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *source = str_printf("%s/source", folder);
	auto_free char *child = str_printf("%s/source/child", folder);
	CHECK_EQ(mkdir(source, 0755), 0);
	CHECK_EQ(mkdir(child, 0755), 0);
	CHECK_EQ(mount("below", child, "tmpfs", 0, NULL), 0);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(source, "");

	CHECK_EQ(share_add(share, "c1", fd, "data",
			   (struct share_flags){.recursive = true, .readonly = true}, &guest, NULL),
		 0);

	auto_free char *seen = exported(share, guest);

	CHECK_EQ(try_open(seen, "new", O_WRONLY | O_CREAT), EROFS);
	CHECK_EQ(try_open(seen, "child/new", O_WRONLY | O_CREAT), EROFS);
	CHECK_EQ(try_open(source, "child/new", O_WRONLY | O_CREAT), 0);
	free(guest);
	fd = fd_close(fd);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

/* A program and a device node in @folder. */
static void put_traps(const char *folder)
{
	auto_free char *program = str_printf("%s/program", folder);
	auto_free char *node = str_printf("%s/node", folder);

	put_file(folder, "program", "#!/bin/sh\n");
	CHECK_EQ(chmod(program, 04755), 0);
	CHECK_EQ(mknod(node, S_IFCHR | 0666, makedev(1, 3)), 0);
	CHECK_EQ(access(program, X_OK), 0);
	CHECK_EQ(try_open(folder, "node", O_RDONLY), 0);
}

static void check_tame(const char *folder)
{
	auto_free char *program = str_printf("%s/program", folder);
	struct statvfs fs;

	CHECK_EQ(access(program, X_OK), -1);
	CHECK_EQ(errno, EACCES);
	CHECK_EQ(try_open(folder, "node", O_RDONLY), EACCES);
	CHECK_EQ(statvfs(folder, &fs), 0);
	CHECK_EQ(fs.f_flag & (ST_NODEV | ST_NOSUID | ST_NOEXEC), ST_NODEV | ST_NOSUID | ST_NOEXEC);
}

TEST(devices_set_uid_bits_and_programs_mean_nothing_in_the_share)
{
	char folder[32], *root, *volume;
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *source = str_printf("%s/source", folder);
	auto_free char *child = str_printf("%s/source/child", folder);
	CHECK_EQ(mkdir(source, 0755), 0);
	CHECK_EQ(mkdir(child, 0755), 0);
	CHECK_EQ(mount("below", child, "tmpfs", 0, NULL), 0);
	put_traps(source);
	put_traps(child);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(source, "");
	const struct share_flags plain = {.recursive = true};
	const struct share_flags named = {.recursive = true, .exact_name = true};

	CHECK_EQ(share_add(share, "c1", fd, "rootfs", named, &root, NULL), 0);
	CHECK_EQ(share_add(share, "c1", fd, "data", plain, &volume, NULL), 0);

	auto_free char *in_root = exported(share, root);
	auto_free char *in_volume = exported(share, volume);
	auto_free char *below = str_printf("%s/child", in_volume);
	auto_free char *other_side = str_printf("%s/mounts/c1/rootfs", share_path(share));

	check_tame(in_root);
	check_tame(in_volume);
	check_tame(below);
	check_tame(other_side);
	free(root);
	free(volume);
	fd = fd_close(fd);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(a_process_started_earlier_sees_what_is_mounted_later)
{
	char folder[32];
	struct share *share;
	char *guest;
	int go[2];

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *root = str_printf("%s/root", folder);
	CHECK_EQ(mkdir(root, 0755), 0);
	put_file(root, "hello", "text");
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);
	CHECK_EQ(pipe2(go, O_CLOEXEC), 0);

	pid_t pid = fork(); /* does what virtiofsd does */

	if (pid == 0) {
		char c;

		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
			_exit(2);
		close(go[1]);
		(void) !read(go[0], &c, 1);

		auto_free char *seen = str_printf("%s/c1/rootfs/hello", share_export_path(share));

		_exit(access(seen, F_OK) == 0 ? 0 : 1);
	}
	auto_close int fd = open_at(root, "");
	int status;

	CHECK_EQ(share_add(share, "c1", fd, "rootfs", (struct share_flags){.exact_name = true},
			   &guest, NULL),
		 0);
	close(go[0]);
	close(go[1]);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	free(guest);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

/* Mounts something on the folder @name in @parent. */
static void mount_below(const char *parent, const char *name)
{
	auto_free char *path = str_printf("%s/%s", parent, name);

	CHECK_EQ(mount("later", path, "tmpfs", 0, NULL), 0);
	put_file(path, "file", "text");
}

static bool shows_file(const char *parent, const char *name)
{
	auto_free char *path = str_printf("%s/%s/file", parent, name);

	return access(path, F_OK) == 0;
}

TEST(what_the_host_mounts_later_appears_where_it_may)
{
	static const struct share_flags asked[] = {
		{.recursive = true},
		{.recursive = true, .apart = true},
		{.recursive = true, .apart = true, .apart_children = true},
	};
	char folder[32], *guest[3], *seen[3];
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *root = str_printf("%s/root", folder);
	auto_free char *child = str_printf("%s/root/child", folder);
	auto_free char *below = str_printf("%s/root/child/below", folder);
	auto_free char *top = str_printf("%s/root/top", folder);
	CHECK_EQ(mkdir(root, 0755), 0);
	CHECK_EQ(mkdir(top, 0755), 0);
	CHECK_EQ(mkdir(child, 0755), 0);
	CHECK_EQ(mount("before", child, "tmpfs", 0, NULL), 0);
	CHECK_EQ(mkdir(below, 0755), 0);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(root, "");

	for (size_t i = 0; i < 3; i++) {
		CHECK_EQ(share_add(share, "c1", fd, "data", asked[i], &guest[i], NULL), 0);
		seen[i] = exported(share, guest[i]);
	}
	mount_below(root, "top");
	mount_below(child, "below");
	for (size_t i = 0; i < 3; i++) {
		auto_free char *inner = str_printf("%s/child", seen[i]);

		CHECK_EQ(shows_file(seen[i], "top"), !asked[i].apart);
		CHECK_EQ(shows_file(inner, "below"), !asked[i].apart_children);
		free(guest[i]);
		free(seen[i]);
	}
	fd = fd_close(fd);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(what_is_mounted_in_the_share_does_not_appear_at_the_source)
{
	char folder[32];
	struct share *share;
	char *guest;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *root = str_printf("%s/root", folder);
	auto_free char *point = str_printf("%s/root/point", folder);
	CHECK_EQ(mkdir(root, 0755), 0);
	CHECK_EQ(mkdir(point, 0755), 0);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int fd = open_at(root, "");

	CHECK_EQ(share_add(share, "c1", fd, "rootfs", (struct share_flags){.exact_name = true},
			   &guest, NULL),
		 0);

	auto_free char *seen = exported(share, guest);

	mount_below(seen, "point");
	CHECK(!shows_file(root, "point"));
	free(guest);
	fd = fd_close(fd);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(removing_an_entry_leaves_the_others)
{
	char folder[32];
	struct share *share;
	char *one, *two, *three;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	put_file(folder, "file", "text");
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);

	auto_close int dir = open_at(folder, "");
	auto_close int file = open_at(folder, "file");
	struct share_flags none = {0};

	CHECK_EQ(share_add(share, "c1", dir, "rootfs", none, &one, NULL), 0);
	CHECK_EQ(share_add(share, "c1", file, "f", none, &two, NULL), 0);
	CHECK_EQ(share_add(share, "c2", file, "f", none, &three, NULL), 0);
	CHECK_EQ(share_remove(share, two, NULL), 0);
	CHECK_EQ(share_remove(share, one, NULL), 0);
	CHECK_EQ(share_remove(share, one, NULL), -ENOENT);
	CHECK_EQ(share_remove(share, "/etc", NULL), -ENOENT);

	auto_free char *gone = exported(share, one);
	auto_free char *gone_too = exported(share, two);
	auto_free char *left = exported(share, three);

	CHECK_EQ(access(gone, F_OK), -1);
	CHECK_EQ(access(gone_too, F_OK), -1);
	CHECK_EQ(access(left, F_OK), 0);
	free(one);
	free(two);
	free(three);
	dir = fd_close(dir);
	file = fd_close(file);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(a_folder_that_another_server_holds_is_left_to_it)
{
	char folder[32];
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *taken = str_printf("%s/s1", base);
	CHECK_EQ(dir_make(taken, 0755, NULL), 0);

	auto_close int other = open(taken, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	CHECK_EQ(flock(other, LOCK_EX), 0);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);
	CHECK(strcmp(share_path(share), taken) != 0);
	CHECK_EQ(share_close(share, NULL), 0);
	CHECK_EQ(access(taken, F_OK), 0);
	other = fd_close(other);
	done(folder);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return st.st_mode & 07777;
}

/* Tries to take the folder's lock as a user who is not root; returns 0 or the errno. */
static int lock_as_somebody(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(1000) < 0 || setuid(1000) < 0)
			_exit(255);

		int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		_exit(fd < 0 ? errno : flock(fd, LOCK_EX | LOCK_NB) < 0 ? errno : 0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status));
	return WEXITSTATUS(status);
}

TEST(nobody_else_can_hold_the_lock_of_a_share_not_even_in_a_base_that_was_open)
{
	char folder[32];
	struct share *share;

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);
	auto_free char *left = str_printf("%s/s1", base);
	auto_free char *fresh = str_printf("%s/fresh", folder);

	CHECK_EQ(dir_make(left, 0755, NULL), 0);
	CHECK_EQ(lock_as_somebody(left), 0);
	CHECK_EQ(share_open(base, "s1", &share, NULL), 0);
	CHECK_EQ(mode_of(base), 0700);
	CHECK_EQ(lock_as_somebody(left), EACCES);
	/* What remains when a server is killed: the folder below the mount. */
	CHECK_EQ(umount2(left, MNT_DETACH), 0);
	CHECK_EQ(mode_of(left), 0700);
	CHECK_EQ(mount("again", left, "tmpfs", 0, NULL), 0);
	CHECK_EQ(share_close(share, NULL), 0);

	CHECK_EQ(share_open(fresh, "s1", &share, NULL), 0);
	CHECK_EQ(mode_of(fresh), 0700);
	CHECK_EQ(share_close(share, NULL), 0);
	done(folder);
}

TEST(a_base_of_another_user_is_refused)
{
	char folder[32], sentence[640];
	struct share *share;
	struct err e = {0};

	in_namespace(folder);
	auto_free char *base = str_printf("%s/base", folder);

	CHECK_EQ(mkdir(base, 0700), 0);
	CHECK_EQ(chown(base, 1000, 1000), 0);
	CHECK_EQ(share_open(base, "s1", &share, &e), -EPERM);
	CHECK(strstr(err_show(&e, sentence, sizeof sentence), "belongs to user 1000"));
	done(folder);
}

TEST(long_ids_get_short_and_different_names)
{
	char id[256];

	memset(id, 'a', sizeof id - 1);
	id[255] = '\0';
	auto_free char *one = share_name_of(id);
	id[254] = 'b';
	auto_free char *two = share_name_of(id);

	CHECK(strlen(one) <= 64);
	CHECK(strcmp(one, two) != 0);
	auto_free char *same = share_name_of("short");
	CHECK_STR(same, "short");
}

TEST(the_host_does_not_see_our_mounts)
{
	char folder[] = "/tmp/test-share-XXXXXX";
	struct share *share;
	int ready[2], status;
	char c;

	if (geteuid() != 0)
		exit(TEST_SKIP);
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(pipe2(ready, O_CLOEXEC), 0);

	pid_t pid = fork();

	if (pid == 0) {
		int host_ns;

		if (share_namespace_enter(&host_ns, NULL) < 0 ||
		    share_open(folder, "s", &share, NULL) < 0)
			_exit(1);
		(void) !write(ready[1], "x", 1);
		pause();
	}
	close(ready[1]);
	CHECK_EQ(read(ready[0], &c, 1), 1);
	close(ready[0]);

	/* Only the empty folder: its tmpfs is elsewhere. Killed, nothing else remains. */
	auto_free char *inside = str_printf("%s/s/shared", folder);

	CHECK_EQ(access(inside, F_OK), -1);
	CHECK_EQ(kill(pid, SIGKILL), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	auto_free char *path = str_printf("%s/s", folder);
	CHECK_EQ(rmdir(path), 0);
	CHECK_EQ(rmdir(folder), 0);
}
