#include "tests/test.h"

#include <errno.h>

#include "host/metrics/exposition.h"

static enum exposition_kind kind(const char *line)
{
	return exposition_read(line, strlen(line), "sandbox_id").kind;
}

TEST(lines_in_order_are_read)
{
	static const char line[] = "kata_guest_x{cpu=\"0\",item=\"a \\\"b\\\"\"} 1.5e+3";
	struct exposition_line l = exposition_read(line, strlen(line), NULL);

	CHECK_EQ(l.kind, EXPOSITION_SAMPLE);
	CHECK_EQ(l.name_bytes, strlen("kata_guest_x"));
	CHECK_EQ(l.labels_bytes, strlen("cpu=\"0\",item=\"a \\\"b\\\"\""));
	CHECK_EQ(l.rest_bytes, strlen("1.5e+3"));
	CHECK_EQ(kind("a 1"), EXPOSITION_SAMPLE);
	CHECK_EQ(kind("a{} NaN"), EXPOSITION_SAMPLE);
	CHECK_EQ(kind("a:b_total -7"), EXPOSITION_SAMPLE);
	CHECK_EQ(kind("# HELP a Any text."), EXPOSITION_HELP);
	CHECK_EQ(kind("# TYPE a gauge"), EXPOSITION_TYPE);
}

TEST(lines_out_of_order_are_not)
{
	static const char *const bad[] = {
		"",
		"a",
		"a ",
		"a b",
		"a 1 1700000000",
		"a  1",
		"1a 1",
		"a{ 1",
		"a{b} 1",
		"a{b=1} 1",
		"a{b=\"1} 1",
		"a{b=\"\\x\"} 1",
		"a{b=\"1\"c=\"2\"} 1",
		"a{b=\"1\",} 1",
		"a{b:c=\"1\"} 1",
		"a{sandbox_id=\"other\"} 1",
		"a{b=\"1\",sandbox_id=\"other\"} 1",
		"a{b=\"\t\"} 1",
		"a 0x10",
		"a 1e",
		"a 111111111111111111111111111111111111111111111",
		"#",
		"# comment",
		"# TYPE a",
		"# TYPE a gauges",
		"# TYPE 1 gauge",
		"# HELP a \033[2J",
		"\xc3\xa4 1",
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_EQ(kind(bad[i]) * 1000 + (long) i, (long) i);
}

TEST(a_guest_can_only_tell_of_its_own_families)
{
	static const char text[] =
		"# HELP kata_guest_a A.\n# TYPE kata_guest_a gauge\n"
		"kata_guest_a 1\nkata_shim_threads 99\n# TYPE kata_shim_x gauge\n"
		"broken{ 1\n\nkata_agent_b 2";
	static const char *const prefixes[] = {"kata_guest_", "kata_agent_", NULL};
	struct buf out;

	buf_init(&out, 4096);
	CHECK_EQ(exposition_copy(text, strlen(text), prefixes, &out), 0);
	CHECK_EQ(buf_append(&out, "", 1), 0);
	CHECK_STR(
		(const char *) buf_data(&out),
		"# HELP kata_guest_a A.\n# TYPE kata_guest_a gauge\nkata_guest_a 1\nkata_agent_b 2\n");
	buf_fini(&out);
	buf_init(&out, 30);
	CHECK_EQ(exposition_copy(text, strlen(text), prefixes, &out), -EMSGSIZE);
	buf_fini(&out);
}
