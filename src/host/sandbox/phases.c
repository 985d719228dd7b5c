#include "host/sandbox/phases.h"

#include <string.h>

#include "base/clock.h"

void phases_init(struct phases *p, uint64_t began_us)
{
	(void) pthread_mutex_init(&p->lock, NULL);
	p->began_us = began_us ? began_us : clock_now_us();
}

void phases_fini(struct phases *p)
{
	(void) pthread_mutex_destroy(&p->lock);
}

void phase_end(struct phases *p, const char *name)
{
	uint64_t now = clock_now_us();
	bool known = false;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		known |= strcmp(p->list[i].name, name) == 0;
	if (!known && p->n < SANDBOX_PHASES_MAX) {
		p->list[p->n++] = (struct sandbox_phase){name, now - p->began_us};
		p->began_us = now;
	}
	pthread_mutex_unlock(&p->lock);
}

void phases_copy(struct phases *p, struct sandbox_description *ret)
{
	pthread_mutex_lock(&p->lock);
	memcpy(ret->phases, p->list, sizeof ret->phases);
	ret->n_phases = p->n;
	pthread_mutex_unlock(&p->lock);
}
