#pragma once

#include "base/err.h"
#include "base/tail.h"

/*
 * Why a QEMU ended, as a sentence: the guest's panic, QEMU's own message or the signal that killed
 * it, whichever tells most.
 */

/* @status: of waitpid(2). @shutdown: "reason" of QEMU's SHUTDOWN event, or "". @console: the
 * guest's. @messages: QEMU's stderr. Fills @ret, which holds no error yet. */
void ending_explain(int status, const char *shutdown, struct tail *console, struct tail *messages,
		    struct err *ret);
