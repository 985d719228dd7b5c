#pragma once

#include "base/auto.h"
#include "base/loop.h"

/* What kata-monitor answers over TCP. Private to host/monitor. */
struct pages;

/* Serves the listening socket @take_listen_fd, swallowed on success. @base is borrowed. */
int pages_new(struct loop *loop, int take_listen_fd, const char *base, struct pages **ret,
	      struct err *e);

/* Accepts NULL. */
void pages_free(struct pages *p);
AUTO_PTR(struct pages, pages_free)
