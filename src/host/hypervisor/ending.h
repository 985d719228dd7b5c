#pragma once

#include "base/err.h"
#include "base/tail.h"

/*
 * Why a VMM ended, as a sentence: the guest's panic, the VMM's own reason, its last message or the
 * signal that killed it, whichever tells most.
 */
struct vmm_ending {
	const char *vmm;       /* in sentences: "QEMU" */
	const char *signature; /* its messages begin with this, up to the first ": " */
	int status;            /* of waitpid(2) */
	const char *cause;    /* what it told before, such as "the guest rebooted"; NULL: nothing */
	struct tail *console; /* the guest's */
	struct tail *messages; /* the VMM's stderr */
};

/* The sentence about a guest's panic begins with this. */
#define VMM_PANICKED "the guest kernel panicked"

/* Fills @ret, which holds no error yet. */
void vmm_ending_explain(const struct vmm_ending *end, struct err *ret);
