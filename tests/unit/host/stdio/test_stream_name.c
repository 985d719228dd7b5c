#include "tests/test.h"

#include <errno.h>

#include "host/stdio/stream_name.h"

static int parse(const char *text, struct stream_name *ret)
{
	return stream_name_parse(text, ret, NULL);
}

static int result(const char *text)
{
	struct stream_name n;
	int r = parse(text, &n);

	stream_name_fini(&n);
	return r;
}

TEST(a_fifo_is_named_by_its_path_alone_or_not)
{
	struct stream_name n;

	CHECK_EQ(parse("/run/a%20b?c", &n), 0);
	CHECK_EQ(n.kind, STREAM_FIFO);
	CHECK_STR(n.path, "/run/a%20b?c");
	stream_name_fini(&n);
	CHECK_EQ(parse("fifo:///run/fifo", &n), 0);
	CHECK_EQ(n.kind, STREAM_FIFO);
	CHECK_STR(n.path, "/run/fifo");
	stream_name_fini(&n);
}

TEST(a_logger_has_its_arguments_behind_its_path)
{
	static const char *const want[] = {"id", "a b&", "empty", "", "last", "x=y", "%", "+"};
	struct stream_name n;

	CHECK_EQ(parse("binary:///opt/my%20logger?id=a+b%26&empty&&last=x=y&%25=%2b#end", &n), 0);
	CHECK_EQ(n.kind, STREAM_BINARY);
	CHECK_STR(n.path, "/opt/my logger");
	CHECK_EQ(n.n_args, 8);
	for (size_t i = 0; i < 6; i++)
		CHECK_STR(n.args[i], want[i]);
	CHECK_STR(n.args[6], "%");
	stream_name_fini(&n);
	CHECK_EQ(parse("binary-v2:///l", &n), 0);
	CHECK_EQ(n.kind, STREAM_BINARY_V2);
	CHECK_EQ(n.n_args, 0);
	stream_name_fini(&n);
}

TEST(what_is_no_name_is_refused)
{
	char many[1024] = "binary:///l?";

	CHECK_EQ(result("file://relative"), -EINVAL);
	CHECK_EQ(result("binary://"), -EINVAL);
	CHECK_EQ(result("binary:///a%2"), -EINVAL);
	CHECK_EQ(result("binary:///a%zz"), -EINVAL);
	CHECK_EQ(result("binary:///a?b=%00"), -EINVAL);
	CHECK_EQ(result("ttrpc+unix:///s?streaming_id=x"), 0);
	CHECK_EQ(result("ttrpc+unix:///s?streaming_id="), -EINVAL);
	CHECK_EQ(result("ttrpc+unix:///s?other=x"), -EINVAL);
	CHECK_EQ(result("grpc+unix:///s?streaming_id=x"), -ENOTSUP);
	CHECK_EQ(result("relative"), -ENOTSUP);
	CHECK_EQ(result(""), -ENOTSUP);
	for (int i = 0; i < 40; i++)
		strcat(many, "k=v&");
	CHECK_EQ(result(many), -E2BIG);
}
