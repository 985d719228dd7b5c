/* Volumes that the guest has or makes itself: nothing of the host gets into it for them. */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "host/storage/volume_driver.h"

/* File systems that belong to a kernel, not to a disk: the guest mounts its own. */
static const char guest_types[][12] = {
	"proc",   "sysfs",   "tmpfs",      "ramfs",       "devpts",   "devtmpfs",   "mqueue",
	"cgroup", "cgroup2", "securityfs", "debugfs",     "tracefs",  "bpf",        "hugetlbfs",
	"pstore", "fusectl", "configfs",   "binfmt_misc", "efivarfs", "rpc_pipefs",
};

bool volume_is_guests(const struct volume_task *t)
{
	for (size_t i = 0; i < ARRAY_LEN(guest_types); i++)
		if (t->mount->type && strcmp(t->mount->type, guest_types[i]) == 0)
			return true;
	return false;
}

bool volume_is_kernels(const struct volume_task *t)
{
	return t->kernel_place;
}

int volume_make_kernels(struct volume_task *t, struct volume *ret, struct err *e)
{
	(void) ret;
	return volume_mount_set(&t->mount->source, t->kernel_place, e);
}

bool volume_is_shm(const struct volume_task *t)
{
	return t->is_bind && strcmp(t->mount->destination, "/dev/shm") == 0 &&
	       t->fs.f_type == TMPFS_MAGIC && S_ISDIR(t->stat.st_mode);
}

/* The tmpfs that the pod's containers share: the guest has mounted it already. */
static bool is_pods(const struct volume_task *t)
{
	const struct volume_shm *pod = t->owner->shm;

	return pod && pod->ino && pod->dev == t->stat.st_dev && pod->ino == t->stat.st_ino;
}

/* The tmpfs of the guest has the size of the host's, because the share would be a detour. Its
 * options are those of a tmpfs, not those of the bind mount. */
int volume_make_shm(struct volume_task *t, struct volume *ret, struct err *e)
{
	char *words[] = {"nosuid", "noexec", "nodev", "mode=1777", NULL};
	size_t n = ARRAY_LEN(words);
	Grpc__Mount *m = t->mount;

	(void) ret;
	if (is_pods(t))
		return volume_mount_set(&m->source, VOLUME_SHM_GUEST_PATH, e);

	char **options = calloc(n, sizeof *options);

	if (!options)
		return err_sys(e, ENOMEM, "rewrite the spec");
	for (size_t i = 0; i < n; i++) {
		options[i] = words[i] ? strdup(words[i])
				      : str_printf("size=%llu",
						   (unsigned long long) t->fs.f_blocks *
							   (unsigned long long) t->fs.f_bsize);
	}
	for (size_t i = 0; i < m->n_options; i++)
		free(m->options[i]);
	free(m->options);
	m->options = options;
	m->n_options = n;

	int r = volume_mount_set(&m->type, "tmpfs", e);

	return r < 0 ? r : volume_mount_set(&m->source, "shm", e);
}
