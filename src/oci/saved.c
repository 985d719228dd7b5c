#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "oci/oci.h"

/* The limit of a document, and what the printer's escapes may add to it. */
#define SAVED_MAX_BYTES (4 * OCI_DOCUMENT_MAX_BYTES)

int oci_spec_save(int dirfd, const Grpc__Spec *spec, struct err *e)
{
	auto_free char *text = NULL;
	int r = oci_spec_print(spec, &text, e);

	if (r == 0)
		r = file_replace(dirfd, OCI_SAVED_NAME, text, strlen(text), 0600, e);
	return err_wrap(e, r, "save the checked spec");
}

int oci_spec_saved(int dirfd, Grpc__Spec **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t bytes;
	int r = file_read_regular(dirfd, OCI_SAVED_NAME, SAVED_MAX_BYTES, &text, &bytes, e);

	if (r == 0)
		r = oci_spec_parse(text, bytes, ret, e);
	return err_wrap(e, r, "read the saved spec");
}
