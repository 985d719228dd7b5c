#include "tests/test.h"

#include <errno.h>

#include "base/auto.h"
#include "host/cgroup/cgroup.h"

static void lone(const char *path, const char *wanted)
{
	auto_free char *name = NULL;

	CHECK_EQ(host_cgroup_name(path, "id", true, &name, NULL), 0);
	CHECK_STR(name, wanted);
}

static void pod(const char *path, const char *wanted)
{
	auto_free char *name = NULL;

	CHECK_EQ(host_cgroup_name(path, "id", false, &name, NULL), 0);
	CHECK_STR(name, wanted);
}

static void stays(const char *path, bool is_lone)
{
	char *name = (char *) "unset";

	CHECK_EQ(host_cgroup_name(path, "id", is_lone, &name, NULL), 0);
	CHECK(name == NULL);
}

static void refused(const char *path)
{
	char *name = NULL;
	struct err e = {0};

	CHECK_EQ(host_cgroup_name(path, "id", false, &name, &e), -EINVAL);
	CHECK(strstr(e.text, "linux.cgroupsPath: "));
	CHECK(name == NULL);
}

TEST(a_lone_container_is_where_its_engine_looks)
{
	lone("/docker/abc", "/docker/abc");
	lone("/libpod_parent/libpod-abc", "/libpod_parent/libpod-abc");
	lone("below/mine", "below/mine");
	lone("", "id");
	lone(NULL, "id");
}

TEST(a_pod_is_beside_the_place_of_its_container)
{
	pod("/kubepods/burstable/pod12/ab", "/kubepods/burstable/pod12/kata_ab");
	pod("/default/ab", "/default/kata_ab");
	pod("/ab", "/kata_ab");
	pod("below/ab", "below/kata_ab");
}

TEST(nothing_leads_above_the_top)
{
	lone("/../../etc", "/etc");
	lone("../../../x", "x");
	pod("/a/../../b/./c", "/b/kata_c");
}

TEST(without_a_name_a_pod_stays_where_its_caller_is)
{
	stays(NULL, false);
	stays("", false);
	stays("/", true);
	stays("/a/..", false);
}

TEST(a_unit_is_where_systemd_has_it)
{
	pod("kubepods-burstable-pod12.slice:cri-containerd:ab",
	    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/"
	    "cri-containerd-ab.scope");
	lone("system.slice:docker:ab", "/system.slice/docker-ab.scope");
	lone(":docker:ab", "/system.slice/docker-ab.scope");
	lone("machine.slice::ab", "/machine.slice/ab.scope");
	lone("-.slice:x:ab", "/x-ab.scope");
	lone("user.slice:x:a-b.slice", "/user.slice/a-b.slice");
}

TEST(what_is_no_unit_is_refused)
{
	refused("notaslice:docker:ab");
	refused("-a.slice:docker:ab");
	refused("a-.slice:docker:ab");
	refused("a--b.slice:docker:ab");
	refused(".slice:docker:ab");
	refused("a.slice:docker:");
}

TEST(colons_in_a_path_are_a_path)
{
	lone("/a:b:c", "/a:b:c");
	lone("a:b", "a:b");
	lone("a:b:c:d", "a:b:c:d");
}
