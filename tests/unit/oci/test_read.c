#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>

#include "base/file.h"
#include "oci/oci.h"
#include "tests/test.h"

#define FULL "tests/fuzz/corpus/oci_json/full.json"

/* Reads @text, which must be refused with @sentence. */
static void refused(const char *text, const char *sentence)
{
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	CHECK(oci_spec_parse(text, strlen(text), &spec, &e) < 0);
	CHECK_STR(e.text, sentence);
	CHECK(spec == NULL);
}

static Grpc__Spec *accepted(const char *text)
{
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	if (oci_spec_parse(text, strlen(text), &spec, &e) < 0)
		test_fail(__FILE__, __LINE__, "refused: %s", e.text);
	return spec;
}

TEST(a_config_json_is_read_into_the_messages_of_the_protocol)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_read(FULL, &spec, NULL), 0);
	CHECK_STR(spec->version, "1.2.0");
	CHECK_STR(spec->process->args[2], "echo \xc3\xa9 \"quoted\" \\ \t");
	CHECK_EQ(spec->process->oomscoreadj, -100);
	CHECK_EQ(spec->process->user->additionalgids[1], 6);
	CHECK(spec->process->rlimits[0]->hard == UINT64_MAX);
	CHECK(spec->process->rlimits[1]->hard == 9223372036854775808u);
	CHECK_STR(spec->annotations[0]->key, "com.example.key");
	CHECK_EQ(spec->linux->resources->rdma[0]->value->hcaobjects, 10000);
	CHECK_EQ(spec->mounts[1]->uidmappings[0]->hostid, 100000);
}

static void check_whole(const ProtobufCMessage *m)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const char *slot = (const char *) m + f->offset;
		const char *quantifier = (const char *) m + f->quantifier_offset;
		bool there;

		/* Sections for other platforms. */
		if (strcmp(f->name, "Windows") == 0 || strcmp(f->name, "Solaris") == 0)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED)
			there = *(const size_t *) quantifier > 0;
		else if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_MESSAGE)
			there = *(void *const *) slot;
		else
			there = *(const protobuf_c_boolean *) quantifier;
		if (!there)
			test_fail(__FILE__, __LINE__, "%s.%s was not read", m->descriptor->name,
				  f->name);
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			/* In each list of the document one element has everything. */
			size_t n = *(const size_t *) quantifier;
			ProtobufCMessage *const *list = *(ProtobufCMessage *const *const *) slot;

			if (strcmp(f->name, "Prestart") == 0 ||
			    strcmp(f->name, "WeightDevice") == 0)
				check_whole(list[0]);
			else if (strcmp(f->name, "Mounts") == 0 ||
				 strcmp(f->name, "Devices") == 0 ||
				 strcmp(f->name, "Namespaces") == 0)
				check_whole(list[n > 1]);
			else if (!strstr(f->descriptor ? list[0]->descriptor->name : "", "Hook"))
				check_whole(list[0]);
		} else {
			check_whole(*(ProtobufCMessage *const *) slot);
		}
	}
}

TEST(every_field_of_the_protocol_has_a_key_in_the_specification)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_read(FULL, &spec, NULL), 0);
	check_whole(&spec->base);
}

TEST(absent_and_zero_stay_different)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = accepted(
		"{\"linux\":{\"resources\":{\"pids\":{\"limit\":0},\"cpu\":{}}},\"root\":{\"path\":\"\"}}");

	CHECK(spec->linux->resources->pids->has_limit);
	CHECK_EQ(spec->linux->resources->pids->limit, 0);
	CHECK(!spec->linux->resources->cpu->has_shares);
	CHECK_STR(spec->root->path, "");
	CHECK(spec->hostname == NULL);
}

TEST(null_means_absent)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = accepted(
		"{\"hooks\":null,\"process\":{\"args\":null,\"terminal\":null},\"windows\":null}");

	CHECK(spec->hooks == NULL);
	CHECK_EQ(spec->process->n_args, 0);
	CHECK(!spec->process->has_terminal);
}

TEST(keys_are_found_without_regard_to_case)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec =
		accepted("{\"OCIVERSION\":\"1.0.0\",\"Process\":{\"CWD\":\"/\"}}");

	CHECK_STR(spec->version, "1.0.0");
	CHECK_STR(spec->process->cwd, "/");
}

TEST(keys_that_nobody_knows_are_ignored)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = accepted(
		"{\"future\":{\"deep\":[1,{\"x\":1.5e400}]},\"root\":{\"new\":true,\"path\":\"r\"}}");

	CHECK_STR(spec->root->path, "r");
}

TEST(wrong_types_are_refused_by_name)
{
	refused("[]", "expected an object, not a list");
	refused("{\"process\":[]}", "process: expected an object, not a list");
	refused("{\"linux\":{\"resources\":{\"memory\":{\"limit\":\"1G\"}}}}",
		"linux.resources.memory.limit: expected an integer, not a string");
	refused("{\"process\":{\"args\":[\"a\",1]}}",
		"process.args[1]: expected a string, not an integer");
	refused("{\"process\":{\"args\":\"sh\"}}", "process.args: expected a list, not a string");
	refused("{\"process\":{\"terminal\":1}}",
		"process.terminal: expected true or false, not an integer");
	refused("{\"annotations\":{\"a\":true}}", "annotations['a']: expected a string, not true");
	refused("{\"annotations\":[\"a\"]}", "annotations: expected an object, not a list");
	refused("{\"mounts\":[{},{\"options\":[null]}]}",
		"mounts[1].options[0]: expected a string, not null");
	refused("{\"linux\":{\"timeOffsets\":{\"boottime\":{\"secs\":true}}}}",
		"linux.timeOffsets['boottime'].secs: expected an integer, not true");
}

TEST(numbers_out_of_range_are_refused)
{
	refused("{\"process\":{\"user\":{\"uid\":4294967296}}}",
		"process.user.uid: 4294967296 is out of range (0 to 4294967295)");
	refused("{\"process\":{\"user\":{\"uid\":-1}}}",
		"process.user.uid: -1 is out of range (0 to 4294967295)");
	refused("{\"process\":{\"user\":{\"uid\":1.0}}}",
		"process.user.uid: expected an integer, not 1.0");
	refused("{\"process\":{\"user\":{\"uid\":1e3}}}",
		"process.user.uid: expected an integer, not 1e3");
	refused("{\"process\":{\"oomScoreAdj\":9223372036854775808}}",
		"process.oomScoreAdj: 9223372036854775808 is out of range "
		"(-9223372036854775808 to 9223372036854775807)");
	refused("{\"process\":{\"rlimits\":[{\"hard\":18446744073709551616}]}}",
		"process.rlimits[0].hard: 18446744073709551616 is out of range "
		"(0 to 18446744073709551615)");
	refused("{\"process\":{\"rlimits\":[{\"hard\":-1}]}}",
		"process.rlimits[0].hard: -1 is out of range (0 to 18446744073709551615)");
	refused("{\"process\":{\"ioPriority\":{\"priority\":2147483648}}}",
		"process.ioPriority.priority: 2147483648 is out of range "
		"(-2147483648 to 2147483647)");
}

TEST(the_limits_of_every_integer_are_accepted)
{
	auto_ptr(oci_spec_free) Grpc__Spec *spec = accepted(
		"{\"process\":{\"user\":{\"uid\":4294967295,\"gid\":0},\"rlimits\":[{\"hard\":"
		"18446744073709551615,\"soft\":9223372036854775807}]},\"linux\":{\"resources\":{"
		"\"memory\":{\"limit\":-9223372036854775808,\"swap\":9223372036854775807}}}}");

	CHECK_EQ(spec->process->user->uid, UINT32_MAX);
	CHECK(spec->process->rlimits[0]->hard == UINT64_MAX);
	CHECK(spec->process->rlimits[0]->soft == INT64_MAX);
	CHECK(spec->linux->resources->memory->limit == INT64_MIN);
	CHECK(spec->linux->resources->memory->swap == INT64_MAX);
}

TEST(a_key_that_stands_twice_is_refused)
{
	refused("{\"hostname\":\"a\",\"hostname\":\"b\"}",
		"line 1: not JSON: duplicate object key near '\"hostname\"'");
	refused("{\"hostname\":\"a\",\"HostName\":\"b\"}", "HostName: stands there twice");
	refused("{\"annotations\":{\"a\":\"1\",\"a\":\"2\"}}",
		"line 1: not JSON: duplicate object key near '\"a\"'");
}

TEST(what_the_specification_knows_and_we_cannot_carry_is_refused_by_name)
{
	refused("{\"windows\":{\"layerFolders\":[]}}", "windows: is for another platform");
	refused("{\"vm\":{\"kernel\":{}}}",
		"vm: is not supported: configuration.toml describes the virtual machine");
	refused("{\"linux\":{\"netDevices\":{\"eth0\":{}}}}",
		"linux.netDevices: is not supported yet");
	refused("{\"process\":{\"commandLine\":\"a b\"}}",
		"process.commandLine: is for another platform");
	oci_spec_free(
		accepted("{\"windows\":{},\"solaris\":{},\"linux\":{\"memoryPolicy\":null}}"));
}

TEST(text_that_is_no_json_is_refused_with_its_line)
{
	refused("", "is empty");
	refused(" ", "line 1: ends in the middle");
	refused("{\n\"process\": {", "line 2: ends in the middle");
	refused("{\n\"a\": nope}", "line 2: not JSON: invalid token near 'nope'");
	refused("{\"a\": 007}", "line 1: not JSON: invalid token near '0'");
	refused("{\"a\": NaN}", "line 1: not JSON: invalid token near 'NaN'");
	refused("{} {}", "line 1: not JSON: end of file expected near '{'");
	refused("{\"hostname\":\"a\\u0000b\"}",
		"line 1: not JSON: \\u0000 is not allowed without JSON_ALLOW_NUL near '\"a\\u0000b\"'");
	refused("{\"hostname\":\"\xff\"}",
		"line 1: not JSON: unable to decode byte 0xff near '\"'");
	refused("{\"hostname\":\"\\ud800\"}",
		"line 1: not JSON: invalid Unicode '\\uD800' near '\"\\ud800\"'");
}

TEST(a_nul_byte_in_the_text_is_refused)
{
	static const char text[] = "{\"hostname\":\"a\0b\"}";
	Grpc__Spec *spec = NULL;

	CHECK_EQ(oci_spec_parse(text, sizeof text - 1, &spec, NULL), -EINVAL);
}

TEST(ten_thousand_levels_are_refused)
{
	size_t n = 10000;
	auto_free char *text = malloc(2 * n + 16);
	Grpc__Spec *spec = NULL;
	struct err e = {0};
	size_t at = (size_t) sprintf(text, "{\"x\":");

	memset(text + at, '[', n);
	memset(text + at + n, ']', n);
	text[at + 2 * n] = '}';
	CHECK_EQ(oci_spec_parse(text, at + 2 * n + 1, &spec, &e), -EINVAL);
	CHECK(strstr(e.text, "maximum parsing depth"));
}

TEST(a_file_without_end_is_refused)
{
	char path[] = "/tmp/test_oci_read.XXXXXX";
	auto_close int fd = mkstemp(path);
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	CHECK(fd >= 0);
	CHECK_EQ(ftruncate(fd, 40 << 20), 0);
	CHECK_EQ(oci_spec_read(path, &spec, &e), -EFBIG);
	CHECK(strstr(e.text, "is larger than 33554432 bytes"));
	(void) unlink(path);
}

TEST(an_absent_file_is_named)
{
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	CHECK_EQ(oci_spec_read("/nonexistent/config.json", &spec, &e), -ENOENT);
	CHECK_STR(e.text, "open '/nonexistent/config.json'");
}

TEST(errors_begin_with_the_file)
{
	char path[] = "/tmp/test_oci_read.XXXXXX";
	auto_close int fd = mkstemp(path);
	static const char text[] = "{\"root\":1}";
	char want[128];
	Grpc__Spec *spec = NULL;
	struct err e = {0};

	CHECK_EQ(write(fd, text, sizeof text - 1), sizeof text - 1);
	CHECK_EQ(oci_spec_read(path, &spec, &e), -EINVAL);
	(void) snprintf(want, sizeof want, "%s: root: expected an object, not an integer", path);
	CHECK_STR(e.text, want);
	(void) unlink(path);
}

TEST(keys_of_the_user_cannot_steer_the_terminal)
{
	refused("{\"annotations\":{\"\\u001b[2J\\n\":1}}",
		"annotations['?[2J?']: expected a string, not an integer");
}

TEST(a_process_and_resources_are_read_alone)
{
	auto_ptr(oci_process_free) Grpc__Process *process = NULL;
	auto_ptr(oci_resources_free) Grpc__LinuxResources *resources = NULL;
	static const char p[] = "{\"args\":[\"ls\"],\"cwd\":\"/\"}",
			  r[] = "{\"pids\":{\"limit\":7}}";
	struct err e = {0};

	CHECK_EQ(oci_process_parse(p, sizeof p - 1, &process, NULL), 0);
	CHECK_STR(process->args[0], "ls");
	CHECK_EQ(oci_resources_parse(r, sizeof r - 1, &resources, NULL), 0);
	CHECK_EQ(resources->pids->limit, 7);

	Grpc__Process *none = NULL;

	CHECK_EQ(oci_process_parse("{\"args\":1}", 10, &none, &e), -EINVAL);
	CHECK_STR(e.text, "args: expected a list, not an integer");
}

static void round_trip(const char *text)
{
	auto_ptr(oci_spec_free) Grpc__Spec *first = accepted(text);
	auto_ptr(oci_spec_free) Grpc__Spec *second = NULL;
	auto_free char *printed = NULL;

	CHECK_EQ(oci_spec_print(first, &printed, NULL), 0);
	second = accepted(printed);

	size_t n = grpc__spec__get_packed_size(first);
	auto_free uint8_t *a = malloc(n + 1), *b = malloc(n + 1);

	CHECK_EQ(grpc__spec__get_packed_size(second), n);
	CHECK_EQ(grpc__spec__pack(first, a), n);
	CHECK_EQ(grpc__spec__pack(second, b), n);
	CHECK_EQ(memcmp(a, b, n), 0);
}

TEST(what_is_printed_reads_back_the_same)
{
	auto_free char *text = NULL;

	CHECK_EQ(file_read(AT_FDCWD, FULL, 1 << 20, &text, NULL, NULL), 0);
	round_trip(text);
	round_trip("{}");
	round_trip(
		"{\"annotations\":{\"a\\u0001\\\"\\n\":\"\\u007f\"},\"process\":{\"args\":[\"\"]}}");
}

TEST(printed_keys_have_the_spelling_of_the_specification)
{
	auto_free char *text = NULL;
	auto_free char *printed = NULL;
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;

	CHECK_EQ(file_read(AT_FDCWD, FULL, 1 << 20, &text, NULL, NULL), 0);
	spec = accepted(text);
	CHECK_EQ(oci_spec_print(spec, &printed, NULL), 0);

	/* Rounded numbers are the same on both sides. */
	json_t *a = json_loads(text, JSON_DECODE_INT_AS_REAL, NULL);
	json_t *b = json_loads(printed, JSON_DECODE_INT_AS_REAL, NULL);

	CHECK(a && b);
	CHECK(json_equal(a, b));
	json_decref(a);
	json_decref(b);
}

TEST(a_process_is_printed_in_one_line)
{
	auto_ptr(oci_process_free) Grpc__Process *process = NULL;
	auto_free char *printed = NULL;
	static const char text[] =
		"{\"terminal\":false,\"user\":{\"uid\":0,\"gid\":7},\"args\":[\"a\",\"b c\"],\"cwd\":\"/\","
		"\"noNewPrivileges\":true,\"oomScoreAdj\":0}";

	CHECK_EQ(oci_process_parse(text, sizeof text - 1, &process, NULL), 0);
	CHECK_EQ(oci_process_print(process, &printed, NULL), 0);
	CHECK_STR(printed, text);
}
