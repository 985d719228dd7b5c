/* env: the effective configuration, and where each value came from. */
#include <jansson.h>
#include <stdio.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/version.h"
#include "host/cli/verb.h"
#include "host/config/config.h"

struct values {
	bool json;
};

static const struct option options[] = {
	{"json", 0, OPTION_FLAG, offsetof(struct values, json), NULL, "as JSON", false},
};

static void show_line(void *arg, const struct config_setting *s)
{
	(void) arg;
	if (!s->value)
		printf("# not supported: %-29s # %s\n", s->key, s->origin);
	else
		printf("%-46s = %-40s # %s\n", s->key, s->value, s->origin);
}

static void show_json(void *arg, const struct config_setting *s)
{
	(void) json_object_set_new(
		arg, s->key,
		s->value ? json_pack("{s:s, s:s}", "value", s->value, "origin", s->origin)
			 : json_pack("{s:b, s:s}", "supported", false, "origin", s->origin));
}

static void print_json(const struct config *config)
{
	json_t *settings = json_object();
	json_t *warnings = json_array();

	config_each(config, show_json, settings);
	for (size_t i = 0; i < config->warnings.n; i++)
		(void) json_array_append_new(warnings, json_string(config->warnings.items[i]));

	json_t *o = json_pack("{s:{s:s, s:s}, s:s, s:o, s:o}", "runtime", "version",
			      version_number(), "commit", version_commit(), "configuration",
			      config->path, "settings", settings, "warnings", warnings);

	(void) json_dumpf(o, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(o);
}

static void print_paths(void)
{
	for (unsigned i = 0; config_default_path(i); i++)
		printf("%s\n", config_default_path(i));
}

static int env_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	auto_ptr(config_free) struct config *config = NULL;

	(void) argc, (void) argv;
	if (cli->show_config_paths) {
		print_paths();
		return 0;
	}

	int r = config_load(cli->config, &config, e);

	if (r < 0)
		return r;
	if (v->json) {
		print_json(config);
		return 0;
	}
	printf("# %s %s, configuration '%s'\n", cli->program, version_number(), config->path);
	config_each(config, show_line, NULL);
	for (size_t i = 0; i < config->warnings.n; i++)
		printf("# warning: %s\n", config->warnings.items[i]);
	return 0;
}

const struct verb verb_env = {
	.name = "env",
	.arguments = "",
	.help = "print the effective configuration and where it came from",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.max_args = 0,
	.run = env_run,
};
