#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/*
 * Reads metrics that somebody else has written, in Prometheus' exposition format 0.0.4 as
 * base/metrics.h writes it, and passes on what is in order.
 *
 * Whom it distrusts: the writer. A guest must not tell of families that are the host's, a pod not
 * of another pod's, and neither may break the text that others' metrics stand in. So each line is
 * read and judged; one that is not understood is left out.
 */
enum exposition_kind {
	EXPOSITION_NONE, /* empty, or not in order */
	EXPOSITION_HELP,
	EXPOSITION_TYPE,
	EXPOSITION_SAMPLE,
};

/* All point into the line. */
struct exposition_line {
	enum exposition_kind kind;
	const char *name; /* of a family, or of a sample: that may have a suffix */
	size_t name_bytes;
	const char *labels; /* what is between the braces; no bytes: none */
	size_t labels_bytes;
	const char *rest; /* the help, the type, or the number */
	size_t rest_bytes;
};

/* Reads the line @text of @bytes, which has no newline. Letters other than ASCII's, timestamps and
 * a label called @forbidden_label (may be NULL) are not in order. */
struct exposition_line exposition_read(const char *text, size_t bytes, const char *forbidden_label);

/* Copies to @out the lines about families whose names begin with one of @prefixes, which ends with
 * NULL. Returns 0, or -EMSGSIZE or -ENOMEM when @out has no more room. */
int exposition_copy(const char *text, size_t bytes, const char *const *prefixes, struct buf *out);
