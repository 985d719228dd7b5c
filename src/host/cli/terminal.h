#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "base/err.h"

/*
 * Terminals on the host. The line discipline that a user sees works in the guest, on the
 * container's own terminal; the terminal on the host must be raw, so that every byte and every
 * Ctrl-C goes to the guest unchanged.
 */
struct terminal {
	int fd; /* borrowed; -1 when there is nothing to restore */
	struct termios before;
};

#define TERMINAL_NONE ((struct terminal){.fd = -1})
#define auto_terminal __attribute__((cleanup(terminal_restore)))

/* Makes @fd raw and remembers how it was. Also restored when a fatal signal is handled by the loop,
 * since that ends in the same cleanup. */
int terminal_raw(int fd, struct terminal *ret, struct err *e);

/* Accepts TERMINAL_NONE. */
void terminal_restore(struct terminal *t);

/* Rows and columns; both 0 when @fd is no terminal. */
void terminal_size(int fd, uint32_t *ret_rows, uint32_t *ret_columns);

/* A new pty pair, the slave end raw. Both are the caller's. */
int terminal_pair(int *ret_master, int *ret_slave, struct err *e);

/* Connects to the unix socket @path and sends it the master, as runc does: one message whose bytes
 * are the name of the terminal (docs/terminals of runc; conmon and containerd receive it). */
int terminal_send(const char *path, int master, struct err *e);
