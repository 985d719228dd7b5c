#include "tests/unit/host/spec/bundle.h"

/* The host's path of what the guest knows as @guest. */
static char *exported(const char *guest)
{
	size_t n = strlen(SHARE_GUEST_PATH "/");

	CHECK(strncmp(guest, SHARE_GUEST_PATH "/", n) == 0);
	return str_printf("%s/%s", share_export_path(share), guest + n);
}

#define NAMESPACES "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"mount\"}]"

TEST(the_root_and_bind_mounts_are_shown_and_the_rest_stays)
{
	up();
	CHECK_EQ(
		rewrite(NAMESPACES,
			"{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"@/data\",\"options\":[\"rbind\"]},"
			"{\"destination\":\"/f\",\"type\":\"none\",\"source\":\"@/data/file\",\"options\":[\"bind\",\"ro\"]},"
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/sys\",\"type\":\"bind\",\"source\":\"/sys\",\"options\":[\"rbind\"]},"
			"{\"destination\":\"/null\",\"type\":\"bind\",\"source\":\"/dev/null\",\"options\":[\"bind\"]}",
			"", NULL),
		0);
	CHECK_STR(spec->root->path, SHARE_GUEST_PATH "/c1/rootfs");

	auto_free char *etc = exported(spec->root->path);
	auto_free char *data = exported(spec->mounts[0]->source);
	auto_free char *file = exported(spec->mounts[1]->source);
	struct stat st;

	CHECK_EQ(stat(etc, &st), 0);
	CHECK_EQ(access(data, W_OK), 0);
	CHECK_EQ(access(file, R_OK), 0);
	CHECK_EQ(access(file, W_OK), -1);
	CHECK_STR(spec->mounts[1]->type, "bind");
	CHECK_STR(spec->mounts[2]->source, "proc");
	CHECK_STR(spec->mounts[3]->source, "/sys");
	CHECK_STR(spec->mounts[4]->source, "/dev/null");
	CHECK(spec->process->terminal);
	CHECK(spec->process->apparmorprofile == NULL);
	down();
}

/* What the guest is told of a recursive bind mount of that source. */
static void source_becomes(const char *source, const char *want)
{
	auto_free char *mount =
		str_printf("{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"%s\","
			   "\"options\":[\"rbind\"]}",
			   source);

	CHECK_EQ(rewrite("", mount, "", NULL), 0);
	CHECK_STR(spec->mounts[0]->source, want);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
}

TEST(what_is_the_kernels_is_the_guests_however_it_is_spelled)
{
	up();
	auto_free char *link = at("data/link");
	auto_free char *sub = at("data/sub");

	CHECK_EQ(symlink("/proc/sys/fs", link), 0);
	CHECK_EQ(mount("p", sub, "proc", 0, NULL), 0);
	source_becomes("//proc/sys/fs", "/proc/sys/fs");
	source_becomes("/proc/../proc/sys//fs/", "/proc/sys/fs");
	source_becomes("@/data/link", "/proc/sys/fs");
	source_becomes("@/data/sub/sys/fs", "/proc/sys/fs");
	source_becomes("/sys/fs/cgroup", "/sys/fs/cgroup");
	source_becomes("//dev/null", "/dev/null");
	CHECK_EQ(umount2(sub, MNT_DETACH), 0);
	down();
}

TEST(what_the_kernel_has_below_a_source_or_the_root_is_not_shown)
{
	up();
	auto_free char *sub = at("data/sub");
	auto_free char *in_root = at("bundle/rootfs/etc");

	CHECK_EQ(mount("p", sub, "proc", 0, NULL), 0);
	CHECK_EQ(mount("p", in_root, "proc", 0, NULL), 0);
	CHECK_EQ(rewrite("",
			 "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"@/data\","
			 "\"options\":[\"rbind\"]},"
			 "{\"destination\":\"/h\",\"type\":\"bind\",\"source\":\"/\","
			 "\"options\":[\"rbind\"]}",
			 "", NULL),
		 0);

	static const char *const inside[] = {"self",     "proc/self",  "sub/self",
					     "etc/self", "sys/kernel", "dev/null"};
	auto_free char *root_path = exported(spec->root->path);
	auto_free char *data = exported(spec->mounts[0]->source);
	auto_free char *host = exported(spec->mounts[1]->source);
	const char *const shown[] = {root_path, data, host};
	auto_free char *file = str_printf("%s/file", data);

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		for (size_t k = 0; k < sizeof inside / sizeof *inside; k++) {
			auto_free char *path = str_printf("%s/%s", shown[i], inside[k]);

			CHECK_EQ(access(path, F_OK), -1);
		}
	CHECK_EQ(access(file, F_OK), 0);
	CHECK_EQ(umount2(sub, MNT_DETACH), 0);
	CHECK_EQ(umount2(in_root, MNT_DETACH), 0);
	down();
}

TEST(sources_are_relative_to_the_bundle)
{
	up();
	put("bundle/here");
	CHECK_EQ(
		rewrite("",
			"{\"destination\":\"/f\",\"type\":\"bind\",\"source\":\"here\",\"options\":[\"bind\"]}",
			"", NULL),
		0);

	auto_free char *file = exported(spec->mounts[0]->source);

	CHECK_EQ(access(file, R_OK), 0);
	down();
}

TEST(shared_memory_is_the_guests_own_and_as_large)
{
	up();
	make("shm");
	auto_free char *shm = at("shm");
	CHECK_EQ(mount("none", shm, "tmpfs", 0, "size=1m"), 0);
	CHECK_EQ(
		rewrite("",
			"{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"@/shm\",\"options\":[\"bind\"]}",
			"", NULL),
		0);
	CHECK_STR(spec->mounts[0]->type, "tmpfs");
	CHECK_STR(spec->mounts[0]->options[4], "size=1048576");
	CHECK_EQ(umount2(shm, MNT_DETACH), 0);
	down();
}

TEST(a_read_only_root_gets_its_mount_points_and_is_read_only_here)
{
	static const char *const made[] = {"proc", "a/b/c", "etc/file", "work"};
	struct stat st;

	up();

	auto_free char *link = at("bundle/rootfs/link");
	auto_free char *out = at("bundle/rootfs/out");
	auto_free char *trap = at("data/sub/trap");

	/* Links in the root mean the root, wherever they seem to lead. */
	CHECK_EQ(symlink("/etc", link), 0);
	CHECK_EQ(symlink("../../../../../../../..", out), 0);
	root = "\"path\":\"rootfs\",\"readonly\":true";
	CHECK_EQ(
		rewrite("",
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/a/b/c\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
			"{\"destination\":\"/a/b/c/below\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},"
			"{\"destination\":\"/link/file\",\"type\":\"bind\",\"source\":\"@/data/file\",\"options\":[\"bind\"]},"
			"{\"destination\":\"/out@/data/sub/trap\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"}",
			"", NULL),
		0);
	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
		auto_free char *path = str_printf("%s/rootfs/%s", bundle, made[i]);

		CHECK_EQ(stat(path, &st), 0);
		CHECK_EQ(S_ISREG(st.st_mode), strcmp(made[i], "etc/file") == 0);
	}
	auto_free char *below = str_printf("%s/rootfs/a/b/c/below", bundle);

	CHECK_EQ(access(below, F_OK), -1);
	CHECK_EQ(access(trap, F_OK), -1);

	auto_free char *seen = exported(spec->root->path);

	CHECK_EQ(access(seen, W_OK), -1);
	CHECK_EQ(errno, EROFS);
	down();
}

TEST(hooks_are_parted_by_where_they_run)
{
	up();
	CHECK_EQ(
		rewrite("", "",
			",\"hooks\":{\"prestart\":[{\"path\":\"/a\"}],\"startContainer\":[{\"path\":\"/b\"}]}",
			NULL),
		0);
	CHECK_EQ(hooks->n_prestart, 1);
	CHECK_EQ(hooks->n_startcontainer, 0);
	CHECK_EQ(spec->hooks->n_prestart, 0);
	CHECK_STR(spec->hooks->startcontainer[0]->path, "/b");
	down();
}

TEST(the_network_namespace_is_the_machines_and_others_cannot_be_joined)
{
	struct err e = {0};

	up();
	CHECK_EQ(rewrite(NAMESPACES, "", "", NULL), 0);
	CHECK_EQ(spec->linux->n_namespaces, 2);
	CHECK_STR(spec->linux->namespaces[1]->type, "mount");
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	CHECK_EQ(rewrite("\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/proc/self/ns/ipc\"}]", "",
			 "", &e),
		 -ENOTSUP);
	CHECK_STR(e.text, "linux.namespaces[0].path: a virtual machine cannot join the host's "
			  "'/proc/self/ns/ipc'");
	down();
}

static struct guest_ns own_namespace(const char *name)
{
	auto_free char *path = str_printf("/proc/self/ns/%s", name);
	struct stat st;

	CHECK_EQ(stat(path, &st), 0);
	return (struct guest_ns){.dev = st.st_dev, .ino = st.st_ino};
}

#define BY_PATH(name) "{\"type\":\"" name "\",\"path\":\"/proc/self/ns/" name "\"}"

TEST(a_path_to_what_a_container_of_the_same_machine_has_means_that)
{
	struct err e = {0};

	up();
	siblings[0] = (struct guest_sibling){
		.id = "pod",
		.ipc = own_namespace("ipc"),
		.uts = own_namespace("uts"),
		.pid = own_namespace("pid"),
	};
	n_siblings = 1;
	CHECK_EQ(rewrite("\"namespaces\":[{\"type\":\"mount\"}," BY_PATH("ipc") "," BY_PATH(
				 "uts") "," BY_PATH("pid") "]",
			 "", "", NULL),
		 0);
	CHECK_EQ(spec->linux->n_namespaces, 4);
	for (size_t i = 1; i < 4; i++)
		CHECK_STR(spec->linux->namespaces[i]->path, "");
	CHECK_STR(joined.pid_of, "pod");
	CHECK(joined.ipc_ns >= 0 && joined.uts_ns >= 0);
	CHECK_EQ(joined.net_ns, -1);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);

	/* That of one kind is not that of another. */
	siblings[0] = (struct guest_sibling){.id = "pod", .ipc = own_namespace("uts")};
	CHECK_EQ(rewrite("\"namespaces\":[" BY_PATH("ipc") "]", "", "", &e), -ENOTSUP);
	n_siblings = 0;
	down();
}

/* A user namespace of the host that maps ten ids from 5000 on; its path goes to @path. */
static int other_users(char *path, size_t room)
{
	auto_close int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	CHECK_EQ(userns_make("0 5000 10\n", "0 6000 10\n", proc, &fd, NULL), 0);
	(void) snprintf(path, room, "/proc/self/fd/%d", fd);
	return fd;
}

static int rewrite_users(const char *path, const char *mappings, struct err *e)
{
	auto_free char *linux =
		str_printf("\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\","
			   "\"path\":\"%s\"}]%s",
			   path, mappings);

	return rewrite(linux, "", "", e);
}

#define ONE_MAPPING(field, id) ",\"" field "\":[{\"containerID\":0,\"hostID\":" id ",\"size\":10}]"

/* Undoes a rewrite(). */
static void forget(void)
{
	guest_joined_fini(&joined);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
}

TEST(a_user_namespace_by_path_gives_its_mappings_and_is_a_siblings_if_it_is_that_one)
{
	char path[64];
	struct stat st;
	struct err e = {0};

	if (geteuid() != 0)
		exit(TEST_SKIP);
	up();

	auto_close int fd = other_users(path, sizeof path);

	CHECK_EQ(rewrite_users(path, "", NULL), 0);
	CHECK_EQ(spec->linux->n_uidmappings, 1);
	CHECK_EQ(spec->linux->uidmappings[0]->hostid, 5000);
	CHECK_EQ(spec->linux->gidmappings[0]->hostid, 6000);
	CHECK_EQ(spec->linux->gidmappings[0]->size, 10);
	CHECK_STR(spec->linux->namespaces[1]->path, "");
	CHECK(joined.user_ns >= 0 && !joined.user_of);
	forget();

	CHECK_EQ(rewrite_users(path, ONE_MAPPING("uidMappings", "5001"), &e), -EINVAL);
	CHECK(strstr(e.text, "linux.namespaces[1].path: linux.uidMappings: they are not those of"));
	forget();

	CHECK_EQ(fstat(fd, &st), 0);
	siblings[0] = (struct guest_sibling){.id = "first", .user = {st.st_dev, st.st_ino}};
	n_siblings = 1;
	CHECK_EQ(rewrite_users(path,
			       ONE_MAPPING("uidMappings", "5000")
				       ONE_MAPPING("gidMappings", "6000"),
			       NULL),
		 0);
	CHECK_STR(joined.user_of, "first");
	CHECK_EQ(spec->linux->n_uidmappings, 1);
	forget();
	n_siblings = 0;

	e = (struct err){0};
	CHECK_EQ(rewrite_users("/proc/self/ns/user", "", &e), -ENOTSUP);
	CHECK(strstr(e.text, "is the host's own user namespace"));
	guest_joined_fini(&joined);
	down();
}

TEST(the_shared_memory_of_a_pod_is_the_guests_where_the_source_is_the_pods)
{
	struct stat st;
	auto_free char *pods = NULL;

	up();
	make("pods");
	make("other");
	pods = at("pods");
	CHECK_EQ(stat(pods, &st), 0);
	pod_shm = (struct volume_shm){.dev = st.st_dev, .ino = st.st_ino};
	CHECK_EQ(rewrite("",
			 "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"@/pods\"}",
			 "", NULL),
		 0);
	CHECK_STR(spec->mounts[0]->type, "bind");
	CHECK_STR(spec->mounts[0]->source, VOLUME_SHM_GUEST_PATH);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	CHECK_EQ(rewrite("",
			 "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"@/other\"}",
			 "", NULL),
		 0);
	CHECK_STR(spec->mounts[0]->type, "tmpfs");
	pod_shm = (struct volume_shm){0};
	down();
}

static void network_by(const char *path, int want, const char *sentence)
{
	auto_free char *linux = str_printf("\"namespaces\":[{\"type\":\"mount\"},"
					   "{\"type\":\"network\",\"path\":\"%s\"}]",
					   path);
	struct err e = {0};

	CHECK_EQ(rewrite(linux, "", "", &e), want);
	if (want < 0)
		CHECK_STR(e.text, sentence);
	else
		CHECK_EQ(spec->linux->n_namespaces, 1);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
}

TEST(the_path_of_a_namespace_is_judged)
{
	auto_free char *pipe = NULL, *sentence = NULL;

	up();
	network_by("/proc/self/ns/net", 0, NULL);
	network_by("/proc/self/ns/uts", -EINVAL,
		   "linux.namespaces[1].path: '/proc/self/ns/uts' is a uts namespace, not a "
		   "network namespace");
	network_by("/etc/passwd", -EINVAL,
		   "linux.namespaces[1].path: '/etc/passwd' is no namespace");
	network_by("/no/such", -ENOENT, "linux.namespaces[1].path: open '/no/such'");
	pipe = at("pipe");
	CHECK_EQ(mkfifo(pipe, 0600), 0);
	sentence = str_printf("linux.namespaces[1].path: '%s' is no namespace", pipe);
	network_by(pipe, -EINVAL, sentence);
	down();
}

TEST(an_overlay_is_mounted_here_and_shown)
{
	struct err e = {0};

	up();
	make("upper");
	make("work");

	int r = rewrite(
		"",
		"{\"destination\":\"/o\",\"type\":\"overlay\",\"source\":\"overlay\",\"options\":["
		"\"nosuid\",\"lowerdir=@/data\",\"upperdir=@/upper,workdir=@/work\"]}",
		"", &e);

	/* A kernel without overlay. */
	if (r == -ENODEV) {
		down();
		exit(TEST_SKIP);
	}
	CHECK_EQ(r, 0);

	const Grpc__Mount *m = spec->mounts[0];
	auto_free char *merged = exported(m->source);
	auto_free char *file = str_printf("%s/file", merged);
	auto_free char *upper = at("upper/file");
	auto_free char *left = str_printf("%s/overlay", share_private_path(share));

	CHECK_STR(m->type, "bind");
	CHECK_EQ(m->n_options, 1);
	CHECK_STR(m->options[0], "nosuid");
	CHECK_EQ(truncate(file, 0), 0);
	CHECK_EQ(access(upper, F_OK), 0);
	CHECK_EQ(access(left, F_OK), -1);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);

	CHECK_EQ(rewrite("",
			 "{\"destination\":\"/o\",\"type\":\"overlay\",\"options\":["
			 "\"lowerdir=@/data:data\"]}",
			 "", &e),
		 -EINVAL);
	CHECK(strstr(e.text, "mounts[0]: options: 'lowerdir="));
	CHECK(strstr(e.text, ":data' is not absolute"));
	down();
}

/* Whether what is mounted below the source after all is shown appears to the guest. */
static bool hears(const char *linux, const char *words)
{
	auto_free char *mounts =
		str_printf("{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"@/data\","
			   "\"options\":[\"rbind\"%s]}",
			   words);
	auto_free char *sub = at("data/sub");

	CHECK_EQ(rewrite(linux, mounts, "", NULL), 0);
	CHECK_EQ(mount("none", sub, "tmpfs", 0, NULL), 0);
	put("data/sub/later");

	auto_free char *data = exported(spec->mounts[0]->source);
	auto_free char *later = str_printf("%s/sub/later", data);
	bool result = access(later, F_OK) == 0;

	CHECK_EQ(umount2(sub, MNT_DETACH), 0);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	return result;
}

TEST(propagation_from_the_host_is_what_was_asked_for)
{
	up();
	CHECK(hears("", ""));
	CHECK(hears("", ",\"rslave\""));
	CHECK(hears("", ",\"rshared\""));
	CHECK(!hears("", ",\"private\""));
	CHECK(!hears("", ",\"rprivate\""));
	CHECK(!hears("", ",\"runbindable\""));
	CHECK(!hears("", ",\"rprivate\",\"rslave\""));
	CHECK(!hears("\"rootfsPropagation\":\"rprivate\"", ""));
	CHECK(hears("\"rootfsPropagation\":\"rprivate\"", ",\"rslave\""));
	down();
}

TEST(owners_of_a_mount_are_mapped_here)
{
	static const char maps[] =
		"{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"@/data\","
		"\"options\":[\"bind\",\"idmap\",\"ro\"],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":2000,\"size\":10}]}";
	struct err e = {0};
	struct stat st;

	up();

	int r = rewrite("", maps, "", &e);

	/* A tmpfs can only since Linux 6.3. */
	if (r == -ENOTSUP && strstr(e.text, "cannot map owners")) {
		down();
		exit(TEST_SKIP);
	}
	CHECK_EQ(r, 0);

	const Grpc__Mount *m = spec->mounts[0];
	auto_free char *seen = exported(m->source);

	CHECK_EQ(stat(seen, &st), 0);
	CHECK_EQ(st.st_uid, 1000);
	CHECK_EQ(st.st_gid, 2000);
	CHECK_EQ(m->n_uidmappings, 0);
	CHECK_EQ(m->n_gidmappings, 0);
	CHECK_EQ(m->n_options, 2);
	CHECK_STR(m->options[1], "ro");
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	CHECK_EQ(rewrite("",
			 "{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"@/data\","
			 "\"options\":[\"bind\",\"idmap\"]}",
			 "", &e),
		 -EINVAL);
	CHECK_STR(e.text, "mounts[0]: idmap needs uidMappings and gidMappings");
	down();
}

TEST(what_cannot_be_honoured_is_refused_by_name)
{
	struct err e = {0};

	up();
	CHECK_EQ(rewrite("\"intelRdt\":{\"closID\":\"x\"}", "", "", &e), -ENOTSUP);
	CHECK(strstr(e.text, "linux.intelRdt") == e.text);
	oci_spec_free(take_ptr(spec));
	CHECK_EQ(volumes_release(&volumes, share, NULL, NULL), 0);
	err_clear(&e);
	CHECK_EQ(
		rewrite("",
			"{\"destination\":\"/d\",\"type\":\"bind\",\"source\":\"@/nothing\",\"options\":[\"bind\"]}",
			"", &e),
		-ENOENT);
	down();
}

static void cgroup_is(const char *path, const char *want)
{
	auto_free char *got = guest_cgroups_path(path, "c1");

	CHECK_STR(got, want);
}

TEST(cgroup_paths_become_plain_and_stay_inside)
{
	cgroup_is(NULL, "/c1");
	cgroup_is("", "/c1");
	cgroup_is("/a/b", "/a/b");
	cgroup_is("a//b/./c/", "/a/b/c");
	cgroup_is("/../../x", "/x");
	cgroup_is("/a/../..", "/");
	cgroup_is("system.slice:docker:abc", "/system.slice/docker-abc");
	cgroup_is("user.slice::abc", "/user.slice/abc");
	cgroup_is("/with:two:colons", "/with:two:colons");
}
