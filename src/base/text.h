#pragma once

#include <stddef.h>

/*
 * What a guest, a VMM or a helper wrote, made fit for a sentence. It may try anything: control sequences for
 * the terminal of whoever reads the log, lines without end, bytes that are no UTF-8.
 */

/* Copies @bytes of @in to @out of @out_bytes, NUL-terminated: printable ASCII stays, blanks become
 * one space, escape sequences and other controls vanish, the rest becomes '?'. Returns its length.
 */
size_t text_printable(const char *in, size_t bytes, char *out, size_t out_bytes);

/* The last @max_lines lines of @in that have something printable, in order, joined by " | ". When
 * they do not fit, the beginning is cut off, and "..." says so. */
void text_last_lines(const char *in, size_t bytes, int max_lines, char *out, size_t out_bytes);
