/* factory: makes, shows and removes the templates of which machines start. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/fd.h"
#include "host/cli/verb.h"
#include "host/config/config.h"
#include "host/template/template.h"

static void tell_switch(const struct config *c)
{
	if (!c->hypervisor.enable_template)
		printf("machines boot all the same: the key 'enable_template' is false\n");
}

static const char *const whose[TEMPLATE_KINDS] = {
	[TEMPLATE_OF_ONE] = "",
	[TEMPLATE_OF_POD] = " of pods",
};

static size_t kinds_of(const struct config *c)
{
	return template_has_pod(c) ? TEMPLATE_KINDS : 1;
}

static int init(const struct config *c, struct err *e)
{
	char key[HV_KEY_BYTES];

	/* With the first one all others go, and it stays beside the second. */
	for (size_t kind = 0; kind < kinds_of(c); kind++) {
		int r = template_make(c, kind, kind + 1, key, e);

		if (r < 0)
			return r;
		printf("template%s %s is in '%s'\n", whose[kind], key, c->hypervisor.template_path);
	}
	tell_switch(c);
	return 0;
}

/* Prints what there is. Returns 0, 1 (there is none), or -errno. */
static int status_of(const struct config *c, enum template_kind kind, struct err *e)
{
	auto_template struct hv_saved t = TEMPLATE_NONE;
	const char *path = c->hypervisor.template_path;
	char key[HV_KEY_BYTES], sentence[640];
	struct err why = {0};
	struct stat st = {0};
	int r = template_key(c, kind, key, e);

	if (r < 0)
		return r;
	if (template_open(path, key, &t, &why) < 0) {
		printf("no template%s: %s\n", whose[kind],
		       err_show(&why, sentence, sizeof sentence));
		return 1;
	}
	(void) fstat(t.memory_fd, &st);
	printf("template%s %s in '%s': a machine of %llu MiB, of which %llu are kept\n",
	       whose[kind], key, path, (unsigned long long) st.st_size >> 20,
	       (unsigned long long) t.data_bytes >> 20);
	return 0;
}

/* Exit code 0: the next machine starts from a template; 1: it boots. */
static int status(const struct config *c, struct err *e)
{
	int missing = 0;

	for (size_t kind = 0; kind < kinds_of(c); kind++) {
		int r = status_of(c, kind, e);

		if (r < 0)
			return r;
		missing |= r;
	}
	tell_switch(c);
	return missing || !c->hypervisor.enable_template;
}

static int destroy(const struct config *c, struct err *e)
{
	auto_close int lock = -1;
	struct stat st;
	unsigned n = 0;
	int r = 0;

	if (lstat(c->hypervisor.template_path, &st) == 0 || errno != ENOENT) {
		r = template_lock(c->hypervisor.template_path, &lock, e);
		if (r == 0)
			r = template_remove_all(lock, &n, e);
	}
	if (r < 0)
		return r;
	printf("%u template%s removed\n", n, n == 1 ? "" : "s");
	return 0;
}

static const struct {
	const char *word;
	int (*run)(const struct config *c, struct err *e);
} actions[] = {
	{"init", init},
	{"status", status},
	{"destroy", destroy},
};

static int factory_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_ptr(config_free) struct config *config = NULL;

	(void) values, (void) argc;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].word, argv[0]) != 0)
			continue;

		int r = config_load(cli->config, &config, e);

		return r < 0 ? r : actions[i].run(config, e);
	}
	return err_say(e, EINVAL, "factory can init, status or destroy, not '%s'", argv[0]);
}

const struct verb verb_factory = {
	.name = "factory",
	.arguments = "init|status|destroy",
	.help = "make, show or remove the template from which machines start instead of booting",
	.min_args = 1,
	.max_args = 1,
	.run = factory_run,
};
