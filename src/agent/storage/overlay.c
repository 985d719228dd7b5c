#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/storage/driver.h"
#include "base/array.h"
#include "base/file.h"
#include "oci/names.h"

#define OVERLAY_CREATE "io.katacontainers.volume.overlayfs.create_directory="
#define OVERLAY_RW     "io.katacontainers.fs-opt.overlay-rw"

/* The writable layers of an overlay live in the owner's folder. */
static int add_overlay_layers(const struct storage_task *t, char **words, size_t *n,
			      char *ret_new[2], struct err *e)
{
	static const char *const names[] = {"upper", "work"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		auto_free char *dir =
			str_printf("%s/%s/%s", t->config->run_dir, t->owner, names[i]);

		if (!dir)
			return err_sys(e, ENOMEM, "make the layers of an overlay");

		auto_close int fd = place_make(t->run_fd, t->config->run_dir, dir, PLACE_FOLDER, e);

		if (fd < 0)
			return fd;
		ret_new[i] = str_printf("%sdir=%s", names[i], dir);
		if (!ret_new[i])
			return err_sys(e, ENOMEM, "make the layers of an overlay");
		words[(*n)++] = ret_new[i];
	}
	return 0;
}

static int prepare_overlay(const struct storage_task *t, char **words, size_t *n, char *ret_new[2],
			   struct err *e)
{
	const Grpc__Storage *s = t->storage;

	for (size_t i = 0; i < s->n_driver_options; i++) {
		const char *option = s->driver_options[i];
		int r;

		if (strncmp(option, OVERLAY_CREATE, strlen(OVERLAY_CREATE)) == 0) {
			r = place_make(t->run_fd, t->config->run_dir,
				       option + strlen(OVERLAY_CREATE), PLACE_FOLDER, e);
			fd_close(r);
		} else if (strcmp(option, OVERLAY_RW) == 0 && !ret_new[0] && *t->owner) {
			r = add_overlay_layers(t, words, n, ret_new, e);
		} else {
			r = err_say(e, ENOTSUP, "storage option '%s' is not supported", option);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int mount_layers(const struct storage_task *t, char *const *words, size_t n, struct err *e)
{
	struct oci_mount_options o = {0};
	auto_close int place =
		place_make(t->run_fd, t->config->run_dir, t->storage->mount_point, PLACE_FOLDER, e);

	if (place < 0)
		return place;

	int r = oci_mount_options_parse(words, n, &o, e);

	if (r == 0)
		r = driver_mount_at(t, place, "overlay", &o, e);
	oci_mount_options_fini(&o);
	return r;
}

int driver_mount_overlay(const struct storage_task *t, struct err *e)
{
	const Grpc__Storage *s = t->storage;
	char *layers[2] = {NULL, NULL};
	auto_free char **words = calloc(s->n_options + ARRAY_LEN(layers) + 1, sizeof *words);
	size_t n = s->n_options;

	if (!words)
		return err_sys(e, ENOMEM, "mount an overlay");
	for (size_t i = 0; i < n; i++)
		words[i] = s->options[i];

	int r = prepare_overlay(t, words, &n, layers, e);

	if (r == 0)
		r = mount_layers(t, words, n, e);
	free(layers[0]);
	free(layers[1]);
	return r;
}
