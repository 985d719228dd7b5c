#pragma once

#include "base/err.h"
#include "base/tail.h"

/*
 * Why a QEMU ended, as a sentence: what the guest did, what QEMU said, what killed it; the most
 * telling of these.
 */

/* @status: of waitpid(2). @shutdown: "reason" of QEMU's SHUTDOWN event, or "". @console: of the
 * guest. @messages: QEMU's own stderr. Fills @ret, which is clear. */
void ending_explain(int status, const char *shutdown, struct tail *console, struct tail *messages,
		    struct err *ret);
