#include "host/shim/pod_spec.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"

static const char *const kind_annotations[] = {
	"io.kubernetes.cri.container-type",
	"io.kubernetes.cri-o.ContainerType",
};

/* "sandbox", "container", or "" outside of Kubernetes. */
static const char *kind_of(const Grpc__Spec *spec)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		for (size_t k = 0; k < ARRAY_LEN(kind_annotations); k++)
			if (strcmp(spec->annotations[i]->key, kind_annotations[k]) == 0)
				return spec->annotations[i]->value;
	return "";
}

bool pod_spec_is_sandbox(const Grpc__Spec *spec)
{
	return strcmp(kind_of(spec), "sandbox") == 0;
}

static bool has_namespace(const Grpc__Linux *l, const char *type)
{
	for (size_t i = 0; i < l->n_namespaces; i++)
		if (l->namespaces[i]->type && strcmp(l->namespaces[i]->type, type) == 0)
			return true;
	return false;
}

int pod_spec_check(const Grpc__Spec *spec, struct err *e)
{
	static const struct {
		const char *type, *field, *what;
	} own[] = {
		{"network", "hostNetwork", "network"},
		{"pid", "hostPID", "processes"},
		{"ipc", "hostIPC", "shared memory"},
	};

	if (!kind_of(spec)[0] || !spec->linux)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (!has_namespace(spec->linux, own[i].type))
			return err_say(e, ENOTSUP,
				       "linux.namespaces: no '%s' (%s): a pod in a virtual machine "
				       "cannot have the host's %s, because its programs run under "
				       "the guest's kernel",
				       own[i].type, own[i].field, own[i].what);
	return 0;
}
