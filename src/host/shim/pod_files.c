#include "host/shim/pod_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "oci/oci.h"

#define SHM       "/dev/shm"
#define SHM_NAME  "shm"
#define SHM_DATA  "mode=1777,size=64M" /* as containerd's */
#define MAX_BYTES ((size_t) 1 << 20)

static const struct {
	const char *destination, *name;
} files[] = {
	{"/etc/hostname", "hostname"},
	{"/etc/hosts", "hosts"},
	{"/etc/resolv.conf", "resolv.conf"},
};

/* ---- Make ---- */

static int write_file(const char *folder, const char *name, const char *text, struct err *e)
{
	auto_free char *path = str_printf("%s/%s", folder, name);

	return path ? file_replace(AT_FDCWD, path, text, strlen(text), 0644, e)
		    : err_sys(e, ENOMEM, "make the pod's files");
}

static int copy_file(const char *folder, const char *name, const char *from, struct err *e)
{
	auto_free char *text = NULL;
	struct err why = {0};
	int r = file_read_regular(AT_FDCWD, from, MAX_BYTES, &text, NULL, &why);

	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	return write_file(folder, name, text, e);
}

static int mount_shm(const char *folder, struct err *e)
{
	auto_free char *path = str_printf("%s/" SHM_NAME, folder);

	if (!path)
		return err_sys(e, ENOMEM, "make the pod's files");
	if (mkdir(path, 0711) < 0 && errno != EEXIST)
		return err_sys(e, errno, "make folder '%s'", path);
	if (mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, SHM_DATA) < 0)
		return err_sys(e, errno, "mount a tmpfs on '%s'", path);
	return 0;
}

int pod_files_make(const char *folder, const char *hostname, const char *resolv_conf, struct err *e)
{
	auto_free char *line = str_printf("%s\n", hostname);
	int r = line ? write_file(folder, "hostname", line, e)
		     : err_sys(e, ENOMEM, "make the pod's files");

	if (r == 0)
		r = copy_file(folder, "hosts", "/etc/hosts", e);
	if (r == 0 && resolv_conf)
		r = write_file(folder, "resolv.conf", resolv_conf, e);
	else if (r == 0)
		r = copy_file(folder, "resolv.conf", "/etc/resolv.conf", e);
	return r < 0 ? r : mount_shm(folder, e);
}

/* ---- Add ---- */

static Grpc__Mount *find(const Grpc__Spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (spec->mounts[i]->destination &&
		    strcmp(spec->mounts[i]->destination, destination) == 0)
			return spec->mounts[i];
	return NULL;
}

static Grpc__Mount *mount_new(const char *source, const char *destination, const char *mode)
{
	Grpc__Mount *m = calloc(1, sizeof *m);

	if (!m)
		return NULL;
	grpc__mount__init(m);
	m->options = calloc(3, sizeof *m->options);
	m->destination = strdup(destination);
	m->source = strdup(source);
	m->type = strdup("bind");
	if (m->options) {
		m->n_options = 3;
		m->options[0] = strdup("rbind");
		m->options[1] = strdup("rprivate");
		m->options[2] = strdup(mode);
	}
	if (m->options && m->destination && m->source && m->type && m->options[0] &&
	    m->options[1] && m->options[2])
		return m;
	grpc__mount__free_unpacked(m, NULL);
	return NULL;
}

/* In the place of *@place, or behind all others. */
static int add(Grpc__Spec *spec, Grpc__Mount **place, Grpc__Mount *take_mount, struct err *e)
{
	if (!take_mount)
		return err_sys(e, ENOMEM, "add the pod's files");
	if (place) {
		grpc__mount__free_unpacked(*place, NULL);
		*place = take_mount;
		return 0;
	}

	Grpc__Mount **longer = reallocarray(spec->mounts, spec->n_mounts + 1, sizeof *spec->mounts);

	if (!longer) {
		grpc__mount__free_unpacked(take_mount, NULL);
		return err_sys(e, ENOMEM, "add the pod's files");
	}
	spec->mounts = longer;
	longer[spec->n_mounts++] = take_mount;
	return 0;
}

/* A tmpfs there is the engine's default for containers that are in no pod; a bind mount is a volume
 * of the pod's, and stays. */
static int add_shm(const char *folder, Grpc__Spec *spec, struct err *e)
{
	auto_free char *source = str_printf("%s/" SHM_NAME, folder);
	Grpc__Mount **place = NULL;

	for (size_t i = 0; i < spec->n_mounts; i++)
		if (find(spec, SHM) == spec->mounts[i])
			place = &spec->mounts[i];
	if (place && (!(*place)->type || strcmp((*place)->type, "tmpfs") != 0))
		return 0;
	return add(spec, place, source ? mount_new(source, SHM, "rw") : NULL, e);
}

int pod_files_complete(void *folder, Grpc__Spec *spec, struct err *e)
{
	const char *mode = spec->root && spec->root->readonly ? "ro" : "rw";
	int r = add_shm(folder, spec, e);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(files); i++) {
		auto_free char *source = str_printf("%s/%s", (const char *) folder, files[i].name);

		if (source && (find(spec, files[i].destination) || access(source, F_OK) < 0))
			continue;
		r = add(spec, NULL, source ? mount_new(source, files[i].destination, mode) : NULL,
			e);
	}
	return r;
}
