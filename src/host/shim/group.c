#include "host/shim/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/proc_stat.h"
#include "host/state/names.h"
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

static bool is_callers(pid_t pid)
{
	char path[32];
	struct stat st;

	(void) snprintf(path, sizeof path, "/proc/%d", pid);
	return stat(path, &st) == 0 && st.st_uid == geteuid();
}

/* The pod that the process @pid is the server of, in that namespace of containerd's; NULL: it is no
 * server. What it was started with (start.c) says so. Freed by the caller. */
static char *pod_of_server(pid_t pid, const char *namespace)
{
	auto_free char *path = str_printf("/proc/%d/cmdline", pid);
	auto_free char *arguments = NULL;
	size_t bytes = 0;

	if (!path || !is_callers(pid) ||
	    file_read(AT_FDCWD, path, ARGUMENTS_BYTES_MAX, &arguments, &bytes, NULL) < 0)
		return NULL;
	if (bytes == 0 || strcmp(arguments, SERVER_PROGRAM) != 0)
		return NULL;

	const char *of = value_of(arguments, bytes, "-namespace");
	const char *pod = value_of(arguments, bytes, "-id");

	return of && pod && strcmp(of, namespace) == 0 ? strdup(pod) : NULL;
}

/* A container's process on the host is a child of its pod's server. */
static char *pod_of_process(pid_t pid, const struct wanted_namespaces *w, const char *namespace)
{
	uint64_t parent = 0;

	if (!wanted_namespaces_has(w, pid) || proc_stat_read(pid, PROC_STAT_PARENT, &parent, 1) < 0)
		return NULL;
	return pod_of_server((pid_t) parent, namespace);
}

/* The pod of a container that has one of the namespaces which @spec names by a path, or NULL. Freed
 * by the caller. */
static char *pod_by_namespaces(const Grpc__Spec *spec, const char *namespace)
{
	const struct wanted_namespaces w = wanted_namespaces_of(spec);
	DIR *all = w.n ? opendir("/proc") : NULL;
	const struct dirent *entry;
	char *pod = NULL;

	while (all && !pod && (entry = readdir(all))) {
		pid_t pid = (pid_t) strtol(entry->d_name, NULL, 10);

		if (pid > 0)
			pod = pod_of_process(pid, &w, namespace);
	}
	if (all)
		(void) closedir(all);
	return pod;
}

/* ---- Whoever says it ---- */

int group_of(const char *bundle, const char *id, const char *namespace, char **ret, struct err *e)
{
	auto_free char *path = str_printf("%s/config.json", bundle);
	auto_ptr(oci_spec_free) Grpc__Spec *spec = NULL;
	auto_free char *shares = NULL;
	const char *pod = NULL;
	int r = path ? oci_spec_read(path, &spec, e) : err_sys(e, ENOMEM, "read config.json");

	if (r == -ENOENT)
		err_clear(e); /* a pod that containerd makes by the sandbox API has none */
	else if (r < 0)
		return r;
	for (size_t i = 0; spec && !pod && i < ARRAY_LEN(pod_annotations); i++)
		pod = annotation(spec, pod_annotations[i]);
	if (spec && !pod)
		pod = shares = pod_by_namespaces(spec, namespace);
	if (pod && oci_id_check(pod, e) < 0)
		return err_wrap(e, -EINVAL, "annotation that names the pod");
	if (!pod && oci_id_check(id, e) < 0)
		return err_wrap(e, -EINVAL, "flag -id");
	*ret = strdup(pod ? pod : id);
	return *ret ? 0 : err_sys(e, ENOMEM, "read config.json");
}
