#include "host/hypervisor/qemu/tsc.h"

#include <errno.h>
#include <time.h>

#define MIN_NS   1000000
#define READINGS 16

#if defined(__x86_64__)
#include <x86intrin.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	(void) clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t) t.tv_sec * 1000000000 + (uint64_t) t.tv_nsec;
}

void tsc_read(struct tsc_reading *ret)
{
	uint64_t best = UINT64_MAX;

	/* The reading that was interrupted least. */
	for (int i = 0; i < READINGS; i++) {
		uint64_t before = __rdtsc(), ns = now_ns(), after = __rdtsc();

		if (after - before < best) {
			best = after - before;
			*ret = (struct tsc_reading){.tsc = before + best / 2, .ns = ns};
		}
	}
}

unsigned tsc_khz_since(const struct tsc_reading *first)
{
	struct tsc_reading last;
	uint64_t passed = now_ns() - first->ns;

	if (passed < MIN_NS) {
		struct timespec rest = {.tv_nsec = (long) (MIN_NS - passed)};

		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR)
			;
	}
	tsc_read(&last);

	double khz = (double) (last.tsc - first->tsc) * 1e6 / (double) (last.ns - first->ns);

	/* Outside of this range it is no processor's counter, or it was reset in between. */
	return khz > 100e3 && khz < 20e6 ? (unsigned) (khz + 0.5) : 0;
}
#else
void tsc_read(struct tsc_reading *ret)
{
	*ret = (struct tsc_reading){0};
}

unsigned tsc_khz_since(const struct tsc_reading *first)
{
	(void) first;
	return 0;
}
#endif
