#include "tests/test.h"

#include <errno.h>

#include "base/array.h"
#include "base/metrics.h"

static const char *text_of(struct metrics *m)
{
	CHECK_EQ(buf_append(&m->text, "", 1), 0);
	return (const char *) buf_data(&m->text);
}

TEST(families_and_samples_are_written_as_prometheus_reads_them)
{
	const struct metrics_label labels[] = {{"disk", "a\"b\\c\nd"}, {"item", "reads"}};
	struct metrics m;

	metrics_init(&m);
	m.prefix = "kata_guest";
	metrics_family(&m, "diskstat", "gauge", "Disks.");
	metrics_sample(&m, "diskstat", labels, ARRAY_LEN(labels), "1.5");
	metrics_item(&m, "diskstat", "writes", 18446744073709551615U);
	m.prefix = "kata_agent";
	metrics_single(&m, "threads", "gauge", "Threads.", 3);
	CHECK_EQ(metrics_end(&m), 0);
	CHECK_STR(text_of(&m), "# HELP kata_guest_diskstat Disks.\n"
			       "# TYPE kata_guest_diskstat gauge\n"
			       "kata_guest_diskstat{disk=\"a\\\"b\\\\c\\nd\",item=\"reads\"} 1.5\n"
			       "kata_guest_diskstat{item=\"writes\"} 18446744073709551615\n"
			       "# HELP kata_agent_threads Threads.\n"
			       "# TYPE kata_agent_threads gauge\n"
			       "kata_agent_threads 3\n");
	buf_fini(&m.text);
}

TEST(what_does_not_fit_is_left_out_as_a_whole_and_told)
{
	char label[2000];
	struct metrics m;

	memset(label, '"', sizeof label - 1);
	label[sizeof label - 1] = '\0';
	metrics_init(&m);
	m.prefix = "p";
	metrics_item(&m, "x", label, 1);
	CHECK_EQ(metrics_end(&m), -EMSGSIZE);
	CHECK_EQ(buf_len(&m.text), 0);

	metrics_init(&m);
	m.prefix = "p";
	while (metrics_end(&m) == 0)
		metrics_item(&m, "x", "item", 1);
	CHECK(buf_len(&m.text) <= METRICS_MAX_BYTES);
	CHECK_EQ(buf_data(&m.text)[buf_len(&m.text) - 1], '\n');
	buf_fini(&m.text);
}

TEST(a_process_has_the_items_that_upstream_names)
{
	static const char *const items[] = {
		"\nkata_shim_threads 1\n",
		"\nkata_shim_proc_status{item=\"vmrss\"} ",
		"\nkata_shim_proc_status{item=\"rssanon\"} ",
		"\nkata_shim_proc_status{item=\"nonvoluntary_ctxt_switches\"} ",
		"\nkata_shim_proc_stat{item=\"cutime\"} ",
		"\nkata_shim_io_stat{item=\"cancelledwritebytes\"} ",
		"\nkata_shim_fds ",
	};
	struct metrics m;

	metrics_init(&m);
	m.prefix = "kata_shim";
	metrics_process(&m, getpid());
	metrics_descriptors(&m, getpid());

	const char *text = text_of(&m), *rss = strstr(text, items[1]);

	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		if (!strstr(text, items[i]))
			test_fail(__FILE__, __LINE__, "%s is missing", items[i]);
	/* Bytes, and not the kernel's kilobytes. */
	CHECK(rss && atol(rss + strlen(items[1])) > 100000);
	CHECK_EQ(atol(rss + strlen(items[1])) % 1024, 0);
	buf_fini(&m.text);
}

TEST(a_process_that_is_gone_leaves_its_families_out)
{
	struct metrics m;

	metrics_init(&m);
	metrics_process(&m, 0x7ffffff0);
	metrics_descriptors(&m, 0x7ffffff0);
	CHECK_EQ(buf_len(&m.text), 0);
	buf_fini(&m.text);
}
