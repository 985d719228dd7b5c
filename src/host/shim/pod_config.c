#include "host/shim/pod_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/shim/bootstrap.h"
#include "oci/oci.h"
#include "pod_config.pb-c.h"
#include "ttrpc/ttrpc.h"

#define POD_CONFIG_TYPE "runtime.v1.PodSandboxConfig"

static int annotate(struct pod_config *p, const char *key, const char *value, struct err *e)
{
	Grpc__Spec__AnnotationsEntry *a = malloc(sizeof *a);

	if (!a)
		return err_sys(e, ENOMEM, "read the pod's annotations");
	grpc__spec__annotations_entry__init(a);
	p->annotations[p->n_annotations++] = a;
	a->key = strdup(key);
	a->value = strdup(value);
	return a->key && a->value ? 0 : err_sys(e, ENOMEM, "read the pod's annotations");
}

/* Both are sums of what is said, because a limit that is not said is none. */
static void add_resources(struct pod_config *p, const Runtime__V1__LinuxContainerResources *from)
{
	if (from->memory_limit_in_bytes > 0) {
		p->memory.has_limit = true;
		if (__builtin_add_overflow(p->memory.limit, from->memory_limit_in_bytes,
					   &p->memory.limit))
			p->memory.limit = INT64_MAX;
	}
	if (from->cpu_quota > 0 && from->cpu_period > 0 &&
	    (!p->cpu.has_period || p->cpu.period == (uint64_t) from->cpu_period)) {
		p->cpu.has_quota = p->cpu.has_period = true;
		p->cpu.period = (uint64_t) from->cpu_period;
		if (__builtin_add_overflow(p->cpu.quota, from->cpu_quota, &p->cpu.quota))
			p->cpu.quota = INT64_MAX;
	}
}

static int take_resources(struct pod_config *p, const Runtime__V1__LinuxPodSandboxConfig *from,
			  struct err *e)
{
	if (from->resources) {
		add_resources(p, from->resources);
		p->cpus = strdup(from->resources->cpuset_cpus);
		p->cpu.cpus = p->cpus;
	}
	if (from->overhead && (p->memory.has_limit || p->cpu.has_quota))
		add_resources(p, from->overhead);
	if (p->memory.has_limit)
		p->resources.memory = &p->memory;
	p->resources.cpu = &p->cpu;
	p->spec.resources = &p->resources;

	int r = oci_resources_check(&p->resources, e);

	return r < 0 ? err_wrap(e, r, "the pod's resources") : 0;
}

static int take_pod(struct pod_config *p, const Google__Protobuf__Any *options,
		    const Runtime__V1__PodSandboxConfig **ret, ProtobufCMessage **ret_message,
		    struct err *e)
{
	int r;

	*ret = NULL;
	if (!options || strcmp(options->type_url, POD_CONFIG_TYPE) != 0)
		return 0;
	r = ttrpc_unpack(&runtime__v1__pod_sandbox_config__descriptor, options->value.data,
			 options->value.len, ret_message, e);
	if (r < 0)
		return err_wrap(e, r, "read the pod's configuration");

	const Runtime__V1__PodSandboxConfig *pod = (const void *) *ret_message;

	*ret = pod;
	p->hostname = strdup(pod->hostname);
	p->spec.hostname = p->hostname;
	if (!p->hostname)
		return err_sys(e, ENOMEM, "read the pod's configuration");
	return pod->linux ? take_resources(p, pod->linux, e) : 0;
}

int pod_config_read(const Containerd__Runtime__Sandbox__V1__CreateSandboxRequest *q,
		    struct pod_config *ret, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *message = NULL;
	const Runtime__V1__PodSandboxConfig *pod;

	*ret = (struct pod_config){0};
	grpc__linux_resources__init(&ret->resources);
	grpc__linux_memory__init(&ret->memory);
	grpc__linux_cpu__init(&ret->cpu);
	ret->config_path = bootstrap_config_path(q->options);
	ret->spec.config_path = ret->config_path;

	int r = take_pod(ret, q->options, &pod, &message, e);

	if (r < 0)
		return r;
	ret->annotations = calloc((pod ? pod->n_annotations : 0) + q->n_annotations + 1,
				  sizeof *ret->annotations);
	if (!ret->annotations)
		return err_sys(e, ENOMEM, "read the pod's annotations");
	for (size_t i = 0; pod && r == 0 && i < pod->n_annotations; i++)
		r = annotate(ret, pod->annotations[i]->key, pod->annotations[i]->value, e);
	for (size_t i = 0; r == 0 && i < q->n_annotations; i++)
		r = annotate(ret, q->annotations[i]->key, q->annotations[i]->value, e);
	ret->spec.annotations = ret->annotations;
	ret->spec.n_annotations = ret->n_annotations;
	return r;
}

void pod_config_fini(struct pod_config *p)
{
	for (size_t i = 0; i < p->n_annotations; i++)
		ttrpc_message_free(&p->annotations[i]->base);
	free(p->annotations);
	free(p->hostname);
	free(p->config_path);
	free(p->cpus);
	*p = (struct pod_config){0};
}
