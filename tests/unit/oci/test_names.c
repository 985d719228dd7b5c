#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "base/array.h"
#include "base/auto.h"
#include "oci/names.h"
#include "tests/test.h"

TEST(capabilities_have_the_numbers_of_the_kernel)
{
	CHECK_EQ(oci_cap_number("CAP_CHOWN"), 0);
	CHECK_EQ(oci_cap_number("CAP_SYS_ADMIN"), 21);
	CHECK_EQ(oci_cap_number("CAP_CHECKPOINT_RESTORE"), 40);
	CHECK_EQ(oci_cap_number("SYS_ADMIN"), -1);
	CHECK_EQ(oci_cap_number("CAP_"), -1);
	CHECK_STR(oci_cap_name(21), "CAP_SYS_ADMIN");
	CHECK(oci_cap_name(-1) == NULL);
	CHECK(oci_cap_name(64) == NULL);
	for (int i = 0; i <= 40; i++)
		CHECK_EQ(oci_cap_number(oci_cap_name(i)), i);
}

TEST(every_rlimit_has_a_name)
{
	for (int i = 0; i < RLIM_NLIMITS; i++)
		CHECK_EQ(oci_rlimit_number(oci_rlimit_name(i)), i);
	CHECK_EQ(oci_rlimit_number("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	CHECK_EQ(oci_rlimit_number("NOFILE"), -1);
	CHECK(oci_rlimit_name(-1) == NULL);
}

TEST(namespaces_have_types_flags_and_files)
{
	CHECK_EQ(oci_namespace_flag("mount"), CLONE_NEWNS);
	CHECK_EQ(oci_namespace_flag("network"), CLONE_NEWNET);
	CHECK_EQ(oci_namespace_flag("time"), CLONE_NEWTIME);
	CHECK_EQ(oci_namespace_flag("net"), 0);
	CHECK_STR(oci_namespace_type(CLONE_NEWNS), "mount");
	CHECK_STR(oci_namespace_file(CLONE_NEWNS), "mnt");
	CHECK_STR(oci_namespace_file(CLONE_NEWCGROUP), "cgroup");
	CHECK(oci_namespace_type(0) == NULL);
}

TEST(signals_are_understood_as_people_write_them)
{
	CHECK_EQ(oci_signal_number("15"), SIGTERM);
	CHECK_EQ(oci_signal_number("TERM"), SIGTERM);
	CHECK_EQ(oci_signal_number("SIGTERM"), SIGTERM);
	CHECK_EQ(oci_signal_number("sigkill"), SIGKILL);
	CHECK_EQ(oci_signal_number("CLD"), SIGCHLD);
	CHECK_EQ(oci_signal_number("0"), 0);
	CHECK_EQ(oci_signal_number("64"), 64);
	CHECK_EQ(oci_signal_number("SIGRTMIN"), 34);
	CHECK_EQ(oci_signal_number("SIGRTMIN+3"), 37);
	CHECK_EQ(oci_signal_number("RTMAX-1"), 63);
	CHECK_EQ(oci_signal_number("RTMAX-30"), 34);
}

TEST(what_is_no_signal_is_not_taken_for_one)
{
	static const char *const bad[] = {
		"",
		"65",
		"-1",
		"SIG",
		"SIGSIGTERM",
		"TERM ",
		"1x",
		"RTMIN+",
		"RTMIN+31",
		"RTMIN-1",
		"RTMAX+1",
		"RTMIN+-1",
		"99999999999999999999",
		"SIGAVERYLONGNAMEINDEED",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (oci_signal_number(bad[i]) != -1)
			test_fail(__FILE__, __LINE__, "'%s' is taken for a signal", bad[i]);
}

TEST(every_signal_has_a_name_that_reads_back)
{
	char buf[OCI_SIGNAL_NAME_BYTES];

	for (int i = 1; i <= 64; i++)
		CHECK_EQ(oci_signal_number(oci_signal_name(i, buf)), i);
	CHECK_STR(oci_signal_name(SIGABRT, buf), "SIGABRT");
	CHECK_STR(oci_signal_name(37, buf), "SIGRTMIN+3");
	CHECK_STR(oci_signal_name(99, buf), "99");
}

TEST(words_of_the_process_have_numbers)
{
	CHECK_EQ(oci_scheduler_policy("SCHED_OTHER"), 0);
	CHECK_EQ(oci_scheduler_policy("SCHED_DEADLINE"), 6);
	CHECK_EQ(oci_scheduler_policy("OTHER"), -1);
	CHECK_EQ(oci_scheduler_flag("SCHED_FLAG_UTIL_CLAMP_MAX"), 0x40);
	CHECK_EQ(oci_scheduler_flag(""), -1);
	CHECK_EQ(oci_ioprio_class("IOPRIO_CLASS_IDLE"), 3);
	CHECK_EQ(oci_ioprio_class("IDLE"), -1);
	CHECK_EQ(oci_personality("LINUX"), 0);
	CHECK_EQ(oci_personality("LINUX32"), 8);
	CHECK_EQ(oci_personality("BSD"), -1);
}

TEST(words_of_seccomp_have_the_numbers_of_the_kernel)
{
	uint32_t n = 1;

	CHECK(oci_seccomp_action("SCMP_ACT_KILL_PROCESS", &n));
	CHECK_EQ(n, SECCOMP_RET_KILL_PROCESS);
	CHECK(oci_seccomp_action("SCMP_ACT_KILL", &n));
	CHECK_EQ(n, SECCOMP_RET_KILL_THREAD);
	CHECK(oci_seccomp_operator("SCMP_CMP_MASKED_EQ", &n));
	CHECK_EQ(n, 7);
	CHECK(oci_seccomp_arch("SCMP_ARCH_X86_64", &n));
	CHECK_EQ(n, AUDIT_ARCH_X86_64);
	CHECK(oci_seccomp_flag("SECCOMP_FILTER_FLAG_SPEC_ALLOW", &n));
	CHECK_EQ(n, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	CHECK(!oci_seccomp_action("SCMP_ACT_NONE", &n));
	CHECK(!oci_seccomp_arch("", &n));
}

static struct oci_mount_options parsed(const char *words)
{
	char copy[256], *list[32], *save;
	size_t n = 0;
	struct oci_mount_options o;

	strcpy(copy, words);
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		list[n++] = w;
	CHECK_EQ(oci_mount_options_parse(list, n, &o, NULL), 0);
	return o;
}

TEST(mount_words_become_flags)
{
	struct oci_mount_options o = parsed("nosuid noexec nodev ro relatime");

	CHECK_EQ(o.flags, MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY | MS_RELATIME);
	CHECK_EQ(o.cleared, 0);
	CHECK(o.data == NULL);
}

TEST(the_last_word_on_a_flag_wins)
{
	struct oci_mount_options o = parsed("ro rw");

	CHECK_EQ(o.flags, 0);
	CHECK_EQ(o.cleared, MS_RDONLY);
	o = parsed("rw ro suid");
	CHECK_EQ(o.flags, MS_RDONLY);
	CHECK_EQ(o.cleared, MS_NOSUID);
}

TEST(a_recursive_bind_is_told_from_a_plain_one)
{
	CHECK_EQ(parsed("bind").flags, MS_BIND);
	CHECK_EQ(parsed("rbind").flags, MS_BIND | MS_REC);
}

TEST(propagation_words_stay_in_order)
{
	struct oci_mount_options o = parsed("rslave shared");

	CHECK_EQ(o.n_propagation, 2);
	CHECK_EQ(o.propagation[0], MS_SLAVE | MS_REC);
	CHECK_EQ(o.propagation[1], MS_SHARED);
	CHECK_EQ(o.flags, 0);
	CHECK_EQ(oci_propagation_flags("runbindable"), MS_UNBINDABLE | MS_REC);
	CHECK_EQ(oci_propagation_flags("ro"), 0);
}

TEST(too_many_propagation_words_are_refused)
{
	char word[] = "slave";
	char *list[9] = {word, word, word, word, word, word, word, word, word};
	struct oci_mount_options o;

	CHECK_EQ(oci_mount_options_parse(list, 9, &o, NULL), -EINVAL);
}

TEST(recursive_words_become_attributes)
{
	struct oci_mount_options o = parsed("rbind rro rnosuid");

	CHECK_EQ(o.rec_attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	CHECK_EQ(o.rec_attr_clear, 0);
	CHECK_EQ(o.flags, MS_BIND | MS_REC);
	o = parsed("rro rrw");
	CHECK_EQ(o.rec_attr_set, 0);
	CHECK_EQ(o.rec_attr_clear, MOUNT_ATTR_RDONLY);
}

TEST(an_access_time_is_set_with_its_field_cleared)
{
	struct oci_mount_options o = parsed("rnoatime");

	CHECK_EQ(o.rec_attr_set, MOUNT_ATTR_NOATIME);
	CHECK_EQ(o.rec_attr_clear, MOUNT_ATTR__ATIME);
	o = parsed("rnoatime rstrictatime");
	CHECK_EQ(o.rec_attr_set, MOUNT_ATTR_STRICTATIME);
	CHECK_EQ(o.rec_attr_clear, MOUNT_ATTR__ATIME);
	o = parsed("rnoatime rrelatime");
	CHECK_EQ(o.rec_attr_set, 0);
	CHECK_EQ(o.rec_attr_clear, MOUNT_ATTR__ATIME);
}

TEST(the_rest_is_data_for_the_file_system)
{
	struct oci_mount_options o = parsed("size=64k nosuid mode=755 tmpcopyup");

	CHECK_STR(o.data, "size=64k,mode=755");
	CHECK(o.copy_up);
	CHECK_EQ(o.flags, MS_NOSUID);
	oci_mount_options_fini(&o);
	CHECK(o.data == NULL);
}

TEST(a_million_words_are_read_in_no_time)
{
	size_t n = 1000000;
	char word[] = "x";
	auto_free char **list = calloc(n, sizeof *list);
	struct oci_mount_options o;

	for (size_t i = 0; i < n; i++)
		list[i] = word;
	alarm(10);
	CHECK_EQ(oci_mount_options_parse(list, n, &o, NULL), 0);
	CHECK_EQ(strlen(o.data), 2 * n - 1);
	oci_mount_options_fini(&o);
}
