#include "base/proc_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"

#define STAT_MAX_BYTES  4096
#define SMAPS_MAX_BYTES 4096

#define FIELD_NAME 2

int proc_stat_read(pid_t pid, int first, uint64_t *ret, size_t n)
{
	char path[32];
	auto_free char *text = NULL;

	if (pid == PROC_SELF)
		(void) snprintf(path, sizeof path, "/proc/self/stat");
	else
		(void) snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (file_read(AT_FDCWD, path, STAT_MAX_BYTES, &text, NULL, NULL) < 0)
		return -ESRCH;

	/* Fields are counted behind the last parenthesis, because the name may hold blanks and
	 * parentheses itself. */
	char *name_end = strrchr(text, ')'), *save = NULL;
	int field = FIELD_NAME;
	size_t found = 0;

	for (char *word = name_end ? strtok_r(name_end + 1, " \n", &save) : NULL; word && found < n;
	     word = strtok_r(NULL, " \n", &save))
		if (++field >= first && num_parse_u64(word, &ret[found++]) < 0)
			return -EBADMSG;
	return found == n ? 0 : -EBADMSG;
}

uint64_t proc_start_time(pid_t pid)
{
	uint64_t ticks = 0;

	if (pid <= 0 || proc_stat_read(pid, PROC_STAT_START_TIME, &ticks, 1) < 0)
		return 0;
	return ticks;
}

uint64_t proc_pss_kib(pid_t pid)
{
	char path[48];
	auto_free char *text = NULL;
	const char *pss;

	(void) snprintf(path, sizeof path, "/proc/%d/smaps_rollup", pid);
	if (file_read(AT_FDCWD, path, SMAPS_MAX_BYTES, &text, NULL, NULL) < 0)
		return 0;
	pss = strstr(text, "\nPss:");
	return pss ? strtoull(pss + strlen("\nPss:"), NULL, 10) : 0;
}
