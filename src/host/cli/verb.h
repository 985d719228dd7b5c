#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/options.h"

/* The values of the global options; the same for every verb. */
struct cli {
	const char *program; /* as the user called it */
	const char *root;    /* folder with one folder per container; absolute */
	const char *log;     /* --log, or NULL for stderr only */
	const char *log_format;
	const char *config; /* --config or $KATA_CONF_FILE, absolute; or NULL */
	const char *rootless;
	bool debug;
	bool show_config_paths;
	bool help;
	bool version;
	int failure_code;            /* of the verb that ran */
	char *own_root, *own_config; /* what @root and @config point to */

	/* All that there is, for the completion of a shell. */
	const struct verb *const *verbs; /* ended by NULL */
	const struct option *options;    /* the global ones */
	size_t n_options;
};

/**
 * struct verb - one word of the command line
 * @run:	@values points to a zeroed struct of @values_bytes that @options have filled; @argv
 *		are the @argc words behind the options. Returns the exit code, or a negative errno
 *		with @e filled, which becomes exit code 1
 */
struct verb {
	const char *name;
	const char *arguments; /* of the usage line */
	const char *help;      /* one line */
	const struct option *options;
	size_t n_options;
	size_t values_bytes;
	int min_args;
	int max_args;     /* -1 for any number */
	int failure_code; /* exit code when the verb itself fails; 0 stands for 1 */
	int (*run)(struct cli *cli, const void *values, int argc, char **argv, struct err *e);
};

/* Each is defined in its own file. */
extern const struct verb verb_check, verb_cleanup, verb_completion, verb_console, verb_create,
	verb_delete, verb_describe, verb_direct_volume, verb_env, verb_events, verb_exec,
	verb_factory, verb_features, verb_kill, verb_list, verb_metrics, verb_pause, verb_ps,
	verb_resume, verb_run, verb_spec, verb_start, verb_state, verb_update, verb_version;

/* tell.c: prints a sentence to stderr and to the file of --log: an error, or why a process
 * ended. */
void cli_tell(const struct cli *cli, const char *sentence);
