#include "host/cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/version.h"
#include "host/cli/verb.h"
#include "host/state/names.h"
#include "host/state/run_dir.h"

#define GLOBAL(type, member) OPTION_##type, offsetof(struct cli, member)

static const struct option global_options[] = {
	{"root", 0, GLOBAL(STRING, root), "DIR",
	 "folder for the state of containers (/run/kata-runtime, or in $XDG_RUNTIME_DIR for who may "
	 "not write there)",
	 false},
	{"log", 0, GLOBAL(STRING, log), "FILE", "also write errors and the log to this file",
	 false},
	{"log-format", 0, GLOBAL(STRING, log_format), "FORMAT", "text or json", false},
	{"debug", 0, GLOBAL(FLAG, debug), NULL, "log more", false},
	{"config", 0, GLOBAL(STRING, config), "FILE", "configuration to use", false},
	{"kata-config", 0, GLOBAL(STRING, config), "FILE", "the same", false},
	{"show-default-config-paths", 0, GLOBAL(FLAG, show_config_paths), NULL,
	 "print where configurations are looked for", false},
	{"systemd-cgroup", 0, OPTION_FLAG, 0, NULL, "cgroups live in the guest", true},
	{"cgroup-manager", 0, OPTION_STRING, 0, "NAME", "cgroups live in the guest", true},
	{"rootless", 0, GLOBAL(STRING, rootless), "WORD",
	 "true, false or auto (accepted, without effect)", false},
	{"criu", 0, OPTION_STRING, 0, "PATH", "there is no checkpoint", true},
	{"help", 'h', GLOBAL(FLAG, help), NULL, "print this", false},
	{"version", 'v', GLOBAL(FLAG, version), NULL, "print the version", false},
};

static const struct verb *const verbs[] = {
	&verb_create,     &verb_start,   &verb_state,         &verb_kill,
	&verb_delete,     &verb_run,     &verb_exec,          &verb_ps,
	&verb_list,       &verb_pause,   &verb_resume,        &verb_update,
	&verb_events,     &verb_spec,    &verb_features,      &verb_describe,
	&verb_console,    &verb_metrics, &verb_cleanup,       &verb_check,
	&verb_env,        &verb_factory, &verb_direct_volume, &verb_version,
	&verb_completion, NULL,
};

static void help(const struct cli *cli)
{
	printf("%s - run containers, each in a virtual machine of its own\n\n"
	       "usage: %s [global options] VERB [options] [arguments]\n\nverbs:\n",
	       cli->program, cli->program);
	for (const struct verb *const *v = verbs; *v; v++)
		printf("   %-14s %s\n", (*v)->name, (*v)->help);
	printf("\nglobal options:\n");
	options_help(global_options, ARRAY_LEN(global_options));
}

static void verb_help(const struct cli *cli, const struct verb *v)
{
	printf("%s %s - %s\n\nusage: %s %s%s %s\n", cli->program, v->name, v->help, cli->program,
	       v->name, v->n_options ? " [options]" : "", v->arguments);
	if (v->n_options) {
		printf("\noptions:\n");
		options_help(v->options, v->n_options);
	}
}

/* Errors also go to the file of --log, because podman and containerd read them there. */
static int open_log(const struct cli *cli, struct err *e)
{
	enum log_format format = LOG_TEXT;
	int fd = -1;

	if (cli->log_format && strcmp(cli->log_format, "json") == 0)
		format = LOG_JSON;
	else if (cli->log_format && strcmp(cli->log_format, "text") != 0)
		return err_say(e, EINVAL, "option --log-format is text or json, not '%s'",
			       cli->log_format);
	if (cli->log) {
		fd = open(cli->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0)
			return err_sys(e, errno, "open log '%s'", cli->log);
	}
	log_open(fd, format, cli->debug ? LOG_DEBUG : LOG_INFO);
	return 0;
}

static int check_rootless(const struct cli *cli, struct err *e)
{
	static const char *const words[] = {"true", "false", "auto", "1", "0", "t", "f"};

	if (!cli->rootless)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(cli->rootless, words[i]) == 0)
			return 0;
	return err_say(e, EINVAL, "option --rootless is true, false or auto, not '%s'",
		       cli->rootless);
}

/* The server works in the bundle's folder, where the caller's relative path means another file. */
static int make_paths_absolute(struct cli *cli, struct err *e)
{
	const char *named = getenv("KATA_CONF_FILE");

	if (!cli->config)
		cli->config = named;
	if (cli->root && !cli->root[0])
		return err_say(e, EINVAL, "option --root is empty");
	cli->own_root = cli->root ? path_absolute(cli->root, e) : run_dir_path(RUN_DIR, STATE_DIR);
	if (cli->own_root && cli->config && cli->config[0])
		cli->own_config = path_absolute(cli->config, e);
	if (e->code || !cli->own_root)
		return e->code ? -e->code : err_sys(e, ENOMEM, "name a folder");
	cli->root = cli->own_root;
	cli->config = cli->own_config;
	return 0;
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *const *v = verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

static bool wants_help(int argc, char **argv)
{
	return argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
}

static int run_verb(struct cli *cli, const struct verb *v, int argc, char **argv, struct err *e)
{
	auto_free void *values = calloc(1, v->values_bytes ? v->values_bytes : 1);

	if (wants_help(argc, argv)) {
		verb_help(cli, v);
		return 0;
	}
	if (!values)
		return err_sys(e, ENOMEM, "read options");

	int used = options_parse(v->options, v->n_options, argc, argv, values, e);

	if (used < 0)
		return err_wrap(e, used, "%s", v->name);
	argc -= used;
	argv += used;
	if (argc < v->min_args || (v->max_args >= 0 && argc > v->max_args))
		return err_say(e, EINVAL, "usage: %s %s%s %s", cli->program, v->name,
			       v->n_options ? " [options]" : "", v->arguments);
	int r = v->run(cli, values, argc, argv, e);

	cli->failure_code = v->failure_code ? v->failure_code : 1;
	return r;
}

static int run(struct cli *cli, int argc, char **argv, struct err *e)
{
	int used = options_parse(global_options, ARRAY_LEN(global_options), argc - 1, argv + 1, cli,
				 e);

	if (used < 0)
		return used;
	argc -= used + 1;
	argv += used + 1;

	int r = open_log(cli, e);

	if (r == 0)
		r = check_rootless(cli, e);
	if (r == 0)
		r = make_paths_absolute(cli, e);
	if (r < 0)
		return r;
	if (cli->version)
		return verb_version.run(cli, NULL, 0, NULL, e);
	if (cli->show_config_paths)
		return verb_env.run(cli, NULL, 0, NULL, e);
	if (cli->help || argc == 0 || strcmp(argv[0], "help") == 0) {
		const struct verb *about = argc > 1 ? find_verb(argv[1]) : NULL;

		if (about)
			verb_help(cli, about);
		else
			help(cli);
		return 0;
	}

	const struct verb *v = find_verb(argv[0]);

	if (!v)
		return err_say(e, EINVAL, "there is no verb '%s'; '%s help' lists them", argv[0],
			       cli->program);
	return run_verb(cli, v, argc - 1, argv + 1, e);
}

int cli_main(int argc, char **argv)
{
	struct cli cli = {
		.program = "kata-runtime",
		.failure_code = 1,
		.verbs = verbs,
		.options = global_options,
		.n_options = ARRAY_LEN(global_options),
	};
	struct err e = {0};
	char sentence[640];
	int r = fd_open_standard();

	if (r < 0)
		r = err_sys(&e, -r, "open '/dev/null'");
	else
		r = run(&cli, argc, argv, &e);
	if (r >= 0 && fd_flush_stdout(&e) < 0)
		r = -e.code;
	free(cli.own_root);
	free(cli.own_config);
	if (r >= 0)
		return r;
	cli_tell(&cli, err_show(&e, sentence, sizeof sentence));
	return cli.failure_code;
}
