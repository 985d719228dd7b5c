#include "host/shim/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/options.h"
#include "host/state/names.h"

#define VALUE(kind, member) OPTION_FIELD(kind, struct shim_options, member)

static const struct option options[] = {
	{"id", 0, VALUE(STRING, id), "ID", "the sandbox", false},
	{"namespace", 0, VALUE(STRING, namespace), "NAME", "containerd's namespace", false},
	{"address", 0, VALUE(STRING, address), "SOCKET", "containerd's socket", false},
	{"bundle", 0, VALUE(STRING, bundle), "DIR", "folder of config.json (default: here)", false},
	{"publish-binary", 0, VALUE(STRING, publish_binary), "FILE",
	 "containerd's program for events", false},
	{"config", 0, VALUE(STRING, config), "FILE", "configuration.toml to use", false},
	{"state-dir", 0, VALUE(STRING, state_dir), "DIR", "where notes for cleaning up are kept",
	 false},
	{"log-format", 0, VALUE(STRING, log_format), "WORD", "text or json", false},
	{"debug", 0, VALUE(FLAG, debug), NULL, "log more", false},
	{"quiet", 0, VALUE(FLAG, quiet), NULL, "log nothing", false},
	{"make-template", 0, VALUE(STRING, make_template), "KEY",
	 "make the template of this key and end", false},
	{"info", 0, VALUE(FLAG, info), NULL, "describe this runtime to containerd", false},
	{"version", 'v', VALUE(FLAG, version), NULL, "print the version", false},
	{"help", 'h', VALUE(FLAG, help), NULL, "print this", false},
};

int shim_options_parse(int argc, char **argv, struct shim_options *ret, struct err *e)
{
	struct shim_options o = {.id = "", .namespace = "", .verb = ""};

	/* The verb may stand before, between and behind the options. */
	for (int i = 1; i < argc; i++) {
		int used = options_parse(options, ARRAY_LEN(options), argc - i, argv + i, &o, e);

		if (used < 0)
			return used;
		i += used;
		if (i < argc && o.verb[0])
			return err_say(e, EINVAL, "'%s' is one word too many", argv[i]);
		if (i < argc)
			o.verb = argv[i];
	}
	*ret = o;
	return 0;
}

void shim_options_help(void)
{
	printf("usage: " SERVER_PROGRAM " -namespace NAME -id ID [FLAGS] [start|delete]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		printf("  -%s %-*s %s\n", options[i].name, (int) (16 - strlen(options[i].name)),
		       options[i].value ? options[i].value : "", options[i].help);
}
