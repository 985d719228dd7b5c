#include "base/clock.h"

#include <limits.h>
#include <time.h>

uint64_t clock_now_us(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}

msec_t clock_now(void)
{
	return clock_now_us() / 1000;
}

msec_t clock_deadline(uint64_t timeout_ms)
{
	msec_t now = clock_now();

	return timeout_ms >= CLOCK_NEVER - now ? CLOCK_NEVER : now + timeout_ms;
}

int clock_poll_ms(msec_t deadline)
{
	if (deadline == CLOCK_NEVER)
		return -1;

	msec_t now = clock_now();

	if (deadline <= now)
		return 0;
	return deadline - now > INT_MAX ? INT_MAX : (int) (deadline - now);
}
