#pragma once

#include "base/err.h"

/* err_say() for sentences with the user's own text: control characters become '?', so that a
 * document cannot steer the terminal that shows the error. */
int refuse(struct err *e, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));
