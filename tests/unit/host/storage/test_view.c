#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "host/storage/share.h"
#include "host/storage/view.h"

/* A tmpfs in a mount namespace of the test: root/, lent/ and scratch/ in it. Skips where that is
 * not allowed. */
static void in_folder(void)
{
	char folder[] = "/tmp/test-view-XXXXXX";
	struct err e = {0};
	int host_ns;

	if (geteuid() != 0 || share_namespace_enter(&host_ns, &e) == -EPERM)
		exit(TEST_SKIP);
	CHECK_STR(e.text, "");
	(void) fd_close(host_ns);
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, NULL), 0);
	CHECK_EQ(chdir(folder), 0);
	/* It goes with the namespace; the folder goes now. */
	CHECK_EQ(mkdir("root", 0755), 0);
	CHECK_EQ(mkdir("lent", 0755), 0);
	CHECK_EQ(mkdir("scratch", 0755), 0);
	CHECK_EQ(mkdir("outside", 0755), 0);
	CHECK_EQ(mkdir("root/data", 0755), 0);
	CHECK_EQ(close(creat("lent/of-the-host", 0644)), 0);
}

static void done(void)
{
	auto_free char *here = getcwd(NULL, 0);

	CHECK_EQ(chdir("/"), 0);
	CHECK_EQ(umount2(here, MNT_DETACH), 0);
	CHECK_EQ(rmdir(here), 0);
}

/* As share_clone() makes them. */
static int tree(const char *path)
{
	struct mount_attr attr = {.propagation = MS_SLAVE};
	int fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

	CHECK(fd >= 0);
	CHECK_EQ(mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr), 0);
	return fd;
}

/* The view of root/ with these mounts. */
static struct view look(const struct view_mount *mounts, size_t n)
{
	auto_free char *scratch = realpath("scratch", NULL);
	auto_close int root = tree("root");
	const struct view_spec spec = {
		.scratch = scratch,
		.root_fd = root,
		.mounts = mounts,
		.n_mounts = n,
		.hostname = "a-name",
		.net_fd = -1,
		.ipc_fd = -1,
		.uts_fd = -1,
	};
	struct view v = VIEW_NONE;
	struct err e = {0};

	(void) view_make(&spec, &v, &e);
	CHECK_STR(e.text, "");
	return v;
}

/* Has a child look around in the view; its failures are ours. The view is closed. */
static void within(struct view *v, void (*look_around)(void))
{
	pid_t pid = fork();
	int status = -1;

	for (size_t i = 0; pid == 0 && i < view_count(v); i++)
		CHECK_EQ(setns(v->fds[i], view_namespace_types[i]), 0);
	if (pid == 0) {
		look_around();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	view_close(v);
}

static void see_files(void)
{
	char name[64];

	CHECK_EQ(access("/data/of-the-host", F_OK), 0);
	CHECK_EQ(access("/proc", F_OK), -1);
	CHECK_EQ(access("/../tmp", F_OK), -1);
	CHECK_EQ(gethostname(name, sizeof name), 0);
	CHECK_STR(name, "a-name");
}

TEST(the_view_has_the_containers_files_and_nothing_of_the_host)
{
	in_folder();

	struct view_mount mounts[] = {{"/data", tree("lent")}};
	struct view v = look(mounts, 1);

	(void) fd_close(mounts[0].tree_fd);
	done();
	within(&v, see_files);
}

static void see_data(void)
{
	CHECK_EQ(access("/data/of-the-host", F_OK), 0);
}

TEST(links_of_the_root_lead_nowhere_else)
{
	in_folder();

	auto_free char *outside = realpath("outside", NULL);

	CHECK_EQ(symlink(outside, "root/away"), 0);
	CHECK_EQ(symlink("../../../../../data", "root/up"), 0);
	CHECK_EQ(symlink("/proc/self/root", "root/magic"), 0);

	struct view_mount mounts[] = {
		{"/away", tree("lent")}, {"/up", tree("lent")}, {"/magic/tmp", tree("lent")}};
	struct view v = look(mounts, 3);

	for (size_t i = 0; i < 3; i++)
		(void) fd_close(mounts[i].tree_fd);
	CHECK_EQ(access("outside/of-the-host", F_OK), -1);
	done();
	within(&v, see_data);
}

static void see_blanks(void)
{
	CHECK_EQ(access("/data/deep/er/of-the-host", F_OK), 0);
	CHECK_EQ(mkdir("/data/lost", 0755), -1);
	CHECK_EQ(errno, EROFS);
	CHECK_EQ(open("/file", O_WRONLY | O_CLOEXEC), -1);
	CHECK_EQ(errno, EROFS);
	CHECK_EQ(mkdir("/kept", 0755), 0);
}

TEST(what_only_the_guest_has_is_an_empty_folder_that_takes_nothing)
{
	in_folder();
	CHECK_EQ(close(creat("root/file", 0644)), 0);

	struct view_mount mounts[] = {{"/data", -1},
				      {"/data/deep/er", tree("lent")},
				      {"/file/", -1},
				      {"/absent/one", -1}};
	struct view v = look(mounts, 4);

	(void) fd_close(mounts[1].tree_fd);
	CHECK_EQ(access("root/absent", F_OK), -1);
	CHECK_EQ(access("root/data/deep", F_OK), -1);
	done();
	within(&v, see_blanks);
}

static void see_blank_root(void)
{
	CHECK_EQ(access("/data/deep/of-the-host", F_OK), 0);
	CHECK_EQ(mkdir("/lost", 0755), -1);
	CHECK_EQ(errno, EROFS);
	CHECK_EQ(access("/../outside", F_OK), -1);
}

TEST(a_root_that_only_the_guest_has_is_an_empty_folder_with_the_mounts_in_it)
{
	in_folder();

	auto_free char *scratch = realpath("scratch", NULL);
	struct view_mount mounts[] = {{"/proc", -1}, {"/data/deep", tree("lent")}};
	const struct view_spec spec = {.scratch = scratch,
				       .root_fd = -1,
				       .mounts = mounts,
				       .n_mounts = 2,
				       .net_fd = -1,
				       .ipc_fd = -1,
				       .uts_fd = -1};
	struct view v = VIEW_NONE;
	struct err e = {0};

	(void) view_make(&spec, &v, &e);
	CHECK_STR(e.text, "");
	(void) fd_close(mounts[1].tree_fd);
	done();
	within(&v, see_blank_root);
}

static void see_neither(void)
{
	CHECK_EQ(access("/file/of-the-host", F_OK), -1);
	CHECK_EQ(access("/absent", F_OK), -1);
}

TEST(a_place_of_another_kind_and_one_that_is_not_there_are_left_out)
{
	in_folder();
	CHECK_EQ(close(creat("root/file", 0644)), 0);

	struct view_mount mounts[] = {{"/file", tree("lent")}, {"/absent/below", tree("lent")}};
	struct view v = look(mounts, 2);

	(void) fd_close(mounts[0].tree_fd);
	(void) fd_close(mounts[1].tree_fd);
	done();
	within(&v, see_neither);
}

TEST(a_failure_has_a_sentence_and_leaves_nothing)
{
	in_folder();

	auto_close int root = tree("root");
	const struct view_spec spec = {
		.scratch = "/nowhere", .root_fd = root, .net_fd = -1, .ipc_fd = -1, .uts_fd = -1};
	struct view v = VIEW_NONE;
	struct err e = {0};
	int before = test_open_fds();

	CHECK_EQ(view_make(&spec, &v, &e), -ENOENT);
	CHECK(strstr(e.text, "/nowhere"));
	CHECK_EQ(v.fds[VIEW_MNT], -1);
	CHECK_EQ(test_open_fds(), before);
	done();
}
