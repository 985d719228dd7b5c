#include "tests/test.h"

#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "host/shim/pod_spec.h"
#include "oci/oci.h"

#define KIND(value) ",\"annotations\":{\"io.kubernetes.cri.container-type\":\"" value "\"}"

/* Judges a spec with these namespaces. */
static int judge(const char *namespaces, const char *more, struct err *e)
{
	auto_free char *text = str_printf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"},"
					  "\"linux\":{\"namespaces\":[%s]}%s}",
					  namespaces, more);
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	return pod_spec_check(spec, e);
}

#define ALL "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"network\"}"

TEST(a_pod_that_wants_what_is_the_hosts_is_refused_with_the_reason)
{
	struct err e = {0};

	CHECK_EQ(judge(ALL, KIND("sandbox"), NULL), 0);
	CHECK_EQ(judge(ALL, KIND("container"), NULL), 0);
	CHECK_EQ(judge("{\"type\":\"pid\"},{\"type\":\"ipc\"}", KIND("sandbox"), &e), -ENOTSUP);
	CHECK(strstr(e.text, "(hostNetwork): a pod in a virtual machine cannot have the host's "
			     "network") != NULL);
	err_clear(&e);
	CHECK_EQ(judge("{\"type\":\"ipc\"},{\"type\":\"network\"}", KIND("sandbox"), &e), -ENOTSUP);
	CHECK(strstr(e.text, "(hostPID)") != NULL);
	err_clear(&e);
	CHECK_EQ(judge("{\"type\":\"pid\"},{\"type\":\"network\"}", KIND("container"), &e),
		 -ENOTSUP);
	CHECK(strstr(e.text, "(hostIPC)") != NULL);
	/* Who is in no pod has what it asks for. */
	CHECK_EQ(judge("{\"type\":\"pid\"}", "", NULL), 0);
}

TEST(a_sandbox_is_known_by_either_engines_annotation)
{
	static const char *const texts[] = {
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\"}}",
		"{\"annotations\":{\"io.kubernetes.cri-o.ContainerType\":\"sandbox\"}}",
		"{\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\"}}",
		"{}",
	};

	for (size_t i = 0; i < 4; i++) {
		auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

		CHECK_EQ(oci_spec_parse(texts[i], strlen(texts[i]), &spec, NULL), 0);
		CHECK_EQ(pod_spec_is_sandbox(spec), i < 2);
	}
}
