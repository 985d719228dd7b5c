#pragma once

#include <pthread.h>

#include "host/sandbox/sandbox.h"

/* How long each phase of a sandbox's start took. Private to host/sandbox. Any thread. */
struct phases {
	pthread_mutex_t lock; /* guards all below */
	struct sandbox_phase list[SANDBOX_PHASES_MAX];
	size_t n;
	uint64_t began_us; /* the one that goes on */
};

/* @began_us: clock_now_us() when the first phase began; 0: now. */
void phases_init(struct phases *p, uint64_t began_us);
void phases_fini(struct phases *p);

/* The phase @name ends now, and the next one begins. Only the first end of a phase counts. */
void phase_end(struct phases *p, const char *name);

void phases_copy(struct phases *p, struct sandbox_description *ret);
