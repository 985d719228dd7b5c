/* direct-volume: says of folders which disks they stand for in a machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "host/cli/pod_client.h"
#include "host/cli/verb.h"
#include "host/http/http.h"
#include "host/state/run_dir.h"
#include "host/storage/direct_volume.h"
#include "host/storage/share.h"

/* Behind the action, as upstream has them. */
struct values {
	const char *volume_path, *mount_info, *size;
};

static const struct option options[] = {
	{"volume-path", 0, OPTION_FIELD(STRING, struct values, volume_path), "PATH",
	 "the folder that containers get as a bind mount", false},
	{"mount-info", 0, OPTION_FIELD(STRING, struct values, mount_info), "JSON",
	 "add: which disk it stands for", false},
	{"size", 0, OPTION_FIELD(STRING, struct values, size), "BYTES",
	 "resize: how large the file system is to be; the disk was made that large before", false},
};

static int add(const char *base, const struct values *v, struct err *e)
{
	if (!v->mount_info)
		return err_say(e, EINVAL, "option --mount-info is missing");
	return direct_volume_add(base, v->volume_path, v->mount_info, e);
}

static int remove_one(const char *base, const struct values *v, struct err *e)
{
	return direct_volume_remove(base, v->volume_path, e);
}

static int stats(const char *base, const struct values *v, struct err *e)
{
	auto_free char *sandbox = NULL, *text = NULL;
	auto_free char *value = http_query_value(v->volume_path);
	auto_free char *target = value ? str_printf("/direct-volume/stats?path=%s", value) : NULL;
	size_t bytes;
	int r = target ? direct_volume_sandbox(base, v->volume_path, &sandbox, e)
		       : err_sys(e, ENOMEM, "ask for a volume");
	auto_free char *name = r == 0 ? share_name_of(sandbox) : NULL;

	if (r == 0)
		r = name ? pod_ask(name, target, &text, &bytes, e)
			 : err_sys(e, ENOMEM, "name a sandbox");
	if (r == 0)
		printf("%s\n", text);
	return r;
}

static int resize(const char *base, const struct values *v, struct err *e)
{
	auto_free char *sandbox = NULL, *body = NULL;
	uint64_t bytes = 0;

	if (!v->size || num_parse_u64(v->size, &bytes) < 0 || bytes == 0)
		return err_say(e, EINVAL, "option --size is a number of bytes");

	int r = direct_volume_print_resize(v->volume_path, bytes, &body, e);

	if (r == 0)
		r = direct_volume_sandbox(base, v->volume_path, &sandbox, e);

	auto_free char *name = r == 0 ? share_name_of(sandbox) : NULL;

	if (r == 0)
		r = name ? pod_tell(name, "/direct-volume/resize", body, e)
			 : err_sys(e, ENOMEM, "name a sandbox");
	return r;
}

static const struct {
	const char *word;
	int (*run)(const char *base, const struct values *v, struct err *e);
} actions[] = {
	{"add", add},
	{"remove", remove_one},
	{"stats", stats},
	{"resize", resize},
};

static int direct_volume_run(struct cli *cli, const void *values, int argc, char **argv,
			     struct err *e)
{
	auto_free char *base = run_dir_path(RUN_DIR, DIRECT_VOLUME_BASE);
	struct values v = {0};
	int r = options_parse(options, ARRAY_LEN(options), argc - 1, argv + 1, &v, e);

	(void) cli, (void) values;
	if (r < 0)
		return r;
	if (r < argc - 1)
		return err_say(e, EINVAL, "'%s' is not an option of direct-volume", argv[1 + r]);
	if (!v.volume_path || v.volume_path[0] != '/')
		return err_say(e, EINVAL, "option --volume-path is an absolute path");
	if (!base)
		return err_sys(e, ENOMEM, "find the direct volumes");
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].word, argv[0]) == 0)
			return actions[i].run(base, &v, e);
	return err_say(e, EINVAL, "direct-volume can add, remove, stats or resize, not '%s'",
		       argv[0]);
}

const struct verb verb_direct_volume = {
	.name = "direct-volume",
	.arguments =
		"add|remove|stats|resize --volume-path PATH [--mount-info JSON] [--size BYTES]",
	.help = "say which disk a folder stands for in a machine, what of it is used, or that it has grown",
	.min_args = 1,
	.max_args = -1,
	.run = direct_volume_run,
};
