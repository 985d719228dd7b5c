#include "host/sandbox/beside.h"

static void *run(void *arg)
{
	const struct beside *b = arg;

	b->fn(b->arg);
	return NULL;
}

void beside_begin(struct beside *b, void (*fn)(void *), void *arg)
{
	b->fn = fn;
	b->arg = arg;
	b->runs = pthread_create(&b->thread, NULL, run, b) == 0;
	if (!b->runs)
		fn(arg);
}

void beside_end(struct beside *b)
{
	if (b->runs)
		(void) pthread_join(b->thread, NULL);
	b->runs = false;
}
