#include "host/state/environment.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"

static const char *const inherited[] = {"PATH", "KATA_CONF_FILE", "XDG_RUNTIME_DIR"};

int environment_make(const char *const *more, struct environment *ret, struct err *e)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(inherited); i++) {
		const char *value = getenv(inherited[i]);

		if (value && !(ret->list[n++] = str_printf("%s=%s", inherited[i], value)))
			return err_sys(e, ENOMEM, "make an environment");
	}
	for (; *more; more++) {
		assert(n < ENVIRONMENT_MAX - 1);
		if (!(ret->list[n++] = strdup(*more)))
			return err_sys(e, ENOMEM, "make an environment");
	}
	return 0;
}

void environment_fini(struct environment *env)
{
	for (size_t i = 0; i < ENVIRONMENT_MAX; i++)
		free(env->list[i]);
}
