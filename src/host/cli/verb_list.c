/* list: the containers that there are. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"

struct values {
	const char *format;
	bool quiet;
};

static const struct option options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct values, format), "WORD", "table or json",
	 false},
	{"quiet", 'q', OPTION_FLAG, offsetof(struct values, quiet), NULL, "only the ids", false},
};

static int list_one(const struct cli *cli, const struct values *v, const char *id, bool *first,
		    struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	auto_free char *line = NULL;
	struct status_view s = {0};
	int r = state_dir_open(cli->root, id, &dir, e);

	if (r < 0)
		return r == -ENOENT ? (err_clear(e), 0) : r; /* deleted while we look */
	r = status_view_read(&dir, &s, e);
	if (r == 0 && v->format && strcmp(v->format, "json") == 0) {
		r = oci_state_print(&s.state, &line, e);
		if (r == 0) {
			printf("%s%s", *first ? "" : ",", line);
			*first = false;
		}
	} else if (r == 0) {
		char bundle[PATH_MAX];

		(void) text_line(s.state.bundle, strlen(s.state.bundle), bundle, sizeof bundle);
		printf("%-24s %-8d %-10s %-32s %-32s %s\n", id, s.state.pid,
		       oci_status_name(s.state.status), bundle,
		       s.state.created ? s.state.created : "", s.state.owner ? s.state.owner : "");
	}
	status_view_fini(&s);
	return r;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int list_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	bool json = v->format && strcmp(v->format, "json") == 0;
	struct dirent **names = NULL;
	bool first = true;

	(void) argc, (void) argv;
	if (v->format && !json && strcmp(v->format, "table") != 0)
		return err_say(e, EINVAL, "option --format is table or json, not '%s'", v->format);

	int n = scandir(cli->root, &names, not_hidden, alphasort);

	if (n < 0 && errno != ENOENT)
		return err_sys(e, errno, "read folder '%s'", cli->root);
	if (json)
		printf("[");
	else if (!v->quiet)
		printf("%-24s %-8s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");
	for (int i = 0; i < n; i++) {
		struct err broken = {0};
		char sentence[640];

		if (v->quiet)
			printf("%s\n", names[i]->d_name);
		else if (list_one(cli, v, names[i]->d_name, &first, &broken) < 0)
			/* An unreadable container hides no other; stderr, because --log may not be
			 * set. */
			fprintf(stderr, "%s: ignoring a container: %s\n", cli->program,
				err_show(&broken, sentence, sizeof sentence));
		free(names[i]);
	}
	free(names);
	if (json)
		printf("]\n");
	return 0;
}

const struct verb verb_list = {
	.name = "list",
	.arguments = "",
	.help = "list the containers below --root",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.max_args = 0,
	.run = list_run,
};
