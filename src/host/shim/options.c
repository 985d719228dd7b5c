#include "host/shim/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"

static const struct flag {
	const char *name;
	const char *value; /* its name in the help; NULL: the flag has no value */
	size_t offset;
	const char *help;
} flags[] = {
#define TEXT(member) offsetof(struct shim_options, member)
	{"id", "ID", TEXT(id), "the sandbox"},
	{"namespace", "NAME", TEXT(namespace), "containerd's namespace"},
	{"address", "SOCKET", TEXT(address), "containerd's socket"},
	{"bundle", "DIR", TEXT(bundle), "folder of config.json (default: here)"},
	{"publish-binary", "FILE", TEXT(publish_binary), "containerd's program for events"},
	{"config", "FILE", TEXT(config), "configuration.toml to use"},
	{"state-dir", "DIR", TEXT(state_dir), "where notes for cleaning up are kept"},
	{"log-format", "WORD", TEXT(log_format), "text or json"},
	{"debug", NULL, TEXT(debug), "log more"},
	{"quiet", NULL, TEXT(quiet), "log nothing"},
	{"info", NULL, TEXT(info), "describe this runtime to containerd"},
	{"version", NULL, TEXT(version), "print the version"},
	{"v", NULL, TEXT(version), "the same"},
	{"help", NULL, TEXT(help), "print this"},
	{"h", NULL, TEXT(help), "the same"},
#undef TEXT
};

static const struct flag *find(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (strlen(flags[i].name) == n && memcmp(flags[i].name, name, n) == 0)
			return &flags[i];
	return NULL;
}

static int parse_bool(const char *text, bool *ret)
{
	*ret = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
	return *ret || strcmp(text, "false") == 0 || strcmp(text, "0") == 0 ? 0 : -EINVAL;
}

/* Parses the flag at @argv[*i]; its value is behind '=' or in the next argument. */
static int parse_flag(int argc, char **argv, int *i, struct shim_options *o, struct err *e)
{
	const char *name = argv[*i] + 1 + (argv[*i][1] == '-');
	const char *equals = strchr(name, '=');
	const struct flag *f = find(name, equals ? (size_t) (equals - name) : strlen(name));
	const char *value = equals ? equals + 1 : NULL;

	if (!f)
		return err_say(e, EINVAL, "flag '%s' is unknown", argv[*i]);
	if (!f->value) {
		bool on = true;

		if (value && parse_bool(value, &on) < 0)
			return err_say(e, EINVAL, "flag '%s' is true or false", argv[*i]);
		*(bool *) ((char *) o + f->offset) = on;
		return 0;
	}
	if (!value) {
		if (*i + 1 >= argc)
			return err_say(e, EINVAL, "flag '%s' needs a value", argv[*i]);
		value = argv[++*i];
	}
	*(const char **) ((char *) o + f->offset) = value;
	return 0;
}

int shim_options_parse(int argc, char **argv, struct shim_options *ret, struct err *e)
{
	struct shim_options o = {.id = "", .namespace = "", .verb = ""};

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1]) {
			int r = parse_flag(argc, argv, &i, &o, e);

			if (r < 0)
				return r;
		} else if (o.verb[0]) {
			return err_say(e, EINVAL, "'%s' is one word too many", argv[i]);
		} else {
			o.verb = argv[i];
		}
	}
	*ret = o;
	return 0;
}

const char *shim_options_help(char *buf, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(flags) && n < bytes; i++) {
		const struct flag *f = &flags[i];

		n += (size_t) snprintf(buf + n, bytes - n, "  -%s %-*s %s\n", f->name,
				       (int) (16 - strlen(f->name)), f->value ? f->value : "",
				       f->help);
	}
	return buf;
}
