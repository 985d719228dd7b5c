/* The end of the sandbox. It comes last: the machine is off afterwards. */

#include <errno.h>

#include "tests/agent/box.h"

CASE(a_destroyed_sandbox_switches_the_machine_off)
{
	Grpc__DestroySandboxRequest req = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	int status = -1;

	box_prepare(vm);
	MUST(box_create(vm, "left", "trap '' TERM; while :; do sleep 1; done", NULL, &why));
	MUST(box_start(vm, "left", &why));
	MUST(box_create(vm, "created", "true", NULL, &why));
	MUST(vm_call(vm, "DestroySandbox", &req, NULL, &why));
	MUST(child_wait(&vm->qemu, clock_deadline(VM_PATIENCE_MS), &status, &why));
	CHECK_EQ(status, 0);
}
