#include "host/shim/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/proc_stat.h"
#include "host/state/wanted_namespaces.h"

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

/* ---- By namespaces, as Docker says it ---- */

#define ARGUMENTS_BYTES_MAX 4096

/* The value behind @flag among @bytes of arguments that end with a zero each, or NULL. Behind the
 * last is one more zero. */
static const char *value_of(const char *arguments, size_t bytes, const char *flag)
{
	bool is_next = false;

	for (size_t at = 0; at < bytes; at += strlen(&arguments[at]) + 1) {
		if (is_next)
			return &arguments[at];
		is_next = strcmp(&arguments[at], flag) == 0;
	}
	return NULL;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat first, second;

	return stat(a, &first) == 0 && stat(b, &second) == 0 && file_is_same(&first, &second);
}

/* A process of this program in the namespaces of this one: nothing in a container is, whatever it
 * calls itself. */
static bool is_ours(pid_t pid)
{
	static const char *const files[] = {"exe", "ns/pid", "ns/user"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char own[32], its[48];

		(void) snprintf(own, sizeof own, "/proc/self/%s", files[i]);
		(void) snprintf(its, sizeof its, "/proc/%d/%s", pid, files[i]);
		if (!is_same_file(own, its))
			return false;
	}
	return true;
}

static bool is_same(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "") == 0;
}

/* The pod that the process @pid is the server of, for the same containerd and in the same namespace
 * of its; NULL: it is no such server. What it was started with (start.c) says so. Freed by the
 * caller. */
static char *pod_of_server(pid_t pid, const struct shim_options *o)
{
	auto_free char *path = str_printf("/proc/%d/cmdline", pid);
	auto_free char *arguments = NULL;
	size_t bytes = 0;

	if (!path || !is_ours(pid) ||
	    file_read(AT_FDCWD, path, ARGUMENTS_BYTES_MAX, &arguments, &bytes, NULL) < 0)
		return NULL;

	const char *pod = value_of(arguments, bytes, "-id");

	if (!pod || !is_same(value_of(arguments, bytes, "-namespace"), o->namespace) ||
	    !is_same(value_of(arguments, bytes, "-address"), o->address))
		return NULL;
	return strdup(pod);
}

/* A container's process on the host is a child of its pod's server. */
static char *pod_of_process(pid_t pid, const struct wanted_namespaces *w,
			    const struct shim_options *o)
{
	uint64_t parent = 0;

	if (!wanted_namespaces_has(w, pid) || proc_stat_read(pid, PROC_STAT_PARENT, &parent, 1) < 0)
		return NULL;
	return pod_of_server((pid_t) parent, o);
}

/* *@ret becomes @pod, which is swallowed, unless it was another one. */
static int settle(char *pod, char **ret, struct err *e)
{
	int r = 0;

	if (*ret && strcmp(*ret, pod) != 0)
		r = err_say(e, EINVAL,
			    "linux.namespaces: those of the pods '%s' and '%s' are in two "
			    "machines, and a container is in one",
			    *ret, pod);
	if (r == 0 && !*ret)
		*ret = take_ptr(pod);
	free(pod);
	return r;
}

/* The pod of a container that has one of the namespaces which @spec names by a path; *@ret stays
 * NULL if there is none. Freed by the caller. */
static int pod_by_namespaces(const Grpc__Spec *spec, const struct shim_options *o, char **ret,
			     struct err *e)
{
	const struct wanted_namespaces w = wanted_namespaces_of(spec);
	DIR *all = w.n ? opendir("/proc") : NULL;
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && all && (entry = readdir(all))) {
		pid_t pid = (pid_t) strtol(entry->d_name, NULL, 10);
		char *pod = pid > 0 ? pod_of_process(pid, &w, o) : NULL;

		if (pod)
			r = settle(pod, ret, e);
	}
	if (all)
		(void) closedir(all);
	return r;
}

/* ---- Whoever says it ---- */

static const char *pod_by_annotation(const Grpc__Spec *spec)
{
	const char *pod = NULL;

	for (size_t i = 0; !pod && i < ARRAY_LEN(pod_annotations); i++)
		pod = annotation(spec, pod_annotations[i]);
	return pod;
}

/* *@ret stays NULL where nobody says anything. */
static int find_pod(const Grpc__Spec *spec, const struct shim_options *o, char **ret, struct err *e)
{
	const char *pod = pod_by_annotation(spec);

	if (!pod)
		return pod_by_namespaces(spec, o, ret, e);
	if (oci_id_check(pod, e) < 0)
		return err_wrap(e, -EINVAL, "annotation that names the pod");
	*ret = strdup(pod);
	return *ret ? 0 : err_sys(e, ENOMEM, "read config.json");
}

int group_of(const char *bundle, const struct shim_options *o, char **ret, struct err *e)
{
	auto_free char *path = str_printf("%s/config.json", bundle);
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	auto_free char *pod = NULL;
	int r = path ? oci_spec_read(path, &spec, e) : err_sys(e, ENOMEM, "read config.json");

	if (r == 0)
		r = find_pod(spec, o, &pod, e);
	else if (r == -ENOENT)
		err_clear(e); /* a pod that containerd makes by the sandbox API has none */
	if (r < 0 && r != -ENOENT)
		return r;
	if (!pod && oci_id_check(o->id, e) < 0)
		return err_wrap(e, -EINVAL, "flag -id");
	*ret = pod ? take_ptr(pod) : strdup(o->id);
	return *ret ? 0 : err_sys(e, ENOMEM, "read config.json");
}
