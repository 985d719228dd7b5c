#pragma once

#include <pthread.h>
#include <stdbool.h>

/*
 * A step that goes on beside those that its caller takes meanwhile, because it waits for the
 * kernel, which needs 10 ms and more until each processor has been through its scheduler. Private
 * to host/sandbox.
 */
struct beside {
	void (*fn)(void *arg);
	void *arg;
	pthread_t thread;
	bool runs;
};

/* Does @fn in a thread, or, if there can be none, now. @b stays where it is until beside_end(). */
void beside_begin(struct beside *b, void (*fn)(void *), void *arg);

/* Returns when it is done. No-op unless it was begun. */
void beside_end(struct beside *b);
