#pragma once

#include "oci.pb-c.h"

/* A hook that runs @script in a shell. */
static inline Grpc__Hook shell(const char *script, char *args[3])
{
	Grpc__Hook hook = GRPC__HOOK__INIT;

	args[0] = "sh";
	args[1] = "-c";
	args[2] = (char *) script;
	hook.path = "/bin/sh";
	hook.args = args;
	hook.n_args = 3;
	return hook;
}
