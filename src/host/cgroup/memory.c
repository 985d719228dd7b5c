/* How much memory a cgroup may use, and whether it has tried to use more. */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "host/cgroup/cgroup_priv.h"

/* The least memory.max on the way up; "max" is no number. */
static uint64_t least_max(const char *folder, const char *top)
{
	auto_free char *at = strdup(folder);
	uint64_t least = UINT64_MAX;

	while (at && strlen(at) > strlen(top)) {
		auto_free char *path = str_printf("%s/memory.max", at);
		auto_free char *text = NULL;
		uint64_t limit;

		if (path && file_read(AT_FDCWD, path, 64, &text, NULL, NULL) == 0) {
			text[strcspn(text, "\n")] = '\0';
			if (num_parse_u64(text, &limit) == 0 && limit < least)
				least = limit;
		}
		*strrchr(at, '/') = '\0';
	}
	return least;
}

uint64_t host_cgroup_memory_limit(const struct host_cgroup *g)
{
	const char *folder = host_cgroup_of(g, "memory");
	uint64_t limit = UINT64_MAX;

	if (folder && host_cgroup_is_unified(g))
		return least_max(folder, g->hierarchies.list[0].top);
	if (folder)
		(void) host_cgroup_key(folder, "memory.stat", "hierarchical_memory_limit", &limit);
	return limit >= INT64_MAX / 2 ? UINT64_MAX : limit; /* v1 has no word for "none" */
}

uint64_t host_cgroup_oom_kills(const struct host_cgroup *g)
{
	const char *folder = host_cgroup_of(g, "memory");
	uint64_t kills = 0;

	if (folder)
		(void) host_cgroup_key(
			folder, host_cgroup_is_unified(g) ? "memory.events" : "memory.oom_control",
			"oom_kill", &kills);
	return kills - g->kills_before;
}
