/*
 * config.json: whatever is accepted must survive being judged, printed and read again, and come
 * back the same.
 */
#include <stdint.h>
#include <stdlib.h>

#include "oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void require(bool x)
{
	if (!x)
		abort();
}

static void print_and_read_again(const Grpc__Spec *spec)
{
	auto_ptr(oci_spec_free) Grpc__Spec *again = NULL;
	auto_free char *text = NULL;
	size_t n = grpc__spec__get_packed_size(spec);
	auto_free uint8_t *a = malloc(n + 1), *b = malloc(n + 1);

	require(a && b);
	require(oci_spec_print(spec, &text, NULL) == 0);
	if (strlen(text) > OCI_DOCUMENT_MAX_BYTES)
		return;
	require(oci_spec_parse(text, strlen(text), &again, NULL) == 0);
	require(grpc__spec__get_packed_size(again) == n);
	(void) grpc__spec__pack(spec, a);
	(void) grpc__spec__pack(again, b);
	require(memcmp(a, b, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	auto_ptr(oci_process_free) Grpc__Process *process = NULL;
	auto_ptr(oci_resources_free) Grpc__LinuxResources *resources = NULL;
	const char *text = (const char *) data;
	struct err e = {0};

	if (oci_spec_parse(text, bytes, &spec, &e) == 0) {
		const struct oci_state state = {.id = "c", .bundle = "/b", .spec = spec};
		auto_free char *printed = NULL;

		(void) oci_spec_check(spec, &e);
		require(oci_state_print(&state, &printed, NULL) == 0);
		print_and_read_again(spec);
	} else {
		require(e.code > 0 && e.text[0]);
	}
	if (oci_process_parse(text, bytes, &process, NULL) == 0)
		(void) oci_process_check(process, NULL);
	if (oci_resources_parse(text, bytes, &resources, NULL) == 0)
		(void) oci_resources_check(resources, NULL);
	return 0;
}
