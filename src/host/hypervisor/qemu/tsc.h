#pragma once

#include <stdint.h>

/*
 * The frequency of the host's time stamp counter. No kernel interface gives it to unprivileged
 * processes, so it is measured against the monotonic clock: two readings with some milliseconds of
 * other work between them. Under TCG an x86 guest reads the host's counter.
 */
struct tsc_reading {
	uint64_t tsc;
	uint64_t ns;
};

/* All zero on hosts without such a counter. */
void tsc_read(struct tsc_reading *ret);

/* The frequency in kHz, measured since @first. Waits until a millisecond has passed since then,
 * because the clock is exact to 25 ns at best: 50 ns in a millisecond are 50 ppm. 0: unknown. */
unsigned tsc_khz_since(const struct tsc_reading *first);
