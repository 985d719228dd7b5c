#include "base/array.h"
#include "base/file.h"
#include "oci/oci.h"
#include "tests/test.h"

/* A spec that is good except for what a test puts into it. */
static char *spec_with(const char *process, const char *top, const char *sections)
{
	char *text = str_printf(
		"{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"rootfs\"},"
		"\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"%s%s}%s%s,"
		"\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"uts\"}]"
		"%s%s}}",
		*process ? "," : "", process, *top ? "," : "", top, *sections ? "," : "", sections);

	CHECK(text);
	return text;
}

static int checked(char *take_text, struct err *e)
{
	auto_free char *text = take_text;
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	if (oci_spec_parse(text, strlen(text), &spec, e) < 0)
		test_fail(__FILE__, __LINE__, "unreadable: %s", e->text);
	return oci_spec_check(spec, e);
}

enum where {
	PROCESS,
	TOP,
	SECTION,
};

struct one {
	enum where where;
	const char *json;
	const char *sentence; /* NULL: accepted */
};

static char *one_text(const struct one *t)
{
	return spec_with(t->where == PROCESS ? t->json : "", t->where == TOP ? t->json : "",
			 t->where == SECTION ? t->json : "");
}

static void check_all(const struct one *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct err e = {0};
		int r = checked(one_text(&list[i]), &e);

		if (!list[i].sentence && r < 0)
			test_fail(__FILE__, __LINE__, "%s is refused: %s", list[i].json, e.text);
		if (!list[i].sentence)
			continue;
		if (r == 0)
			test_fail(__FILE__, __LINE__, "%s is accepted", list[i].json);
		CHECK_STR(e.text, list[i].sentence);
	}
}

TEST(a_plain_spec_is_accepted)
{
	struct err e = {0};

	CHECK_EQ(checked(spec_with("", "", ""), &e), 0);
}

static void document(const char *text, const char *sentence)
{
	struct err e = {0};
	int r = checked(strdup(text), &e);

	CHECK_EQ(r == 0, sentence == NULL);
	if (sentence)
		CHECK_STR(e.text, sentence);
}

TEST(what_must_be_there_is_missed)
{
	document("{}", "ociVersion: is missing");
	document("{\"ociVersion\":\"0.5.0\"}", "ociVersion: '0.5.0' is not a version 1.x.y");
	document("{\"ociVersion\":\"2.0.0\"}", "ociVersion: '2.0.0' is not a version 1.x.y");
	document("{\"ociVersion\":\"1.0\"}", "ociVersion: '1.0' is not a version 1.x.y");
	document("{\"ociVersion\":\"1.0.0x\"}", "ociVersion: '1.0.0x' is not a version 1.x.y");
	document("{\"ociVersion\":\"1.0.0\"}", "root.path: is missing");
	document("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"\"}}", "root.path: is missing");
	document("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"}}", "linux: is missing");
	document("{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"linux\":{}}", NULL);
	document(
		"{\"ociVersion\":\"1.2.0+x\",\"root\":{\"path\":\"r\"},\"linux\":{},\"process\":{}}",
		"process.args: is missing");
	document("{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{},\"process\":{"
		 "\"args\":[\"a\"]}}",
		 "process.cwd: is missing");
	document("{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{},\"process\":{"
		 "\"args\":[\"a\"],\"cwd\":\"tmp\"}}",
		 "process.cwd: 'tmp' is not an absolute path");
}

TEST(a_process_is_judged)
{
	static const struct one list[] = {
		{PROCESS, "\"env\":[\"A=1\",\"B=\"]", NULL},
		{PROCESS, "\"env\":[\"A=1\",\"B\"]", "process.env[1]: 'B' has no '='"},
		{PROCESS, "\"env\":[\"=x\"]", "process.env[0]: '=x' has no name"},
		{PROCESS, "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}", NULL},
		{PROCESS, "\"capabilities\":{\"ambient\":[\"CAP_KILL\",\"CAP_X\"]}",
		 "process.capabilities.ambient[1]: unknown capability 'CAP_X'"},
		{PROCESS, "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"hard\":0,\"soft\":0}]", NULL},
		{PROCESS, "\"rlimits\":[{\"type\":\"RLIMIT_X\",\"hard\":0,\"soft\":0}]",
		 "process.rlimits[0].type: unknown rlimit 'RLIMIT_X'"},
		{PROCESS, "\"rlimits\":[{\"hard\":0,\"soft\":0}]",
		 "process.rlimits[0].type: unknown rlimit ''"},
		{PROCESS,
		 "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"hard\":1,\"soft\":1},"
		 "{\"type\":\"RLIMIT_AS\",\"hard\":1,\"soft\":1}]",
		 "process.rlimits[1].type: 'RLIMIT_AS' stands there twice"},
		{PROCESS, "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"soft\":1}]",
		 "process.rlimits[0].hard: is missing"},
		{PROCESS, "\"rlimits\":[{\"type\":\"RLIMIT_AS\",\"hard\":1,\"soft\":2}]",
		 "process.rlimits[0].soft: is more than hard"},
		{PROCESS, "\"oomScoreAdj\":-1000", NULL},
		{PROCESS, "\"oomScoreAdj\":1001",
		 "process.oomScoreAdj: 1001 is out of range (-1000 to 1000)"},
		{PROCESS, "\"user\":{\"umask\":511}", NULL},
		{PROCESS, "\"user\":{\"umask\":512}",
		 "process.user.umask: 512 is out of range (0 to 511)"},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":19}", NULL},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_X\"}",
		 "process.scheduler.policy: unknown policy 'SCHED_X'"},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}",
		 "process.scheduler.nice: 20 is out of range (-20 to 19)"},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"priority\":1}",
		 "process.scheduler.priority: is for SCHED_FIFO and SCHED_RR alone"},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"runtime\":1}",
		 "process.scheduler: runtime, deadline and period are for SCHED_DEADLINE"},
		{PROCESS, "\"scheduler\":{\"policy\":\"SCHED_FIFO\",\"flags\":[\"X\"]}",
		 "process.scheduler.flags[0]: unknown flag 'X'"},
		{PROCESS, "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":7}", NULL},
		{PROCESS, "\"ioPriority\":{\"class\":\"X\"}",
		 "process.ioPriority.class: unknown class 'X'"},
		{PROCESS, "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}",
		 "process.ioPriority.priority: 8 is out of range (0 to 7)"},
		{PROCESS, "\"execCPUAffinity\":{\"initial\":\"0\"}",
		 "process.execCPUAffinity: is not supported yet"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(mounts_and_hooks_are_judged)
{
	static const struct one list[] = {
		{TOP, "\"mounts\":[{\"destination\":\"/a\"},{\"destination\":\"b\"}]", NULL},
		{TOP, "\"mounts\":[{\"source\":\"/a\"}]", "mounts[0].destination: is missing"},
		{TOP,
		 "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"rbind\",\"ro\",\"private\"]}]",
		 NULL},
		{TOP,
		 "\"mounts\":[{\"destination\":\"/a\",\"source\":\"/b\",\"options\":[\"ro\",\"bnid\",\"bind\",\"x\"]}]",
		 NULL},
		{TOP, "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"rbind\"]}]",
		 "mounts[0].source: is missing"},
		{TOP, "\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"\"}]",
		 "mounts[0].source: is missing"},
		{TOP,
		 "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"bind\",\"remount\",\"ro\"]}]",
		 NULL},
		{TOP, "\"mounts\":[{\"destination\":\"/a\",\"options\":[\"size=1m\"]}]", NULL},
		{TOP,
		 "\"mounts\":[{\"destination\":\"/a\",\"uidMappings\":[{\"containerID\":0,\"hostID\":1}]}]",
		 "mounts[0].uidMappings[0].size: must be more than zero"},
		{TOP, "\"annotations\":{\"a\":\"\"}", NULL},
		{TOP, "\"annotations\":{\"\":\"a\"}", "annotations: a key is empty"},
		{TOP, "\"hooks\":{\"poststop\":[{\"path\":\"/bin/x\",\"timeout\":1}]}", NULL},
		{TOP, "\"hooks\":{\"prestart\":[{\"path\":\"bin/x\"}]}",
		 "hooks.prestart[0].path: 'bin/x' is not an absolute path"},
		{TOP, "\"hooks\":{\"createRuntime\":[{\"path\":\"/x\",\"timeout\":0}]}",
		 "hooks.createRuntime[0].timeout: must be more than zero"},
		{TOP, "\"hostname\":\"h\",\"domainname\":\"d\"", NULL},
		{TOP,
		 "\"hostname\":\"01234567890123456789012345678901234567890123456789012345678901234\"",
		 "hostname: is longer than 64 bytes"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(names_need_a_uts_namespace)
{
	document(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{},\"hostname\":\"h\"}",
		"hostname: needs a uts namespace");
	document(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{},\"hostname\":\"\"}",
		NULL);
	document(
		"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{},\"domainname\":\"h\"}",
		"domainname: needs a uts namespace");
}

TEST(namespaces_are_judged)
{
#define WITH_NAMESPACES(list) \
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[" list "]}}"
	document(WITH_NAMESPACES("{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/run/n\"}"),
		 NULL);
	document(WITH_NAMESPACES("{\"type\":\"pid\"},{\"type\":\"net\"}"),
		 "linux.namespaces[1].type: unknown namespace 'net'");
	document(WITH_NAMESPACES("{}"), "linux.namespaces[0].type: unknown namespace ''");
	document(WITH_NAMESPACES("{\"type\":\"pid\"},{\"type\":\"pid\"}"),
		 "linux.namespaces[1].type: 'pid' stands there twice");
	document(WITH_NAMESPACES("{\"type\":\"pid\",\"path\":\"proc/1/ns/pid\"}"),
		 "linux.namespaces[0].path: 'proc/1/ns/pid' is not an absolute path");
	document(WITH_NAMESPACES("{\"type\":\"user\"}"),
		 "linux.uidMappings: a new user namespace needs one");
	document(WITH_NAMESPACES("{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"}"), NULL);
}

TEST(the_linux_section_is_judged)
{
	static const struct one list[] = {
		{SECTION, "\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
		 "linux.uidMappings: needs a user namespace"},
		{SECTION, "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":0}]",
		 "linux.gidMappings[0].size: must be more than zero"},
		{SECTION, "\"uidMappings\":[{\"containerID\":4294967295,\"hostID\":1,\"size\":1}]",
		 "linux.uidMappings[0].size: 1 ids from containerID 4294967295 on go beyond 4294967294"},
		{SECTION, "\"uidMappings\":[{\"containerID\":0,\"hostID\":2,\"size\":4294967294}]",
		 "linux.uidMappings[0].size: 4294967294 ids from hostID 2 on go beyond 4294967294"},
		{SECTION,
		 "\"uidMappings\":[{\"containerID\":0,\"hostID\":100,\"size\":10},"
		 "{\"containerID\":9,\"hostID\":200,\"size\":1}]",
		 "linux.uidMappings[1]: overlaps with linux.uidMappings[0]"},
		{SECTION,
		 "\"gidMappings\":[{\"containerID\":0,\"hostID\":100,\"size\":10},"
		 "{\"containerID\":10,\"hostID\":91,\"size\":10}]",
		 "linux.gidMappings[1]: overlaps with linux.gidMappings[0]"},
		{SECTION, "\"devices\":[{\"path\":\"/dev/f\",\"type\":\"p\"}]", NULL},
		{SECTION,
		 "\"devices\":[{\"path\":\"/dev/f\",\"type\":\"c\",\"major\":1,\"minor\":3}]",
		 NULL},
		{SECTION, "\"devices\":[{\"path\":\"/dev/f\",\"type\":\"c\",\"major\":1}]",
		 "linux.devices[0].minor: is missing"},
		{SECTION, "\"devices\":[{\"path\":\"/dev/f\",\"type\":\"char\"}]",
		 "linux.devices[0].type: 'char' is not c, u, b or p"},
		{SECTION, "\"devices\":[{\"path\":\"dev/f\",\"type\":\"p\"}]",
		 "linux.devices[0].path: 'dev/f' is not an absolute path"},
		{SECTION, "\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"]",
		 NULL},
		{SECTION, "\"maskedPaths\":[\"/a\",\"b\"]",
		 "linux.maskedPaths[1]: 'b' is not an absolute path"},
		{SECTION, "\"rootfsPropagation\":\"rslave\"", NULL},
		{SECTION, "\"rootfsPropagation\":\"rslaves\"",
		 "linux.rootfsPropagation: unknown word 'rslaves'"},
		{SECTION, "\"timeOffsets\":{\"boottime\":{\"secs\":1}}",
		 "linux.timeOffsets: needs a time namespace"},
		{SECTION, "\"personality\":{\"domain\":\"LINUX32\"}", NULL},
		{SECTION, "\"personality\":{\"domain\":\"BSD\"}",
		 "linux.personality.domain: unknown domain 'BSD'"},
		{SECTION, "\"personality\":{\"domain\":\"LINUX\",\"flags\":[\"ADDR\"]}",
		 "linux.personality.flags[0]: unknown flag 'ADDR'"},
		{SECTION, "\"intelRdt\":{\"closID\":\"x\"}",
		 "linux.intelRdt: is not supported yet"},
		{SECTION, "\"sysctl\":{\"kernel.domainname\":\"d\"}", NULL},
		{SECTION, "\"sysctl\":{\"kernel.hostname\":\"h\"}",
		 "linux.sysctl['kernel.hostname']: is what 'hostname' is for"},
		{SECTION, "\"sysctl\":{\"net/ipv4/ip_forward\":\"1\"}",
		 "linux.sysctl['net/ipv4/ip_forward']: needs a network namespace"},
		{SECTION, "\"sysctl\":{\"kernel.shmmax\":\"1\"}",
		 "linux.sysctl['kernel.shmmax']: needs an ipc namespace"},
		{SECTION, "\"sysctl\":{\"vm.swappiness\":\"1\"}",
		 "linux.sysctl['vm.swappiness']: does not belong to a namespace"},
		{SECTION, "\"sysctl\":{\"net.../../vm/x\":\"1\"}",
		 "linux.sysctl['net.../../vm/x']: is no name of a sysctl"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(time_offsets_are_judged)
{
#define WITH_OFFSETS(offsets)                                                                       \
	"{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"namespaces\":[{\"type\":" \
	"\"time\"}],\"timeOffsets\":{" offsets "}}}"
	document(WITH_OFFSETS("\"boottime\":{\"secs\":-5,\"nanosecs\":999999999}"), NULL);
	document(WITH_OFFSETS("\"realtime\":{\"secs\":1}"),
		 "linux.timeOffsets: unknown clock 'realtime'");
	document(
		WITH_OFFSETS("\"monotonic\":{\"nanosecs\":1000000000}"),
		"linux.timeOffsets.monotonic.nanosecs: 1000000000 is out of range (0 to 999999999)");
}

TEST(seccomp_is_judged)
{
	static const struct one list[] = {
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X32\"],"
		 "\"syscalls\":[{\"names\":[\"nosuchcall\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
		 NULL},
		{SECTION, "\"seccomp\":{}", "linux.seccomp.defaultAction: unknown action ''"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"X\"]}",
		 "linux.seccomp.architectures[0]: unknown architecture 'X'"},
		{SECTION, "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}",
		 "linux.seccomp.flags[0]: unknown flag 'X'"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],"
		 "\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		 "linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY is not supported yet"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{"
		 "\"action\":\"SCMP_ACT_LOG\"}]}",
		 "linux.seccomp.syscalls[0].names: is missing"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],"
		 "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":6,\"op\":\"SCMP_CMP_EQ\"}]}]}",
		 "linux.seccomp.syscalls[0].args[0].index: 6 is out of range (0 to 5)"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],"
		 "\"action\":\"SCMP_ACT_LOG\",\"args\":[{\"index\":5,\"op\":\"==\"}]}]}",
		 "linux.seccomp.syscalls[0].args[0].op: unknown operator '=='"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_TRACE\",\"defaultErrnoRet\":1,"
		 "\"syscalls\":[{\"names\":[\"a\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0}]}",
		 NULL},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
		 "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"a\"],"
		 "\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":5}]}",
		 "linux.seccomp.syscalls[0].errnoRet: SCMP_ACT_KILL returns no errno"},
		{SECTION,
		 "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/l\"}",
		 "linux.seccomp.listenerPath: is not supported yet"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(resources_are_judged)
{
	static const struct one list[] = {
		{SECTION, "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]}",
		 NULL},
		{SECTION, "\"resources\":{\"devices\":[{\"type\":\"p\"}]}",
		 "linux.resources.devices[0].type: 'p' is not a, b or c"},
		{SECTION, "\"resources\":{\"devices\":[{\"access\":\"rwx\"}]}",
		 "linux.resources.devices[0].access: 'rwx' is not made of r, w and m"},
		{SECTION, "\"resources\":{\"memory\":{\"limit\":100,\"swap\":99}}",
		 "linux.resources.memory.swap: is memory and swap together, thus not less than limit"},
		{SECTION, "\"resources\":{\"memory\":{\"limit\":100,\"swap\":-1}}", NULL},
		{SECTION, "\"resources\":{\"memory\":{\"swappiness\":101}}",
		 "linux.resources.memory.swappiness: 101 is out of range (0 to 100)"},
		{SECTION, "\"resources\":{\"blockIO\":{\"weight\":0}}", NULL},
		{SECTION, "\"resources\":{\"blockIO\":{\"weight\":9}}",
		 "linux.resources.blockIO.weight: 9 is out of range (10 to 1000)"},
		{SECTION, "\"resources\":{\"cpu\":{\"idle\":2}}",
		 "linux.resources.cpu.idle: is neither 0 nor 1"},
		{SECTION,
		 "\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"64KB\",\"limit\":1}]}", NULL},
		{SECTION, "\"resources\":{\"hugepageLimits\":[{\"pageSize\":\"2M\",\"limit\":1}]}",
		 "linux.resources.hugepageLimits[0].pageSize: '2M' is not like 2MB"},
		{SECTION, "\"resources\":{\"unified\":{\"memory.high\":\"1\"}}", NULL},
		{SECTION, "\"resources\":{\"unified\":{\"../x\":\"1\"}}",
		 "linux.resources.unified['../x']: is no name of a file"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(what_the_document_says_cannot_steer_the_terminal)
{
	static const struct one list[] = {
		{PROCESS, "\"env\":[\"\\u001b[31m\\n\"]", "process.env[0]: '?[31m?' has no '='"},
	};

	check_all(list, ARRAY_LEN(list));
}

TEST(messages_from_the_wire_may_lack_anything)
{
	Grpc__LinuxResources__UnifiedEntry unified = GRPC__LINUX_RESOURCES__UNIFIED_ENTRY__INIT;
	Grpc__LinuxResources__UnifiedEntry *list[] = {&unified};
	Grpc__LinuxResources resources = GRPC__LINUX_RESOURCES__INIT;
	Grpc__LinuxHugepageLimit huge = GRPC__LINUX_HUGEPAGE_LIMIT__INIT;
	Grpc__LinuxHugepageLimit *huges[] = {&huge};

	resources.unified = list;
	resources.n_unified = 1;
	CHECK_EQ(oci_resources_check(&resources, NULL), -EINVAL);
	resources.n_unified = 0;
	resources.hugepagelimits = huges;
	resources.n_hugepagelimits = 1;
	CHECK_EQ(oci_resources_check(&resources, NULL), -EINVAL);
}

TEST(zeros_that_did_not_travel_are_not_missing)
{
	auto_free char *text = spec_with(
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":0,\"hard\":5}]", "",
		"\"devices\":[{\"path\":\"/dev/b\",\"type\":\"b\",\"major\":7,\"minor\":0}]");
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	struct err e = {0};

	CHECK_EQ(oci_spec_parse(text, strlen(text), &spec, NULL), 0);
	spec->linux->devices[0]->has_minor = false;
	CHECK_EQ(oci_spec_check(spec, &e), -EINVAL);
	CHECK_STR(e.text, "linux.devices[0].minor: is missing");
	oci_spec_from_wire(spec);
	CHECK_EQ(oci_spec_check(spec, NULL), 0);
	CHECK_EQ(spec->linux->devices[0]->minor, 0);

	spec->process->rlimits[0]->has_soft = false;
	err_clear(&e);
	CHECK_EQ(oci_spec_check(spec, &e), -EINVAL);
	CHECK_STR(e.text, "process.rlimits[0].soft: is missing");
	oci_spec_from_wire(spec);
	CHECK_EQ(oci_spec_check(spec, NULL), 0);
}

TEST(ids_are_names_of_folders)
{
	char longest[OCI_ID_MAX + 2];

	memset(longest, 'a', sizeof longest - 1);
	longest[OCI_ID_MAX + 1] = '\0';
	CHECK_EQ(oci_id_check(longest, NULL), -EINVAL);
	longest[OCI_ID_MAX] = '\0';
	CHECK_EQ(oci_id_check(longest, NULL), 0);
	CHECK_EQ(oci_id_check("a_B-9.x+y", NULL), 0);
	CHECK_EQ(oci_id_check("...", NULL), 0);

	static const char *const bad[] = {"", ".", "..", "../x", "a/b", "a b", "a\n", "\xc3\xa9"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err e = {0};

		CHECK_EQ(oci_id_check(bad[i], &e), -EINVAL);
		CHECK(!strchr(e.text, '\n'));
	}
}

/* One range of one id each, side by side. */
static char *many_mappings(size_t n)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	CHECK(out);
	(void) fputs("\"namespaces\":[{\"type\":\"user\"}],\"gidMappings\":[{\"containerID\":0,"
		     "\"hostID\":0,\"size\":1}],\"uidMappings\":[",
		     out);
	for (size_t i = 0; i < n; i++)
		(void) fprintf(out, "%s{\"containerID\":%zu,\"hostID\":%zu,\"size\":1}",
			       i ? "," : "", i, i + 1000);
	(void) fputs("]", out);
	CHECK_EQ(fclose(out), 0);
	return text;
}

static int many_checked(size_t n, struct err *e)
{
	auto_free char *mappings = many_mappings(n);
	char *text = str_printf("{\"ociVersion\":\"1.0.2-dev\",\"root\":{\"path\":\"rootfs\"},"
				"\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\"},\"linux\":{%s}}",
				mappings);

	CHECK(text);
	return checked(text, e);
}

TEST(as_many_mappings_as_the_kernel_takes)
{
	struct err e = {0};

	CHECK_EQ(many_checked(340, &e), 0);
	CHECK(many_checked(341, &e) < 0);
	CHECK_STR(e.text, "linux.uidMappings: there are 341, but the kernel takes 340");
}
