#include "tests/test.h"

#include "host/shim/pod_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/file.h"
#include "oci/oci.h"

static char folder[] = "/tmp/test-pod-files-XXXXXX";

/* In a mount namespace of its own, which ends with the test. */
static void begin(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		exit(TEST_SKIP);
	CHECK_EQ(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	CHECK(mkdtemp(folder) != NULL);
}

static void end(void)
{
	auto_free char *shm = str_printf("%s/shm", folder);

	CHECK_EQ(umount2(shm, MNT_DETACH), 0);
	CHECK_EQ(dir_remove(AT_FDCWD, folder, NULL), 0);
}

static void check_text(const char *name, const char *want)
{
	auto_free char *path = str_printf("%s/%s", folder, name);
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, path, 1 << 20, &text, NULL, NULL), 0);
	CHECK_STR(text, want);
}

static const char *source_of(const Grpc__Spec *spec, const char *destination)
{
	const char *found = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (strcmp(spec->mounts[i]->destination, destination) == 0) {
			CHECK(!found);
			found = spec->mounts[i]->source;
		}
	return found ? found : "";
}

static Grpc__Spec *parse(const char *mounts, bool readonly)
{
	auto_free char *text = str_printf("{\"ociVersion\":\"1.2.0\",\"mounts\":[%s],"
					  "\"root\":{\"path\":\"rootfs\",\"readonly\":%s}}",
					  mounts, readonly ? "true" : "false");
	Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	return spec;
}

TEST(a_pod_has_its_name_its_name_service_and_a_tmpfs)
{
	auto_free char *hosts = NULL;
	auto_free char *shm = NULL;
	struct statfs fs;

	begin();
	shm = str_printf("%s/shm", folder);
	CHECK_EQ(pod_files_make(folder, "web", "nameserver 192.0.2.1\n", NULL), 0);
	check_text("hostname", "web\n");
	check_text("resolv.conf", "nameserver 192.0.2.1\n");
	if (file_read(AT_FDCWD, "/etc/hosts", 1 << 20, &hosts, NULL, NULL) == 0)
		check_text("hosts", hosts);
	CHECK_EQ(statfs(shm, &fs), 0);
	CHECK_EQ((uint64_t) fs.f_blocks * (uint64_t) fs.f_bsize, 64 << 20);
	end();
}

TEST(a_container_gets_what_it_does_not_bring)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	auto_free char *shm = NULL, *hostname = NULL;

	begin();
	shm = str_printf("%s/shm", folder);
	hostname = str_printf("%s/hostname", folder);
	CHECK_EQ(pod_files_make(folder, "web", "", NULL), 0);
	spec = parse("{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"},"
		     "{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/own\"}",
		     false);
	CHECK_EQ(pod_files_complete(folder, spec, NULL), 0);
	CHECK_EQ(spec->n_mounts, 4);
	CHECK_STR(spec->mounts[0]->source, shm); /* things may be mounted below it later */
	CHECK_STR(spec->mounts[0]->type, "bind");
	CHECK_STR(source_of(spec, "/etc/hosts"), "/own");
	CHECK_STR(source_of(spec, "/etc/hostname"), hostname);
	CHECK_STR(spec->mounts[2]->options[2], "rw");
	end();
}

TEST(a_volume_on_shared_memory_stays_and_a_read_only_root_has_read_only_files)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	begin();
	CHECK_EQ(pod_files_make(folder, "web", "", NULL), 0);
	spec = parse("{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/volume\"}",
		     true);
	CHECK_EQ(pod_files_complete(folder, spec, NULL), 0);
	CHECK_STR(source_of(spec, "/dev/shm"), "/volume");
	CHECK_STR(spec->mounts[1]->options[2], "ro");
	end();
}

TEST(a_folder_that_is_missing_is_told)
{
	struct err e = {0};

	CHECK_EQ(pod_files_make("/no/such/folder", "web", NULL, &e), -ENOENT);
	CHECK(strstr(e.text, "/no/such/folder/hostname"));
}
