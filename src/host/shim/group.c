#include "host/shim/group.h"

#include <errno.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "oci/oci.h"

/* The annotations that name a container's pod: containerd's CRI, CRI-O, and the group of
 * containerd's other clients. */
static const char *const pod_annotations[] = {
	"io.kubernetes.cri.sandbox-id",
	"io.kubernetes.cri-o.SandboxID",
	"io.containerd.runc.v2.group",
};

static const char *annotation(const Grpc__Spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++)
		if (strcmp(spec->annotations[i]->key, key) == 0 && spec->annotations[i]->value[0])
			return spec->annotations[i]->value;
	return NULL;
}

int group_of(const char *bundle, const char *id, char **ret, struct err *e)
{
	auto_free char *path = str_printf("%s/config.json", bundle);
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	const char *pod = NULL;
	int r = path ? oci_spec_read(path, &spec, e) : err_sys(e, ENOMEM, "read config.json");

	if (r == -ENOENT)
		err_clear(e); /* a pod that containerd makes by the sandbox API has none */
	else if (r < 0)
		return r;
	for (size_t i = 0; spec && !pod && i < ARRAY_LEN(pod_annotations); i++)
		pod = annotation(spec, pod_annotations[i]);
	if (pod && oci_id_check(pod, e) < 0)
		return err_wrap(e, -EINVAL, "annotation that names the pod");
	if (!pod && oci_id_check(id, e) < 0)
		return err_wrap(e, -EINVAL, "flag -id");
	*ret = strdup(pod ? pod : id);
	return *ret ? 0 : err_sys(e, ENOMEM, "read config.json");
}
