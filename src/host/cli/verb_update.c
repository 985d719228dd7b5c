/* update: new limits for a container that is there. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/file.h"
#include "host/cli/shim_client.h"
#include "host/cli/verb.h"
#include "oci/oci.h"
#include "task.pb-c.h"

#define UPDATE_TIMEOUT_MS 60000

/* Text, so that "not given" and "0" differ, and for the suffixes of sizes. */
struct values {
	const char *resources;
	const char *blkio_weight;
	const char *cpu_period, *cpu_quota, *cpu_share, *cpuset_cpus, *cpuset_mems;
	const char *memory, *memory_reservation, *memory_swap;
	const char *pids_limit;
	const char *not_here; /* for options that the guest does not support */
};

#define VALUE(member) OPTION_STRING, offsetof(struct values, member)

static const struct option options[] = {
	{"resources", 'r', VALUE(resources), "FILE", "read a resources object; - is stdin", false},
	{"blkio-weight", 0, VALUE(blkio_weight), "N", "share of the disks, 10 to 1000", false},
	{"cpu-period", 0, VALUE(cpu_period), "USEC", "length of a period", false},
	{"cpu-quota", 0, VALUE(cpu_quota), "USEC", "CPU time in each period", false},
	{"cpu-share", 0, VALUE(cpu_share), "N", "weight against others", false},
	{"cpuset-cpus", 0, VALUE(cpuset_cpus), "LIST", "CPUs of the guest to use", false},
	{"cpuset-mems", 0, VALUE(cpuset_mems), "LIST", "memory nodes of the guest to use", false},
	{"memory", 0, VALUE(memory), "BYTES", "limit; k, m, g may follow", false},
	{"memory-reservation", 0, VALUE(memory_reservation), "BYTES", "soft limit", false},
	{"memory-swap", 0, VALUE(memory_swap), "BYTES", "memory and swap together; -1: no limit",
	 false},
	{"pids-limit", 0, VALUE(pids_limit), "N", "how many processes", false},
	{"cpu-rt-period", 0, VALUE(not_here), "USEC", "not available: cgroup v2 has no such limit",
	 false},
	{"cpu-rt-runtime", 0, VALUE(not_here), "USEC", "not available: cgroup v2 has no such limit",
	 false},
	{"l3-cache-schema", 0, VALUE(not_here), "TEXT", "not available in the guest", false},
	{"mem-bw-schema", 0, VALUE(not_here), "TEXT", "not available in the guest", false},
};

/* Bytes with an optional suffix, in powers of 1024, as container tools write them. */
static int parse_bytes(const char *text, int64_t *ret)
{
	static const char suffixes[] = "kmgtp";
	char digits[24];
	size_t n = strspn(text, "-0123456789");
	unsigned shift = 0;

	if (n == 0 || n >= sizeof digits)
		return -EINVAL;
	(void) memcpy(digits, text, n);
	digits[n] = '\0';
	if (text[n] && text[n] != 'b' && text[n] != 'B') {
		const char *at = strchr(suffixes, text[n] | 0x20);

		if (!at || !*at)
			return -EINVAL;
		shift = 10 * (unsigned) (at - suffixes + 1);
		n++;
	}
	if (text[n] == 'b' || text[n] == 'B')
		n++;

	int r = num_parse_i64(digits, ret);

	if (r < 0 || text[n])
		return -EINVAL;
	if (*ret > INT64_MAX >> shift || *ret < INT64_MIN >> shift)
		return -ERANGE;
	*ret *= (int64_t) 1 << shift;
	return 0;
}

enum kind {
	KIND_NUMBER,
	KIND_BYTES,
	KIND_TEXT,
};

struct field {
	const char *option;
	const char *section; /* of the resources object */
	const char *key;
	enum kind kind;
	size_t offset;
};

static const struct field fields[] = {
	{"blkio-weight", "blockIO", "weight", KIND_NUMBER, offsetof(struct values, blkio_weight)},
	{"cpu-period", "cpu", "period", KIND_NUMBER, offsetof(struct values, cpu_period)},
	{"cpu-quota", "cpu", "quota", KIND_NUMBER, offsetof(struct values, cpu_quota)},
	{"cpu-share", "cpu", "shares", KIND_NUMBER, offsetof(struct values, cpu_share)},
	{"cpuset-cpus", "cpu", "cpus", KIND_TEXT, offsetof(struct values, cpuset_cpus)},
	{"cpuset-mems", "cpu", "mems", KIND_TEXT, offsetof(struct values, cpuset_mems)},
	{"memory", "memory", "limit", KIND_BYTES, offsetof(struct values, memory)},
	{"memory-reservation", "memory", "reservation", KIND_BYTES,
	 offsetof(struct values, memory_reservation)},
	{"memory-swap", "memory", "swap", KIND_BYTES, offsetof(struct values, memory_swap)},
	{"pids-limit", "pids", "limit", KIND_NUMBER, offsetof(struct values, pids_limit)},
};

static int add_field(json_t *resources, const struct field *f, const char *text, struct err *e)
{
	json_t *section = json_object_get(resources, f->section);
	json_t *value;
	int64_t number;

	if (!section) {
		section = json_object();
		(void) json_object_set_new(resources, f->section, section);
	}
	if (f->kind == KIND_TEXT) {
		value = json_string(text);
	} else {
		int r = f->kind == KIND_BYTES ? parse_bytes(text, &number)
					      : num_parse_i64(text, &number);

		if (r < 0)
			return err_say(e, EINVAL, "option --%s: '%s' is not a number", f->option,
				       text);
		value = json_integer(number);
	}
	return json_object_set_new(section, f->key, value) < 0
		       ? err_sys(e, ENOMEM, "describe limits")
		       : 0;
}

static int from_options(const struct values *v, char **ret, struct err *e)
{
	json_t *resources = json_object();
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(fields); i++) {
		const char *text = *(const char *const *) ((const char *) v + fields[i].offset);

		if (text)
			r = add_field(resources, &fields[i], text, e);
	}
	if (r == 0) {
		*ret = json_dumps(resources, JSON_COMPACT);
		if (!*ret)
			r = err_sys(e, ENOMEM, "describe limits");
	}
	json_decref(resources);
	return r;
}

static int from_file(const char *path, char **ret, struct err *e)
{
	/* Not by opening /dev/stdin, because that fails if stdin is a socket. */
	if (strcmp(path, "-") == 0)
		return file_read_fd(STDIN_FILENO, "stdin", OCI_DOCUMENT_MAX_BYTES, ret, NULL, e);
	return file_read(AT_FDCWD, path, OCI_DOCUMENT_MAX_BYTES, ret, NULL, e);
}

/* Checks here and not only in the server, so that the sentence names the field. */
static int check(const char *json, struct err *e)
{
	auto_ptr(oci_resources_free) Grpc__LinuxResources *resources = NULL;
	int r = oci_resources_parse(json, strlen(json), &resources, e);

	return r < 0 ? err_wrap(e, r, "resources") : oci_resources_check(resources, e);
}

static int update_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	Containerd__Task__V2__UpdateTaskRequest q = CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	const struct values *v = values;
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	auto_free char *json = NULL;

	(void) argc;
	if (v->not_here)
		return err_say(e, ENOTSUP,
			       "real-time and resctrl limits are not available in the guest");

	int r = v->resources ? from_file(v->resources, &json, e) : from_options(v, &json, e);

	if (r == 0)
		r = check(json, e);
	if (r == 0)
		r = shim_client_reach(cli, argv[0], "update", &s, e);
	if (r < 0)
		return r;
	any.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	any.value = (ProtobufCBinaryData){.data = (uint8_t *) json, .len = strlen(json)};
	q.id = argv[0];
	q.resources = &any;
	return shim_client_task(&s, "Update", &q.base, clock_deadline(UPDATE_TIMEOUT_MS), NULL, e);
}

const struct verb verb_update = {
	.name = "update",
	.arguments = "ID",
	.help = "change the limits of a container",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.min_args = 1,
	.max_args = 1,
	.run = update_run,
};
