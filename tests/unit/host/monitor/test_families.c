#include "tests/test.h"

#include <errno.h>

#include "host/monitor/families.h"

static char *print(const struct families *f)
{
	struct buf out;
	char *text;

	buf_init(&out, FAMILIES_MAX_BYTES);
	CHECK_EQ(families_print(f, &out), 0);
	CHECK_EQ(buf_append(&out, "", 1), 0);
	text = strdup((const char *) buf_data(&out));
	buf_fini(&out);
	return text;
}

static int add(struct families *f, const char *text, const char *id)
{
	return families_add(f, text, strlen(text), id);
}

TEST(each_family_stands_once_with_the_samples_of_all_pods)
{
	auto_ptr(families_free) struct families *f = families_new();

	CHECK_EQ(add(f, "# HELP a First.\n# TYPE a gauge\na 1\n# TYPE b counter\nb{x=\"y\"} 2\n",
		     "one"),
		 0);
	CHECK_EQ(add(f, "# TYPE b counter\nb 3\n# HELP a Other.\n# TYPE a gauge\na{z=\"w\"} 4",
		     "two"),
		 0);

	auto_free char *text = print(f);

	CHECK_STR(text,
		  "# HELP a First.\n# TYPE a gauge\na{sandbox_id=\"one\"} 1\n"
		  "a{sandbox_id=\"two\",z=\"w\"} 4\n"
		  "# TYPE b counter\nb{sandbox_id=\"one\",x=\"y\"} 2\nb{sandbox_id=\"two\"} 3\n");
}

TEST(a_histogram_keeps_its_suffixes_and_no_label_is_added_without_an_id)
{
	auto_ptr(families_free) struct families *f = families_new();

	CHECK_EQ(add(f,
		     "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\nh_other 3\n"
		     "# TYPE g gauge\ng_sum 1\ng 5\n",
		     NULL),
		 0);

	auto_free char *text = print(f);

	CHECK_STR(text, "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 2\nh_count 1\n"
			"# TYPE g gauge\ng 5\n");
}

TEST(a_pod_that_lies_changes_nothing_of_the_others)
{
	auto_ptr(families_free) struct families *f = families_new();

	CHECK_EQ(add(f, "# TYPE a gauge\na 1\n", "good"), 0);
	CHECK_EQ(add(f,
		     "a 9\n# TYPE a counter\na 9\n# TYPE b gauge\nb{sandbox_id=\"good\"} 9\nb 1\n"
		     "# TYPE b gauge\nb 9\na 9\nb{ 9\n# TYPE c gauge\n",
		     "bad"),
		 0);

	auto_free char *text = print(f);

	CHECK_STR(text, "# TYPE a gauge\na{sandbox_id=\"good\"} 1\n"
			"# TYPE b gauge\nb{sandbox_id=\"bad\"} 1\n");
}

TEST(there_are_at_most_so_many_families)
{
	auto_ptr(families_free) struct families *f = families_new();
	char text[64];

	for (int i = 0; i < FAMILIES_MAX; i++) {
		(void) snprintf(text, sizeof text, "# TYPE f%d gauge\nf%d 1\n", i, i);
		CHECK_EQ(add(f, text, "x"), 0);
	}
	CHECK_EQ(add(f, "# TYPE more gauge\nmore 1\n", "x"), -EMSGSIZE);
	CHECK_EQ(add(f, "# TYPE f0 gauge\nf0 1\n", "y"), 0);
}
