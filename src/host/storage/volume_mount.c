/* Pieces that the drivers of volumes are made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "host/storage/volume_driver.h"

int volume_mount_set(char **field, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (!copy)
		return err_sys(e, ENOMEM, "rewrite the spec");
	free(*field);
	*field = copy;
	return 0;
}

int volume_mount_add_option(Grpc__Mount *m, const char *word, struct err *e)
{
	char **longer = reallocarray(m->options, m->n_options + 1, sizeof *longer);

	if (longer) {
		m->options = longer;
		longer[m->n_options] = strdup(word);
	}
	if (!longer || !longer[m->n_options])
		return err_sys(e, ENOMEM, "rewrite the spec");
	m->n_options++;
	return 0;
}

void volume_mount_drop_options(Grpc__Mount *m, bool (*is_to_go)(char *word))
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n_options; i++) {
		if (is_to_go(m->options[i]))
			free(m->options[i]);
		else
			m->options[kept++] = m->options[i];
	}
	m->n_options = kept;
}

char *volume_host_path(const struct volume_owner *owner, const char *path)
{
	return path[0] == '/' ? strdup(path) : str_printf("%s/%s", owner->bundle, path);
}
