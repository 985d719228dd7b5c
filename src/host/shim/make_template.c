#include "host/shim/make_template.h"

#include <errno.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/log.h"
#include "host/config/config.h"
#include "host/template/template.h"

static int make(const struct shim_options *o, struct err *e)
{
	auto_ptr(config_free) struct config *config = NULL;
	int r = config_load(o->config, &config, e);

	return r < 0 ? r : template_make_missing(config, o->make_template, e);
}

/* The reason alone, because template_open() repeats it in a sentence. */
static int make_and_tell(const struct shim_options *o)
{
	struct err e = {0};
	char text[640];

	log_open(-1, LOG_TEXT, LOG_ERROR);
	if (make(o, &e) == 0)
		return 0;
	(void) dprintf(STDERR_FILENO, "%s\n", err_show(&e, text, sizeof text));
	return 1;
}

int shim_make_template(const struct shim_options *o, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, errno, "make the maker of a template");
	if (pid == 0)
		_exit(make_and_tell(o));
	return 0;
}
