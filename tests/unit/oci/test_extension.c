#include "tests/test.h"

#include "oci/oci.h"

/* The path of the first extension in a document, "" for none. */
static const char *first(const char *text)
{
	static char path[128];
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	return oci_extension_find(&spec->base, path, sizeof path) ? path : "";
}

TEST(a_document_of_upstreams_fields_has_no_extension)
{
	CHECK_STR(
		first("{\"ociVersion\":\"1.2.0\",\"process\":{\"args\":[\"x\"],\"user\":{\"uid\":0}},"
		      "\"linux\":{\"resources\":{\"memory\":{\"limit\":1}}}}"),
		"");
}

TEST(an_extension_is_found_wherever_it_stands)
{
	CHECK_STR(first("{\"domainname\":\"d\"}"), "domainname");
	CHECK_STR(first("{\"process\":{\"user\":{\"uid\":0,\"umask\":0}}}"), "process.user.umask");
	CHECK_STR(first("{\"linux\":{\"resources\":{\"unified\":{\"a\":\"b\"}}}}"),
		  "linux.resources.unified");
	CHECK_STR(first("{\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"/b\","
			"\"uidMappings\":[{\"hostID\":1,\"containerID\":0,\"size\":1}]}]}"),
		  "mounts[1].uidMappings");
}

TEST(a_short_buffer_is_not_overrun)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	const char *text = "{\"linux\":{\"resources\":{\"unified\":{\"a\":\"b\"}}}}";
	char path[8] = "";

	CHECK_EQ(oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	CHECK(!oci_extension_find(&spec->base, path, sizeof path));
	CHECK(strlen(path) < sizeof path);
}
