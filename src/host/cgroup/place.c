/* Where a cgroup is, and what one of its files says. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "host/cgroup/cgroup_priv.h"

const char *host_cgroup_folder(const struct host_cgroup *g, size_t i)
{
	for (size_t p = 0; p < g->hierarchies.n; p++)
		if (g->places[p].made && i-- == 0)
			return g->places[p].folder;
	return NULL;
}

const char *host_cgroup_path(const struct host_cgroup *g)
{
	return g->name;
}

bool host_cgroup_is_unified(const struct host_cgroup *g)
{
	return g->hierarchies.n && g->hierarchies.list[0].unified;
}

const char *host_cgroup_of(const struct host_cgroup *g, const char *controller)
{
	for (size_t i = 0; i < g->hierarchies.n; i++)
		if (g->hierarchies.list[i].unified ||
		    hierarchy_word(g->hierarchies.list[i].controllers, controller))
			return g->places[i].folder;
	return NULL;
}

bool host_cgroup_key(const char *folder, const char *file, const char *key, uint64_t *ret)
{
	auto_free char *path = str_printf("%s/%s", folder, file);
	auto_free char *text = NULL;
	size_t bytes = strlen(key);

	if (!path || file_read(AT_FDCWD, path, CGROUP_FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return false;
	for (char *save, *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, key, bytes) == 0 && line[bytes] == ' ')
			return num_parse_u64(line + bytes + 1, ret) == 0;
	return false;
}
