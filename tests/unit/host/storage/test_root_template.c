#include "tests/test.h"

#include <errno.h>
#include <string.h>

#include "base/auto.h"
#include "host/storage/root_template.h"

static const char *const places[] = {"/a", "/b", "/c"};

static void becomes(const char *text, const char *want)
{
	auto_free char *got = NULL;

	CHECK_EQ(root_template_expand(text, places, 3, &got, NULL), 0);
	CHECK_STR(got, want);
}

static void is_refused(const char *text, int code, const char *sentence)
{
	char *got = NULL;
	struct err e = {0};

	CHECK_EQ(root_template_expand(text, places, 3, &got, &e), -code);
	CHECK(!got);
	CHECK_STR(e.text, sentence);
}

TEST(text_without_templates_stays)
{
	becomes("", "");
	becomes("lowerdir=/x:{y}", "lowerdir=/x:{y}");
}

TEST(mount_is_the_place_of_an_entry)
{
	becomes("{{ mount 0 }}", "/a");
	becomes("upperdir={{mount 2}}/upper", "upperdir=/c/upper");
	becomes("{{ mount 0 }}:{{ mount 1 }}", "/a:/b");
}

TEST(overlay_lists_the_places_in_either_order)
{
	becomes("lowerdir={{ overlay 0 2 }}", "lowerdir=/a:/b:/c");
	becomes("{{ overlay 2 0 }}", "/c:/b:/a");
	becomes("{{ overlay 1 1 }}", "/b");
}

TEST(what_is_no_template_is_refused)
{
	is_refused("{{ mount 3 }}", EINVAL, "there is no mount 3 before this one");
	is_refused("{{ overlay 0 3 }}", EINVAL, "there is no mount 3 before this one");
	is_refused("{{ mount }}", EINVAL, "'{{ mount }}' is no template");
	is_refused("{{ mount 0 1 }}", EINVAL, "'{{ mount 0 1 }}' is no template");
	is_refused("{{ mount -1 }}", EINVAL, "'{{ mount -1 }}' is no template");
	is_refused("{{ mount 1x }}", EINVAL, "'{{ mount 1x }}' is no template");
	is_refused("{{ mount 99999999999999999999 }}", EINVAL,
		   "'{{ mount 99999999999999999999 }}' is no template");
	is_refused("{{ overlay 0 1 2 }}", EINVAL, "'{{ overlay 0 1 2 }}' is no template");
	is_refused("{{}}", EINVAL, "'{{}}' is no template");
	is_refused("{{ a_word_that_is_much_too_long 0 }}", EINVAL,
		   "'{{ a_word_that_is_much_too_long 0 }}' is no template");
	is_refused("x{{ mount 0", EINVAL, "'{{ mount 0' does not end with '}}'");
	is_refused("{{ source 0 }}", ENOTSUP, "'{{ source 0 }}' names a file of the host");
}
