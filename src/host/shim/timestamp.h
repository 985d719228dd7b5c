#pragma once

#include <time.h>

#include "google/protobuf/timestamp.pb-c.h"

/* A time of the host's clock as messages carry it. */
static inline Google__Protobuf__Timestamp timestamp_of(const struct timespec *t)
{
	Google__Protobuf__Timestamp ts = GOOGLE__PROTOBUF__TIMESTAMP__INIT;

	ts.seconds = t->tv_sec;
	ts.nanos = (int32_t) t->tv_nsec;
	return ts;
}
