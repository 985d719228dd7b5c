#include "tests/test.h"

#include <errno.h>

#include "base/auto.h"
#include "host/cgroup/hierarchy.h"

static struct hierarchies found;

static int find(const char *mounts, const char *own, struct err *e)
{
	__attribute__((cleanup(mountinfo_fini))) struct mountinfo m = {0};

	CHECK_EQ(mountinfo_parse(strdup(mounts), &m, NULL), 0);
	return hierarchies_find(&m, own, &found, e);
}

static const struct hierarchy *of(const char *controllers)
{
	for (size_t i = 0; i < found.n; i++)
		if (strcmp(found.list[i].controllers, controllers) == 0)
			return &found.list[i];
	test_fail(__FILE__, __LINE__, "'%s' was not found", controllers);
}

#define SYSFS "20 1 0:19 / /sys rw - sysfs sysfs rw\n"
#define V1                                                                                 \
	SYSFS "30 20 0:30 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"                 \
	      "31 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup "       \
	      "rw,cpu,cpuacct\n"                                                           \
	      "32 30 0:32 / /sys/fs/cgroup/memory rw shared:2 - cgroup cgroup rw,memory\n" \
	      "33 30 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup "                    \
	      "rw,xattr,name=systemd\n"

TEST(cgroup_v1_has_a_place_for_each_hierarchy)
{
	CHECK_EQ(find(V1, "5:cpu,cpuacct:/user\n4:memory:/a/b\n3:freezer:/\n1:name=systemd:/init\n",
		      NULL),
		 0);
	CHECK_EQ(found.n, 3); /* no freezer is mounted */
	CHECK_STR(of("cpu,cpuacct")->top, "/sys/fs/cgroup/cpu,cpuacct");
	CHECK_STR(of("cpu,cpuacct")->own, "/sys/fs/cgroup/cpu,cpuacct/user");
	CHECK_STR(of("memory")->own, "/sys/fs/cgroup/memory/a/b");
	CHECK_STR(of("name=systemd")->own, "/sys/fs/cgroup/systemd/init");
	CHECK(!of("memory")->unified);
	hierarchies_fini(&found);
}

TEST(cgroup_v2_is_one_place)
{
	CHECK_EQ(find(SYSFS "30 20 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
		      "0::/user.slice/x.scope\n", NULL),
		 0);
	CHECK_EQ(found.n, 1);
	CHECK(found.list[0].unified);
	CHECK_STR(found.list[0].top, "/sys/fs/cgroup");
	CHECK_STR(found.list[0].own, "/sys/fs/cgroup/user.slice/x.scope");
	hierarchies_fini(&found);
}

TEST(of_a_hybrid_host_v2_is_left_alone)
{
	CHECK_EQ(find(V1 "34 30 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
		      "0::/x\n4:memory:/x\n", NULL),
		 0);
	CHECK_EQ(found.n, 1);
	CHECK_STR(found.list[0].controllers, "memory");
	hierarchies_fini(&found);
}

TEST(v2_beside_a_hierarchy_without_controllers_counts)
{
	CHECK_EQ(find("33 30 0:33 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
		      "34 30 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
		      "1:name=systemd:/\n0::/x\n", NULL),
		 0);
	CHECK_EQ(found.n, 2);
	hierarchies_fini(&found);
}

TEST(a_mount_may_begin_below_the_root)
{
	CHECK_EQ(find("32 30 0:32 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		      "4:memory:/docker/ab/x\n", NULL),
		 0);
	CHECK_STR(of("memory")->own, "/sys/fs/cgroup/memory/x");
	hierarchies_fini(&found);
}

TEST(a_process_that_is_not_below_the_mount_is_taken_for_the_top)
{
	CHECK_EQ(find("32 30 0:32 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "31 30 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
		      "4:memory:/docker/abc\n5:cpu:/../../x\n", NULL),
		 0);
	CHECK_STR(of("memory")->own, "/sys/fs/cgroup/memory");
	CHECK_STR(of("cpu")->own, "/sys/fs/cgroup/cpu");
	hierarchies_fini(&found);
}

TEST(what_is_mounted_elsewhere_is_not_ours)
{
	CHECK_EQ(find("32 30 0:32 / /var/lib/x/sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "33 30 0:33 / /sys/fs/cgroupx rw - cgroup2 cgroup2 rw\n",
		      "4:memory:/\n0::/\n", NULL),
		 0);
	CHECK_EQ(found.n, 0);
}

TEST(the_mount_on_top_is_the_one_that_is_seen)
{
	CHECK_EQ(find("32 30 0:32 /old /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		      "40 30 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		      "4:memory:/a\n", NULL),
		 0);
	CHECK_STR(of("memory")->own, "/sys/fs/cgroup/memory/a");
	hierarchies_fini(&found);
}

TEST(a_word_is_a_whole_word)
{
	CHECK(hierarchy_word("rw,cpu,cpuacct", "cpu"));
	CHECK(hierarchy_word("rw,cpu,cpuacct", "cpuacct"));
	CHECK(!hierarchy_word("rw,cpuacct", "cpu"));
	CHECK(!hierarchy_word("", "cpu"));
	CHECK(!hierarchy_word("rw,xcpu", "cpu"));
}

TEST(another_form_is_refused)
{
	struct err e = {0};

	CHECK_EQ(find("", "nonsense\n", &e), -EBADMSG);
	hierarchies_fini(&found);
}
