#pragma once

#include "tests/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/userns.h"
#include "host/spec/spec.h"
#include "oci/oci.h"

/* A bundle with a root and a few things to mount, in a namespace of its own. */
static char folder[32], *bundle;
static struct share *share;
static struct list volumes;
static Grpc__Spec *spec;
static Grpc__Hooks *hooks;
static struct volume_shm pod_shm;
static struct guest_sibling siblings[1];
static size_t n_siblings;
static struct guest_joined joined = GUEST_JOINED_NONE;
static bool no_block_devices;

/* A machine that only remembers the last disk it was lent. */
static struct disk_wanted lent;
static unsigned n_lent;

static int lend(void *arg, const struct disk_wanted *wanted, struct disk **ret, struct err *e)
{
	(void) e;
	lent = *wanted;
	n_lent++;
	CHECK_EQ(fcntl(lent.swallow_fd, F_GETFL) & O_ACCMODE, lent.readonly ? O_RDONLY : O_RDWR);
	fd_close(lent.swallow_fd);
	*ret = arg;
	return 0;
}

static void take_back(void *arg, struct disk *disk)
{
	CHECK(arg == disk);
	n_lent--;
}

static const struct volume_disks disks = {.lend = lend, .take_back = take_back, .arg = &lent};

static char *at(const char *name)
{
	return str_printf("%s/%s", folder, name);
}

static void make(const char *name)
{
	auto_free char *path = at(name);

	CHECK_EQ(dir_make(path, 0755, NULL), 0);
}

static void put(const char *name)
{
	auto_free char *path = at(name);
	auto_close int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	CHECK_EQ(fd_write_all(fd, "x", 1), 0);
}

static void up(void)
{
	int host_ns;

	if (geteuid() != 0 || share_namespace_enter(&host_ns, NULL) < 0)
		exit(TEST_SKIP);
	fd_close(host_ns);
	strcpy(folder, "/tmp/test-spec-XXXXXX");
	CHECK(mkdtemp(folder) != NULL);
	CHECK_EQ(mount("none", folder, "tmpfs", 0, NULL), 0);
	make("bundle/rootfs/etc");
	make("data/sub");
	put("data/file");
	bundle = at("bundle");
	list_init(&volumes);

	auto_free char *base = at("share");

	CHECK_EQ(share_open(base, "s", &share, NULL), 0);
}

static void down(void)
{
	oci_spec_free(spec);
	guest_joined_fini(&joined);
	if (hooks)
		grpc__hooks__free_unpacked(hooks, NULL);
	CHECK_EQ(volumes_release(&volumes, share, &disks, NULL), 0);
	CHECK_EQ(n_lent, 0);
	CHECK_EQ(share_close(share, NULL), 0);
	CHECK_EQ(umount2(folder, MNT_DETACH), 0);
	CHECK_EQ(rmdir(folder), 0);
	free(bundle);
}

/* @text with the folder in place of every '@'. */
static char *with_folder(const char *text)
{
	char *result = strdup("");

	for (; *text; text++) {
		char *longer = *text == '@' ? str_printf("%s%s", result, folder)
					    : str_printf("%s%c", result, *text);

		free(result);
		result = longer;
	}
	return result;
}

/* Rewrites a spec with these parts; @ in the mounts is the folder. */
static const char *root = "\"path\":\"rootfs\"";

static int rewrite(const char *linux, const char *mounts, const char *more, struct err *e)
{
	auto_free char *m = with_folder(mounts);
	auto_free char *text = str_printf(
		"{\"ociVersion\":\"1.2.0\",\"root\":{%s},"
		"\"process\":{\"cwd\":\"/work\",\"args\":[\"x\"],\"user\":{\"uid\":0,\"gid\":0},"
		"\"apparmorProfile\":\"p\"},\"mounts\":[%s],\"linux\":{%s}%s}",
		root, m, linux, more);
	const struct guest_rules rules = {
		.container_id = "c1",
		.bundle = bundle,
		.share = share,
		.disks = &disks,
		.no_block_devices = no_block_devices,
		.volumes = &volumes,
		.terminal = true,
		.shm = &pod_shm,
		.siblings = siblings,
		.n_siblings = n_siblings,
		.ret_joined = &joined,
	};
	int r = oci_spec_parse(text, strlen(text), &spec, e);

	CHECK_EQ(r, 0);
	return guest_spec_make(&rules, spec, &hooks, e);
}
