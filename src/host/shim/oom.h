#pragma once

#include "host/shim/server.h"

/* Admin.AwaitOom; @arg is the server. */
void await_oom(struct ttrpc_call *call, const ProtobufCMessage *request, void *arg);
