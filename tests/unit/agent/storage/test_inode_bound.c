#include "tests/test.h"

#include "agent/storage/inode_bound.h"
#include "base/auto.h"

static const char text[] =
	"slabinfo - version: 2.1\n"
	"# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n"
	"fuse_request          26     26    152   26    1 : tunables    0    0    0\n"
	"fuse_inode         12345  20000    832   19    4 : tunables    0    0    0\n"
	"fuse_inode_other       7      8    832   19    4 : tunables    0    0    0\n";

TEST(the_objects_of_a_slab_cache_are_counted)
{
	CHECK_EQ(inode_bound_count(text, "fuse_inode"), 12345);
	CHECK_EQ(inode_bound_count(text, "fuse_inode_other"), 7);
}

TEST(a_cache_that_is_not_there_has_none)
{
	CHECK_EQ(inode_bound_count(text, "fuse"), 0);
	CHECK_EQ(inode_bound_count("", "fuse_inode"), 0);
	CHECK_EQ(inode_bound_count("fuse_inode", "fuse_inode"), 0);
}

TEST(it_starts_and_ends)
{
	struct loop *loop = NULL;
	struct inode_bound *b = NULL;
	struct err e = {0};

	CHECK_EQ(loop_new(&loop, &e), 0);
	CHECK_EQ(inode_bound_new(loop, NULL, 20000, &b, &e), 0);
	inode_bound_free(b);
	inode_bound_free(NULL);
	loop_free(loop);
}
