/* What the agent mounts for a volume, or finds, before it makes the container. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/storage/volume_driver.h"

/* The agent mounts only below this folder, and its subfolder "shared" is the share. */
#define GUEST_FOLDER "/run/kata-containers"

char *volume_guest_place(const struct volume_owner *owner, const char *name, size_t number)
{
	return str_printf(GUEST_FOLDER "/%s/%s/%zu", owner->container_id, name, number);
}

static size_t count(const struct list *volumes)
{
	size_t n = 0;

	list_for_each (pos, volumes)
		n++;
	return n;
}

char *volume_next_guest_place(const struct volume_owner *owner, const char *name)
{
	return volume_guest_place(owner, name, count(owner->volumes));
}

Grpc__Storage *volume_storage_new(const char *driver, const char *source, const char *fstype,
				  const char *place)
{
	Grpc__Storage *s = malloc(sizeof *s);

	if (!s)
		return NULL;
	grpc__storage__init(s);
	s->driver = strdup(driver);
	s->source = strdup(source);
	s->fstype = strdup(fstype);
	s->mount_point = strdup(place);
	if (s->driver && s->source && s->fstype && s->mount_point)
		return s;
	grpc__storage__free_unpacked(s, NULL);
	return NULL;
}

Grpc__Device *volume_device_new(const char *path)
{
	Grpc__Device *d = malloc(sizeof *d);

	if (!d)
		return NULL;
	grpc__device__init(d);
	d->container_path = strdup(path);
	if (d->container_path)
		return d;
	grpc__device__free_unpacked(d, NULL);
	return NULL;
}

/* Adds a copy of @word to a list of strings. */
static int add_word(char ***list, size_t *n, const char *word, struct err *e)
{
	char **longer = reallocarray(*list, *n + 1, sizeof *longer);

	if (longer) {
		*list = longer;
		longer[*n] = strdup(word);
	}
	if (!longer || !longer[*n])
		return err_sys(e, ENOMEM, "describe what the guest mounts");
	++*n;
	return 0;
}

int volume_storage_add_option(Grpc__Storage *s, const char *word, struct err *e)
{
	return add_word(&s->options, &s->n_options, word, e);
}

int volume_storage_add_driver_option(Grpc__Storage *s, const char *word, struct err *e)
{
	return add_word(&s->driver_options, &s->n_driver_options, word, e);
}
