#pragma once

#include "base/err.h"

/*
 * The log of this process to systemd's journal, by the protocol of its socket (systemd.io,
 * JOURNAL_NATIVE_PROTOCOL): a datagram is a record of fields, and no text in a field can begin
 * another one.
 *
 *	PRIORITY		3 to 7, as syslog's
 *	SYSLOG_IDENTIFIER	kata-runtime, as upstream's
 *	KATA_SANDBOX		the id of log_set_sandbox(), if there is one
 *	MESSAGE
 */
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/**
 * journal_open() - from now on lines of the log go to the journal
 * @path:	JOURNAL_SOCKET; copied
 *
 * A line that it does not take, because journald is being restarted or is slow, is written to the
 * descriptor of log_open() instead. Calling it again changes nothing. Returns 0, or -errno when
 * nobody answers there: then the log stays where it is.
 */
int journal_open(const char *path, struct err *e);

/* The log goes to the descriptor of log_open() again. */
void journal_close(void);
