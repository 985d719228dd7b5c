#include "tests/test.h"

#include "oci/features.h"
#include "oci/names.h"

TEST(every_promised_mount_option_is_understood)
{
	for (size_t i = 0; i < n_feature_mount_options; i++) {
		struct oci_mount_options o = {0};
		char *word = (char *) feature_mount_options[i];

		CHECK_EQ(oci_mount_options_parse(&word, 1, &o, NULL), 0);
		CHECK_STR(o.data ? o.data : "", "");
		oci_mount_options_fini(&o);
	}
}

TEST(every_promised_seccomp_action_is_known)
{
	for (size_t i = 0; i < n_feature_seccomp_actions; i++) {
		uint32_t action;

		CHECK(oci_seccomp_action(feature_seccomp_actions[i], &action));
	}
}
