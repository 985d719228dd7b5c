/* Which cgroup a sandbox is in: linux.cgroupsPath as a path. */
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "host/cgroup/cgroup.h"

#define SLICE ".slice"

/* A unit "a-b.slice" is in the folder of "a.slice" (systemd.slice(5)). *@ret has a '/' in front of
 * each slice; "" is the top. */
static int expand_slice(const char *slice, char **ret, struct err *e)
{
	size_t bytes = strlen(slice);
	size_t stem = bytes > strlen(SLICE) ? bytes - strlen(SLICE) : 0;
	auto_free char *path = strdup("");

	if (!stem || strcmp(slice + stem, SLICE) != 0 || strstr(slice, "--") ||
	    (slice[0] == '-' && stem > 1) || (stem > 1 && slice[stem - 1] == '-'))
		return err_say(e, EINVAL, "linux.cgroupsPath: '%s' is no name of a slice", slice);
	for (size_t end = 1; path && slice[0] != '-' && end <= stem; end++)
		if (end == stem || slice[end] == '-') {
			char *longer = str_printf("%s/%.*s" SLICE, path, (int) end, slice);

			free(path);
			path = longer;
		}
	*ret = take_ptr(path);
	return *ret ? 0 : err_sys(e, ENOMEM, "name the sandbox's cgroup");
}

/* The colon behind the slice of "slice:prefix:name"; NULL: it is a plain path. */
static const char *systemd_colon(const char *path)
{
	const char *first = strchr(path, ':');
	const char *second = first ? strchr(first + 1, ':') : NULL;

	return second && !strchr(path, '/') && !strchr(second + 1, ':') ? first : NULL;
}

bool host_cgroup_is_unit(const char *cgroups_path)
{
	return cgroups_path && systemd_colon(cgroups_path);
}

static int name_unit(const char *path, const char *colon, char **ret, struct err *e)
{
	const char *name = strchr(colon + 1, ':') + 1;
	int prefix = (int) (name - 1 - (colon + 1));
	auto_free char *slice =
		colon == path ? strdup("system" SLICE) : strndup(path, (size_t) (colon - path));
	auto_free char *folder = NULL;
	size_t bytes = strlen(name);
	bool is_slice = bytes > strlen(SLICE) && strcmp(name + bytes - strlen(SLICE), SLICE) == 0;
	int r = slice ? expand_slice(slice, &folder, e)
		      : err_sys(e, ENOMEM, "name the sandbox's cgroup");

	if (r < 0)
		return r;
	if (!bytes)
		return err_say(e, EINVAL, "linux.cgroupsPath: '%s' names no unit", path);
	*ret = is_slice ? str_printf("%s/%s", folder, name)
			: str_printf("%s/%.*s%s%s.scope", folder, prefix, colon + 1,
				     prefix ? "-" : "", name);
	return *ret ? 0 : err_sys(e, ENOMEM, "name the sandbox's cgroup");
}

int host_cgroup_name(const char *cgroups_path, const char *id, bool lone, char **ret, struct err *e)
{
	const char *path = cgroups_path && cgroups_path[0] ? cgroups_path : lone ? id : NULL;
	const char *colon = path ? systemd_colon(path) : NULL;
	size_t room = path ? strlen(path) + 2 : 0;
	auto_free char *clean = path ? malloc(room) : NULL;

	*ret = NULL;
	if (!path)
		return 0;
	if (colon)
		return name_unit(path, colon, ret, e);
	if (!clean)
		return err_sys(e, ENOMEM, "name the sandbox's cgroup");
	(void) path_clean(path, clean, room); /* there is room */

	char *base = strrchr(clean, '/') + 1;
	const char *begin = path[0] == '/' ? clean : clean + 1;

	if (!base[0]) /* the top, where everybody's processes are */
		return 0;
	*ret = lone ? strdup(begin) : str_printf("%.*skata_%s", (int) (base - begin), begin, base);
	return *ret ? 0 : err_sys(e, ENOMEM, "name the sandbox's cgroup");
}
