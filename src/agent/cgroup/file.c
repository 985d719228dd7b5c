/* What a file of a cgroup says, in the two forms that the kernel writes numbers in. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "agent/cgroup/tree.h"
#include "base/file.h"

bool cgroup_read_key(const struct cgroup *cg, const char *file, const char *key, uint64_t *ret)
{
	auto_free char *text = NULL;
	size_t bytes = strlen(key);

	if (file_read(cg->fd, file, CGROUP_FILE_MAX_BYTES, &text, NULL, NULL) < 0)
		return false;
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, bytes) == 0 && line[bytes] == ' ')
			return sscanf(line + bytes, "%" SCNu64, ret) == 1;
	}
	return false;
}

bool cgroup_read_number(const struct cgroup *cg, const char *file, uint64_t *ret)
{
	auto_free char *text = NULL;

	if (file_read(cg->fd, file, 64, &text, NULL, NULL) < 0)
		return false;
	*ret = UINT64_MAX;
	return strncmp(text, "max", 3) == 0 || sscanf(text, "%" SCNu64, ret) == 1;
}
