#include "oci/features.h"

#include <errno.h>
#include <jansson.h>
#include <sched.h>

#include "base/array.h"
#include "base/version.h"
#include "oci/names.h"
#include "oci/oci.h"

#define CAP_NUMBER_MAX 63

/* The words that the agent understands itself; it passes others to the file system as data. The
 * unit test compares both lists with the tables in src/oci. */
const char *const feature_mount_options[] = {
	"async",         "atime",        "bind",
	"defaults",      "dev",          "diratime",
	"dirsync",       "exec",         "idmap",
	"iversion",      "lazytime",     "loud",
	"mand",          "noatime",      "nodev",
	"nodiratime",    "noexec",       "noiversion",
	"nolazytime",    "nomand",       "norelatime",
	"nostrictatime", "nosuid",       "nosymfollow",
	"private",       "ratime",       "rbind",
	"rdev",          "rdiratime",    "relatime",
	"remount",       "rexec",        "ridmap",
	"rnoatime",      "rnodev",       "rnodiratime",
	"rnoexec",       "rnorelatime",  "rnostrictatime",
	"rnosuid",       "rnosymfollow", "ro",
	"rprivate",      "rrelatime",    "rro",
	"rrw",           "rshared",      "rslave",
	"rstrictatime",  "rsuid",        "rsymfollow",
	"runbindable",   "rw",           "shared",
	"silent",        "slave",        "strictatime",
	"suid",          "symfollow",    "sync",
	"tmpcopyup",     "unbindable",
};
const size_t n_feature_mount_options = ARRAY_LEN(feature_mount_options);

const char *const feature_seccomp_actions[] = {
	"SCMP_ACT_ALLOW",       "SCMP_ACT_ERRNO", "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS",
	"SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",   "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
};
const size_t n_feature_seccomp_actions = ARRAY_LEN(feature_seccomp_actions);

static const char *const hooks[] = {
	"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop",
};

static const char *const seccomp_operators[] = {
	"SCMP_CMP_EQ", "SCMP_CMP_GE",        "SCMP_CMP_GT", "SCMP_CMP_LE",
	"SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
};

/* What a guest of this architecture can run. */
static const char *const seccomp_archs[] = {
#if defined __x86_64__
	"SCMP_ARCH_X86",
	"SCMP_ARCH_X86_64",
	"SCMP_ARCH_X32",
#elif defined __aarch64__
	"SCMP_ARCH_AARCH64",
	"SCMP_ARCH_ARM",
#endif
};

static json_t *words(const char *const *list, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void) json_array_append_new(a, json_string(list[i]));
	return a;
}

static json_t *namespaces(void)
{
	static const int flags[] = {CLONE_NEWCGROUP, CLONE_NEWIPC,  CLONE_NEWNS,   CLONE_NEWNET,
				    CLONE_NEWPID,    CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		(void) json_array_append_new(a, json_string(oci_namespace_type(flags[i])));
	return a;
}

static json_t *capabilities(void)
{
	json_t *a = json_array();

	for (int n = 0; n <= CAP_NUMBER_MAX; n++)
		if (oci_cap_name(n))
			(void) json_array_append_new(a, json_string(oci_cap_name(n)));
	return a;
}

int oci_features_print(char **ret, struct err *e)
{
	json_t *o = json_pack(
		"{s:s, s:s, s:o, s:o, s:{s:o, s:o, s:{s:b, s:b, s:b, s:b, s:b}, s:{s:b, s:o, s:o, s:o},"
		" s:{s:b}, s:{s:b}, s:{s:b}, s:{s:{s:b}}}, s:{s:s, s:s}}",
		"ociVersionMin", "1.0.0", "ociVersionMax", OCI_VERSION, "hooks",
		words(hooks, ARRAY_LEN(hooks)), "mountOptions",
		words(feature_mount_options, n_feature_mount_options), "linux", "namespaces",
		namespaces(), "capabilities", capabilities(), "cgroup", "v1", 0, "v2", 1, "systemd",
		0, "systemdUser", 0, "rdma", 0, "seccomp", "enabled", 1, "actions",
		words(feature_seccomp_actions, n_feature_seccomp_actions), "operators",
		words(seccomp_operators, ARRAY_LEN(seccomp_operators)), "archs",
		words(seccomp_archs, ARRAY_LEN(seccomp_archs)), "apparmor", "enabled", 0, "selinux",
		"enabled", 0, "intelRdt", "enabled", 0, "mountExtensions", "idmap", "enabled", 1,
		"annotations", "io.katacontainers.version", version_number(),
		"io.katacontainers.commit", version_commit());

	char *text = o ? json_dumps(o, JSON_INDENT(4)) : NULL;

	json_decref(o);
	if (!text)
		return err_sys(e, ENOMEM, "describe the features");
	*ret = text;
	return 0;
}
