#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "host/storage/direct_volume.h"
#include "tests/test.h"

#define SAID "{\"volume-type\": \"block\", \"device\": \"/dev/x\", \"fstype\": \"ext4\"}"

static int parse(const char *json, struct err *e)
{
	struct direct_volume v;
	int r = direct_volume_parse(json, strlen(json), &v, e);

	direct_volume_fini(&v);
	return r;
}

TEST(a_mount_info_is_read_as_upstream_writes_it)
{
	static const char json[] =
		"{\"volume-type\": \"directvol\", \"device\": \"/dev/sdx\", \"fstype\": \"xfs\", "
		"\"options\": [\"discard\", \"ro\"], \"metadata\": {\"fsGroup\": \"1000\", "
		"\"fsGroupChangePolicy\": \"OnRootMismatch\"}}";
	struct direct_volume v;

	CHECK_EQ(direct_volume_parse(json, strlen(json), &v, NULL), 0);
	CHECK_STR(v.device, "/dev/sdx");
	CHECK_STR(v.fstype, "xfs");
	CHECK_EQ(v.n_options, 2);
	CHECK_STR(v.options[1], "ro");
	CHECK(v.has_group && v.on_mismatch);
	CHECK_EQ(v.gid, 1000);
	direct_volume_fini(&v);
	CHECK_EQ(direct_volume_parse(SAID, strlen(SAID), &v, NULL), 0);
	CHECK(!v.has_group && v.n_options == 0);
	direct_volume_fini(&v);
}

TEST(what_is_wrong_in_a_mount_info_is_named)
{
	static const struct {
		const char *json, *sentence;
		int code;
	} cases[] = {
		{"", "is JSON", -EINVAL},
		{"[]", "'mount info' is not an object", -EINVAL},
		{"{}", "'volume-type' is not a string", -EINVAL},
		{"{\"volume-type\": \"vfiovol\"}", "'vfiovol' is not supported", -ENOTSUP},
		{"{\"volume-type\": \"block\"}", "'device' is not", -EINVAL},
		{"{\"volume-type\": \"block\", \"device\": \"x\"}", "'device' is not an absolute",
		 -EINVAL},
		{"{\"volume-type\": \"block\", \"device\": \"/x\", \"fstype\": \"\"}",
		 "'fstype' is not", -EINVAL},
		{"{\"volume-type\": \"block\", \"device\": \"/x\", \"fstype\": \"a\", \"options\": 1}",
		 "'options' is not a list", -EINVAL},
		{"{\"volume-type\": \"block\", \"device\": \"/x\", \"fstype\": \"a\", "
		 "\"metadata\": {\"fsGroup\": \"4294967295\"}}",
		 "'metadata.fsGroup' is not", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};

		CHECK_EQ(parse(cases[i].json, &e), cases[i].code);
		CHECK(strstr(e.text, cases[i].sentence));
	}
}

TEST(a_volume_is_what_was_said_last_until_it_is_forgotten)
{
	char base[] = "/tmp/kata-direct-XXXXXX";
	struct direct_volume v;
	auto_free char *id = NULL;

	CHECK(mkdtemp(base));
	CHECK(!direct_volume_exists(base, "/a"));
	CHECK_EQ(direct_volume_remove(base, "/a", NULL), 0);
	CHECK_EQ(direct_volume_add(base, "/a", "{}", NULL), -EINVAL);
	CHECK(!direct_volume_exists(base, "/a"));
	CHECK_EQ(direct_volume_add(base, "/a", SAID, NULL), 0);
	CHECK(direct_volume_exists(base, "/a"));
	CHECK(!direct_volume_exists(base, "/a/"));
	CHECK_EQ(direct_volume_read(base, "/a", &v, NULL), 0);
	CHECK_STR(v.device, "/dev/x");
	direct_volume_fini(&v);

	CHECK_EQ(direct_volume_sandbox(base, "/a", &id, NULL), -ENOENT);
	CHECK_EQ(direct_volume_note(base, "/a", "one", NULL), 0);
	CHECK_EQ(direct_volume_note(base, "/a", "two", NULL), 0);
	CHECK_EQ(direct_volume_note(base, "/a", "two", NULL), 0);
	CHECK_EQ(direct_volume_sandbox(base, "/a", &id, NULL), 0);
	CHECK_STR(id, "two");
	/* Its note would be in the place of what was said. */
	CHECK_EQ(direct_volume_note(base, "/a", "mountInfo.json", NULL), -EINVAL);
	CHECK_EQ(direct_volume_read(base, "/a", &v, NULL), 0);
	direct_volume_fini(&v);
	CHECK_EQ(direct_volume_remove(base, "/a", NULL), 0);
	CHECK(!direct_volume_exists(base, "/a"));
	CHECK_EQ(rmdir(base), 0);
}

TEST(what_a_sandbox_is_posted_says_a_path_and_a_size)
{
	static const struct {
		const char *json, *sentence;
	} cases[] = {
		{"{\"Size\": 5}", "'VolumePath' is not an absolute path"},
		{"{\"VolumePath\": \"x\", \"Size\": 5}", "'VolumePath' is not an absolute path"},
		{"{\"VolumePath\": \"/x\"}", "'Size' is not a number of bytes"},
		{"{\"VolumePath\": \"/x\", \"Size\": 0}", "'Size' is not a number of bytes"},
		{"{\"VolumePath\": \"/x\", \"Size\": -5}", "'Size' is not a number of bytes"},
		{"{\"VolumePath\": \"/x\", \"Size\": 5.5}", "'Size' is not a number of bytes"},
		{"{\"VolumePath\": \"/x\", \"Size\": 99999999999999999999}", "this is no JSON"},
		{"5", "this is no JSON"},
		{"[5]", "'VolumePath'"},
		{"", "this is no JSON"},
	};
	auto_free char *path = NULL, *text = NULL;
	uint64_t bytes = 0;

	CHECK_EQ(direct_volume_print_resize("/a\"b", 1ULL << 40, &text, NULL), 0);
	CHECK_STR(text, "{\"VolumePath\":\"/a\\\"b\",\"Size\":1099511627776}");
	CHECK_EQ(direct_volume_parse_resize(text, strlen(text), &path, &bytes, NULL), 0);
	CHECK_STR(path, "/a\"b");
	CHECK_EQ(bytes, 1ULL << 40);
	CHECK_EQ(direct_volume_print_resize("/a", UINT64_MAX, &(char *){NULL}, NULL), -EINVAL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *none = NULL;
		struct err e = {0};

		CHECK_EQ(direct_volume_parse_resize(cases[i].json, strlen(cases[i].json), &none,
						    &bytes, &e),
			 -EINVAL);
		CHECK(strstr(e.text, cases[i].sentence));
	}
}

/* As `printf %s PATH | basenc --base64url` says. */
TEST(the_folder_of_a_volume_is_its_path_in_base64url)
{
	static const char *const cases[][2] = {
		{"/", "Lw=="},
		{"/a", "L2E="},
		{"/ab", "L2Fi"},
		{"/var/lib/kubelet/pods/x~/\377\376?>", "L3Zhci9saWIva3ViZWxldC9wb2RzL3h-L__-Pz4="},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *place = direct_volume_guest_place(cases[i][0]);

		CHECK_STR(strrchr(place, '/') + 1, cases[i][1]);
	}
	CHECK(!direct_volume_guest_place(""));
}
