/* The guest as a whole. These come first: nothing has been made yet. */

#include <errno.h>

#include "tests/agent/box.h"

CASE(the_agent_says_what_it_is)
{
	Grpc__GuestDetailsRequest req = GRPC__GUEST_DETAILS_REQUEST__INIT;
	Grpc__GuestDetailsResponse *reply = NULL;

	req.mem_block_size = req.mem_hotplug_probe = true;
	MUST(vm_call(vm, "GetGuestDetails", &req, &reply, &why));
	CHECK(reply->agent_details);
	CHECK(reply->agent_details->init_daemon);
	CHECK(reply->mem_block_size_bytes >= 1 << 20);
	CHECK(reply->agent_details->n_extra_features >= 2);
	ttrpc_message_free(&reply->base);
}

CASE(nothing_is_made_before_the_sandbox)
{
	struct err e = {0};

	CHECK_EQ(box_create(vm, "early", "true", NULL, &e), -EBUSY);
	CHECK_STR(e.text, "CreateContainer is not allowed now");
}
