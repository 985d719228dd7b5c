#include "host/state/run_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

char *run_dir_path(const char *system, const char *name)
{
	const char *own = getenv("XDG_RUNTIME_DIR");
	bool is_ours = faccessat(AT_FDCWD, system, W_OK, AT_EACCESS) == 0;

	return str_printf("%s/%s", is_ours || !own || own[0] != '/' ? system : own, name);
}
