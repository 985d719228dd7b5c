#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Makes text of a guest, a VMM, a helper or a bundle safe for a sentence, a log or a terminal. Such
 * text may contain control sequences for the reader's terminal, lines without end, invisible
 * letters or letters that run backwards, and bytes that are no UTF-8.
 *
 * A plain character shows as itself: valid UTF-8, no control (C0, DEL, C1), no mark that changes
 * the direction of writing, not invisible. Everything that is not plain becomes a '?', vanishes, or
 * is written as an escape of JSON.
 */

/* Bytes of the UTF-8 character at @p with @left > 0 bytes behind it, *@ret its number. 0: it is
 * none (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF). */
size_t text_char(const void *p, size_t left, uint32_t *ret);

bool text_is_plain(uint32_t character);

/* Copies @bytes of @in to @out of @out_bytes, NUL-terminated and on one line: plain characters stay
 * whole, blanks become one space, escape sequences and other controls of ASCII vanish, the rest
 * becomes '?'. Returns its length. */
size_t text_printable(const char *in, size_t bytes, char *out, size_t out_bytes);

/* The same for a sentence or a path: blanks stay, and everything that is not plain becomes '?',
 * line breaks and tabs a space. */
size_t text_line(const char *in, size_t bytes, char *out, size_t out_bytes);

/* The last @max_lines lines of @in that have something printable, in order, joined by " | ". When
 * they do not fit, the beginning is cut off, and "..." says so. */
void text_last_lines(const char *in, size_t bytes, int max_lines, char *out, size_t out_bytes);

/* text_line() of each line of a table, which is cut after TEXT_LINE_MAX bytes. Freed by the caller;
 * NULL when out of memory. */
#define TEXT_LINE_MAX 4096
char *text_table(const char *in, size_t bytes);

/* Writes what stands for the first character of @in inside a string of JSON to @out, which has room
 * for TEXT_ESCAPE_BYTES: itself, or an escape; U+FFFD for what is no character. *@ret_bytes is how
 * much of @in that was. Returns its length. */
#define TEXT_ESCAPE_BYTES 12
size_t text_escape(const char *in, size_t bytes, char *out, size_t *ret_bytes);

/* A JSON document with the same meaning in which every character that is not plain is an escape,
 * except line breaks between its parts. Freed by the caller; NULL when out of memory. */
char *text_json(const char *json, size_t bytes);
