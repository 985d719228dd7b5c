#include "tests/test.h"

#include "host/state/task_status.h"

TEST(a_status_is_the_same_after_both_ways)
{
	for (enum oci_status s = 0; s < OCI_STATUS_MAX; s++)
		CHECK_EQ(task_status_read(task_status_of(s)), s);
}

TEST(each_status_has_its_word)
{
	CHECK_EQ(task_status_of(OCI_CREATING), CONTAINERD__V1__TYPES__STATUS__UNKNOWN);
	CHECK_EQ(task_status_of(OCI_RUNNING), CONTAINERD__V1__TYPES__STATUS__RUNNING);
	CHECK_EQ(task_status_of(OCI_PAUSED), CONTAINERD__V1__TYPES__STATUS__PAUSED);
}

TEST(other_servers_may_know_more)
{
	CHECK_EQ(task_status_read(CONTAINERD__V1__TYPES__STATUS__PAUSING), OCI_PAUSED);
	CHECK_EQ(task_status_read(99), OCI_CREATING);
}
