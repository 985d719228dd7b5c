#include "tests/test.h"

#include <fcntl.h>
#include <sys/prctl.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/privilege.h"

static unsigned long long status_field(const char *name)
{
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, "/proc/self/status", 1 << 16, &text, NULL, NULL), 0);

	const char *at = strstr(text, name);

	CHECK(at);
	return strtoull(at + strlen(name), NULL, 16);
}

TEST(only_what_is_kept_is_left)
{
	unsigned long long had = status_field("CapPrm:");

	if (!(had & PRIVILEGE(CAP_SETPCAP)))
		exit(TEST_SKIP);
	CHECK_EQ(privilege_limit(PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_FOWNER), NULL), 0);
	CHECK_EQ(status_field("CapBnd:"), PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_FOWNER));
	CHECK_EQ(status_field("CapPrm:"), PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_FOWNER));
	CHECK_EQ(status_field("CapEff:"), PRIVILEGE(CAP_CHOWN) | PRIVILEGE(CAP_FOWNER));
}

TEST(nothing_kept_leaves_nothing_and_can_be_said_twice)
{
	if (!(status_field("CapPrm:") & PRIVILEGE(CAP_SETPCAP)))
		exit(TEST_SKIP);
	CHECK_EQ(privilege_limit(0, NULL), 0);
	CHECK_EQ(privilege_limit(0, NULL), 0);
	CHECK_EQ(status_field("CapBnd:"), 0);
	CHECK_EQ(status_field("CapPrm:"), 0);
}

TEST(a_seal_cannot_be_broken)
{
	CHECK_EQ(privilege_seal(NULL), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}
