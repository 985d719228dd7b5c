#include "oci/oci.h"
#include "tests/test.h"

static void printed(const struct oci_state *state, const char *want)
{
	auto_free char *text = NULL;

	CHECK_EQ(oci_state_print(state, &text, NULL), 0);
	CHECK_STR(text, want);
}

TEST(hooks_get_what_the_specification_asks_for)
{
	Grpc__Spec__AnnotationsEntry a = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT;
	Grpc__Spec__AnnotationsEntry b = GRPC__SPEC__ANNOTATIONS_ENTRY__INIT;
	Grpc__Spec__AnnotationsEntry *list[] = {&a, &b};
	Grpc__Spec spec = GRPC__SPEC__INIT;
	char key[] = "my\"Key", value[] = "a\nb\x01";
	const struct oci_state state = {
		.id = "c1", .status = OCI_CREATED, .pid = 4422, .bundle = "/b", .spec = &spec};

	a.key = key;
	a.value = value;
	spec.annotations = list;
	spec.n_annotations = 2;
	printed(&state,
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"created\",\"pid\":4422,"
		"\"bundle\":\"/b\",\"annotations\":{\"my\\\"Key\":\"a\\nb\\u0001\",\"\":\"\"}}");
}

TEST(a_stopped_container_has_no_pid)
{
	const struct oci_state state = {.id = "c1", .status = OCI_STOPPED, .bundle = "/b"};

	printed(&state,
		"{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"stopped\",\"bundle\":\"/b\"}");
}

TEST(the_state_command_adds_what_runc_adds)
{
	const struct oci_state state = {.id = "c1",
					.status = OCI_STOPPED,
					.bundle = "/b",
					.rootfs = "/b/rootfs",
					.created = "2026-01-02T03:04:05.000000006Z",
					.owner = ""};

	printed(&state, "{\"ociVersion\":\"1.2.0\",\"id\":\"c1\",\"status\":\"stopped\",\"pid\":0,"
			"\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
			"\"created\":\"2026-01-02T03:04:05.000000006Z\",\"owner\":\"\"}");
}

TEST(every_status_has_a_word)
{
	CHECK_STR(oci_status_name(OCI_CREATING), "creating");
	CHECK_STR(oci_status_name(OCI_RUNNING), "running");
	CHECK_STR(oci_status_name(OCI_PAUSED), "paused");
	CHECK_STR(oci_status_name(OCI_STATUS_MAX), "unknown");
}
