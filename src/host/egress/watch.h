#pragma once

#include "host/egress/capture.h"
#include "host/egress/names.h"

/* The part of egress.h that is one machine's, while it runs. Private to host/egress. */

/* The tap of the interface @link; 0: it has none. Any thread. */
int egress_tap_of(struct egress *g, int link);
