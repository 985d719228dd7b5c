#pragma once

#include "base/err.h"
#include "host/shim/options.h"

/*
 * The process that makes the template @o->make_template, which a sandbox server has started: leaves
 * a child that does it and returns, so that nobody has to wait for it. The child writes why it has
 * made nothing on stderr, in one line, and does not return. Returns 0 or -errno.
 */
int shim_make_template(const struct shim_options *o, struct err *e);
