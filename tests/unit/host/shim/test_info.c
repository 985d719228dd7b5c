#include "tests/test.h"

#include <fcntl.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/version.h"
#include "host/shim/info.h"
#include "introspection.pb-c.h"
#include "oci/features.h"
#include "ttrpc/ttrpc.h"

typedef Containerd__Types__RuntimeInfo info_message;

/* What -info answers to @bytes of @in, in *@ret; returns what it returns. */
static int ask(const void *in, size_t bytes, info_message **ret, struct err *e)
{
	auto_free char *data = NULL;
	size_t n = 0;
	ProtobufCMessage *m = NULL;
	int input[2], output[2];

	CHECK_EQ(pipe2(input, O_CLOEXEC), 0);
	CHECK_EQ(pipe2(output, O_CLOEXEC), 0);
	CHECK_EQ(fd_write_all(input[1], in, bytes), 0);
	fd_close(input[1]);

	int r = shim_info(input[0], output[1], e);

	fd_close(input[0]);
	fd_close(output[1]);
	CHECK_EQ(file_read_fd(output[0], "the answer", 1 << 20, &data, &n, NULL), 0);
	fd_close(output[0]);
	if (r < 0) {
		CHECK_EQ(n, 0);
		return r;
	}
	CHECK_EQ(ttrpc_unpack(&containerd__types__runtime_info__descriptor, data, n, &m, NULL), 0);
	*ret = (info_message *) m;
	return 0;
}

TEST(the_features_are_those_that_kata_runtime_prints)
{
	auto_free char *features = NULL;
	info_message *info = NULL;

	CHECK_EQ(oci_features_print(&features, NULL), 0);
	CHECK_EQ(ask("", 0, &info, NULL), 0);
	CHECK_STR(info->name, "io.containerd.kata.v2");
	CHECK_STR(info->version->version, version_number());
	CHECK_STR(info->version->revision, version_commit());
	CHECK(!info->options);
	CHECK_STR(info->features->type_url,
		  "types.containerd.io/opencontainers/runtime-spec/1/features/Features");
	CHECK_EQ(info->features->value.len, strlen(features));
	CHECK(memcmp(info->features->value.data, features, strlen(features)) == 0);
	containerd__types__runtime_info__free_unpacked(info, NULL);
}

TEST(the_mounts_that_are_told_are_those_that_are_made)
{
	info_message *info = NULL;

	CHECK_EQ(ask("", 0, &info, NULL), 0);
	CHECK_EQ(info->n_annotations, 1);
	CHECK_STR(info->annotations[0]->key, "containerd.io/runtime-allow-mounts");
	CHECK_STR(info->annotations[0]->value, "bind,overlay,erofs,format/*,mkdir/*,mkfs/*");
	containerd__types__runtime_info__free_unpacked(info, NULL);
}

TEST(the_options_are_told_back)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	uint8_t packed[64];
	info_message *info = NULL;

	any.type_url = (char *) "runtimeoptions.v1.Options";
	any.value = (ProtobufCBinaryData){3, (uint8_t *) "\x12\x01x"};
	CHECK_EQ(ask(packed, protobuf_c_message_pack(&any.base, packed), &info, NULL), 0);
	CHECK_STR(info->options->type_url, "runtimeoptions.v1.Options");
	CHECK_EQ(info->options->value.len, 3);
	containerd__types__runtime_info__free_unpacked(info, NULL);
}

TEST(an_input_that_is_no_options_is_refused_and_nothing_is_answered)
{
	info_message *info = NULL;
	struct err e = {0};

	CHECK_EQ(ask("\xff\xff garbage", 10, &info, &e), -EINVAL);
	CHECK(strstr(e.text, "read the runtime's options"));
}
