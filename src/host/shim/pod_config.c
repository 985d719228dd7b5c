#include "host/shim/pod_config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "host/shim/bootstrap.h"
#include "oci/oci.h"
#include "pod_config.pb-c.h"
#include "ttrpc/ttrpc.h"

#define POD_CONFIG_TYPE "runtime.v1.PodSandboxConfig"
/* As containerd names a pod's container in a slice of systemd's. */
#define SYSTEMD_PREFIX "cri-containerd"

typedef Containerd__Runtime__Sandbox__V1__CreateSandboxRequest create_request;

/* A document that is written; @broken: out of memory, or some text is no UTF-8. */
struct draft {
	bool broken;
};

static void put(struct draft *d, json_t *object, const char *key, json_t *take_value)
{
	d->broken |= json_object_set_new(object, key, take_value) < 0;
}

static void append(struct draft *d, json_t *list, json_t *take_value)
{
	d->broken |= json_array_append_new(list, take_value) < 0;
}

/* ---- Resources ---- */

struct sum {
	int64_t memory_bytes, cpu_quota, cpu_period; /* 0: not said */
};

static int64_t plus(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* Both are sums of what is said, because a limit that is not said is none. */
static void add_resources(struct sum *s, const Runtime__V1__LinuxContainerResources *from)
{
	if (from->memory_limit_in_bytes > 0)
		s->memory_bytes = plus(s->memory_bytes, from->memory_limit_in_bytes);
	if (from->cpu_quota > 0 && from->cpu_period > 0 &&
	    (!s->cpu_period || s->cpu_period == from->cpu_period)) {
		s->cpu_quota = plus(s->cpu_quota, from->cpu_quota);
		s->cpu_period = from->cpu_period;
	}
}

static json_t *write_resources(struct draft *d, const Runtime__V1__LinuxPodSandboxConfig *from)
{
	json_t *resources = json_object(), *memory = json_object(), *cpu = json_object();
	struct sum s = {0};

	if (from && from->resources)
		add_resources(&s, from->resources);
	if (from && from->overhead && (s.memory_bytes || s.cpu_quota))
		add_resources(&s, from->overhead);
	if (s.memory_bytes)
		put(d, memory, "limit", json_integer(s.memory_bytes));
	if (s.cpu_quota) {
		put(d, cpu, "quota", json_integer(s.cpu_quota));
		put(d, cpu, "period", json_integer(s.cpu_period));
	}
	if (from && from->resources && from->resources->cpuset_cpus[0])
		put(d, cpu, "cpus", json_string(from->resources->cpuset_cpus));
	put(d, resources, "memory", memory);
	put(d, resources, "cpu", cpu);
	return resources;
}

/* ---- The other parts of the spec ---- */

static void write_namespace(struct draft *d, json_t *list, const char *type, const char *path,
			    Runtime__V1__NamespaceMode mode)
{
	json_t *o;

	if (mode == RUNTIME__V1__NAMESPACE_MODE__NODE)
		return;
	o = json_object();
	put(d, o, "type", json_string(type));
	if (path[0])
		put(d, o, "path", json_string(path));
	append(d, list, o);
}

static const Runtime__V1__NamespaceOption *namespace_options(
	const Runtime__V1__LinuxPodSandboxConfig *from)
{
	static const Runtime__V1__NamespaceOption all_new = RUNTIME__V1__NAMESPACE_OPTION__INIT;
	const Runtime__V1__LinuxSandboxSecurityContext *security =
		from ? from->security_context : NULL;

	return security && security->namespace_options ? security->namespace_options : &all_new;
}

/* Of a pod with "hostUsers: false"; else NULL. */
static const Runtime__V1__UserNamespace *users_of(const Runtime__V1__LinuxPodSandboxConfig *from)
{
	const Runtime__V1__UserNamespace *users = namespace_options(from)->userns_options;

	return users && users->mode == RUNTIME__V1__NAMESPACE_MODE__POD ? users : NULL;
}

static json_t *write_mappings(struct draft *d, Runtime__V1__IDMapping *const *maps, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *o = json_object();

		put(d, o, "containerID", json_integer(maps[i]->container_id));
		put(d, o, "hostID", json_integer(maps[i]->host_id));
		put(d, o, "size", json_integer(maps[i]->length));
		append(d, list, o);
	}
	return list;
}

static json_t *write_namespaces(struct draft *d, const create_request *q,
				const Runtime__V1__LinuxPodSandboxConfig *from)
{
	const Runtime__V1__NamespaceOption *wants = namespace_options(from);
	json_t *list = json_array();

	write_namespace(d, list, "mount", "", RUNTIME__V1__NAMESPACE_MODE__POD);
	write_namespace(d, list, "uts", "", RUNTIME__V1__NAMESPACE_MODE__POD);
	write_namespace(d, list, "ipc", "", wants->ipc);
	write_namespace(d, list, "pid", "", wants->pid);
	write_namespace(d, list, "network", q->netns_path, wants->network);
	if (users_of(from))
		write_namespace(d, list, "user", "", RUNTIME__V1__NAMESPACE_MODE__POD);
	return list;
}

static json_t *write_cgroups_path(const char *parent, const char *id)
{
	const char *slash = strrchr(parent, '/');
	const char *base = slash ? slash + 1 : parent;
	size_t bytes = strlen(base);
	bool is_slice = bytes > 6 && strcmp(base + bytes - 6, ".slice") == 0;
	auto_free char *path = is_slice ? str_printf("%s:" SYSTEMD_PREFIX ":%s", base, id)
					: str_printf("%s/%s", parent, id);

	return path ? json_string(path) : NULL;
}

static json_t *write_linux(struct draft *d, const create_request *q,
			   const Runtime__V1__LinuxPodSandboxConfig *from)
{
	const Runtime__V1__UserNamespace *users = users_of(from);
	json_t *linux = json_object(), *sysctl = json_object();

	put(d, linux, "namespaces", write_namespaces(d, q, from));
	if (users) {
		put(d, linux, "uidMappings", write_mappings(d, users->uids, users->n_uids));
		put(d, linux, "gidMappings", write_mappings(d, users->gids, users->n_gids));
	}
	put(d, linux, "resources", write_resources(d, from));
	for (size_t i = 0; from && i < from->n_sysctls; i++)
		put(d, sysctl, from->sysctls[i]->key, json_string(from->sysctls[i]->value));
	put(d, linux, "sysctl", sysctl);
	if (from && from->cgroup_parent[0])
		put(d, linux, "cgroupsPath",
		    write_cgroups_path(from->cgroup_parent, q->sandbox_id));
	return linux;
}

/* The last one says what the container is, whatever the pod's annotations say. */
static json_t *write_annotations(struct draft *d, const create_request *q,
				 const Runtime__V1__PodSandboxConfig *pod)
{
	json_t *o = json_object();

	for (size_t i = 0; pod && i < pod->n_annotations; i++)
		put(d, o, pod->annotations[i]->key, json_string(pod->annotations[i]->value));
	for (size_t i = 0; i < q->n_annotations; i++)
		put(d, o, q->annotations[i]->key, json_string(q->annotations[i]->value));
	put(d, o, "io.kubernetes.cri.container-type", json_string("sandbox"));
	return o;
}

static json_t *write_hostname(const Runtime__V1__PodSandboxConfig *pod)
{
	char host[256] = "";

	if (pod && pod->hostname[0])
		return json_string(pod->hostname);
	(void) gethostname(host, sizeof host - 1);
	return json_string(host);
}

/* The process is what ps(1) shows of the one that stands in for it. */
static json_t *write_process(struct draft *d)
{
	json_t *process = json_object(), *user = json_object(), *args = json_array();

	put(d, user, "uid", json_integer(0));
	put(d, user, "gid", json_integer(0));
	append(d, args, json_string("pause"));
	put(d, process, "user", user);
	put(d, process, "args", args);
	put(d, process, "cwd", json_string("/"));
	return process;
}

static json_t *write_root(struct draft *d)
{
	json_t *root = json_object();

	put(d, root, "path", json_string("rootfs"));
	return root;
}

static int write_spec(const create_request *q, const Runtime__V1__PodSandboxConfig *pod, char **ret,
		      struct err *e)
{
	struct draft d = {0};
	json_t *spec = json_object();

	put(&d, spec, "ociVersion", json_string(OCI_VERSION));
	put(&d, spec, "process", write_process(&d));
	put(&d, spec, "root", write_root(&d));
	put(&d, spec, "hostname", write_hostname(pod));
	put(&d, spec, "annotations", write_annotations(&d, q, pod));
	put(&d, spec, "linux", write_linux(&d, q, pod ? pod->linux : NULL));
	*ret = d.broken ? NULL : json_dumps(spec, JSON_COMPACT);
	json_decref(spec);
	return *ret ? 0
		    : err_say(e, EINVAL,
			      "the pod's configuration: some text is not UTF-8, or too long");
}

/* ---- Name service ---- */

static void print_words(FILE *out, const char *key, char *const *words, size_t n)
{
	if (n == 0)
		return;
	(void) fputs(key, out);
	for (size_t i = 0; i < n; i++)
		(void) fprintf(out, " %s", words[i]);
	(void) fputc('\n', out);
}

/* resolv.conf(5). */
static int write_resolv_conf(const Runtime__V1__DNSConfig *dns, char **ret, struct err *e)
{
	size_t bytes;
	FILE *out;

	if (!dns || dns->n_servers + dns->n_searches + dns->n_options == 0)
		return 0;
	out = open_memstream(ret, &bytes);
	if (!out)
		return err_sys(e, errno, "write the pod's resolv.conf");
	print_words(out, "search", dns->searches, dns->n_searches);
	for (size_t i = 0; i < dns->n_servers; i++)
		print_words(out, "nameserver", &dns->servers[i], 1);
	print_words(out, "options", dns->options, dns->n_options);
	return fclose(out) == 0 ? 0 : err_sys(e, ENOMEM, "write the pod's resolv.conf");
}

/* ---- All of it ---- */

static int unpack(const Google__Protobuf__Any *options, ProtobufCMessage **ret, struct err *e)
{
	int r;

	if (!options || strcmp(options->type_url, POD_CONFIG_TYPE) != 0)
		return 0;
	r = ttrpc_unpack(&runtime__v1__pod_sandbox_config__descriptor, options->value.data,
			 options->value.len, ret, e);
	return r < 0 ? err_wrap(e, r, "read the pod's configuration") : 0;
}

int pod_config_read(const create_request *q, struct pod_config *ret, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *message = NULL;
	auto_free char *text = NULL;

	*ret = (struct pod_config){.config_path = bootstrap_config_path(q->options)};

	int r = unpack(q->options, &message, e);
	const Runtime__V1__PodSandboxConfig *pod = (const void *) message;

	if (r == 0)
		r = write_resolv_conf(pod ? pod->dns_config : NULL, &ret->resolv_conf, e);
	if (r == 0)
		r = write_spec(q, pod, &text, e);
	if (r == 0)
		r = oci_spec_parse(text, strlen(text), &ret->spec, e);
	return r;
}

void pod_config_fini(struct pod_config *p)
{
	oci_spec_free(p->spec);
	free(p->config_path);
	free(p->resolv_conf);
	*p = (struct pod_config){0};
}
