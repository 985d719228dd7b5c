#pragma once

#include <stdint.h>

/*
 * Time on this project's clock: milliseconds of CLOCK_MONOTONIC. A deadline is a moment on it,
 * made once at the top and passed down, so that no sum of steps takes longer than the whole.
 */
typedef uint64_t msec_t;

#define CLOCK_NEVER UINT64_MAX

msec_t clock_now(void);

/* Microseconds of the same clock, for measuring. */
uint64_t clock_now_us(void);

/* The moment @timeout_ms from now; CLOCK_NEVER stays CLOCK_NEVER. */
msec_t clock_deadline(uint64_t timeout_ms);

/* Milliseconds until @deadline in the form poll(2) wants: 0 when it has passed, -1 for CLOCK_NEVER.
 */
int clock_poll_ms(msec_t deadline);
