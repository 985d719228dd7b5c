/* list: the containers that there are. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "host/cli/pod_client.h"
#include "host/cli/status.h"
#include "host/cli/verb.h"
#include "host/state/pod_dir.h"

struct values {
	const char *format;
	bool quiet;
	bool all;
};

static const struct option options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct values, format), "WORD", "table or json",
	 false},
	{"quiet", 'q', OPTION_FLAG, offsetof(struct values, quiet), NULL, "only the ids", false},
	{"all", 'a', OPTION_FLAG, offsetof(struct values, all), NULL,
	 "also those that run below another --root, or for containerd", false},
};

struct listing {
	const struct cli *cli;
	const struct values *values;
	bool json;
	bool begun;       /* something is printed */
	const char *pods; /* pod_dir_base() */
};

static void print_quoted(const char *text, int width)
{
	char clean[PATH_MAX];

	(void) text_line(text, strlen(text), clean, sizeof clean);
	printf("%-*s ", width, clean);
}

static int print_one(struct listing *l, const struct oci_state *s, struct err *e)
{
	auto_free char *line = NULL;
	int r;

	if (l->values->quiet) {
		printf("%s\n", s->id);
		return 0;
	}
	if (!l->json) {
		printf("%-24s %-8d %-10s ", s->id, s->pid, oci_status_name(s->status));
		print_quoted(s->bundle, 32);
		printf("%-32s %s\n", s->created ? s->created : "", s->owner ? s->owner : "");
		return 0;
	}
	r = oci_state_print(s, &line, e);
	if (r == 0)
		printf("%s%s", l->begun ? "," : "", line);
	l->begun = l->begun || r == 0;
	return r;
}

/* One that cannot be read hides no other; stderr, because --log may not be set. */
static void ignore(const struct listing *l, const char *what, const struct err *e)
{
	char sentence[640];

	fprintf(stderr, "%s: ignoring a %s: %s\n", l->cli->program, what,
		err_show(e, sentence, sizeof sentence));
}

/* ---- Containers below --root ---- */

static int read_one(struct listing *l, const char *id, struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	struct status_view s = {0};
	int r = state_dir_open(l->cli->root, id, &dir, e);

	if (r < 0)
		return r == -ENOENT ? (err_clear(e), 0) : r; /* deleted while we look */
	r = status_view_read(&dir, &s, e);
	if (r == 0)
		r = print_one(l, &s.state, e);
	status_view_fini(&s);
	return r;
}

static void list_container(struct listing *l, const char *id)
{
	struct err e = {0};

	if (l->values->quiet)
		printf("%s\n", id);
	else if (read_one(l, id, &e) < 0)
		ignore(l, "container", &e);
}

/* ---- Containers of all sandbox servers ---- */

/* Whether the list has it already, because it is below --root. */
static bool is_below_root(const struct listing *l, const char *pod)
{
	auto_free char *state = pod_dir_state(l->pods, pod);
	char *slash = state ? strrchr(state, '/') : NULL;

	if (!slash)
		return false;
	*slash = '\0';
	return strcmp(state, l->cli->root) == 0;
}

static enum oci_status status_named(const char *name)
{
	for (int i = 0; i < OCI_STATUS_MAX; i++)
		if (name && strcmp(oci_status_name((enum oci_status) i), name) == 0)
			return (enum oci_status) i;
	return OCI_CREATING;
}

static int print_containers(struct listing *l, const json_t *list, struct err *e)
{
	const json_t *o;
	size_t i;
	int r = 0;

	json_array_foreach(list, i, o)
	{
		const char *id = json_string_value(json_object_get(o, "id"));
		const char *bundle = json_string_value(json_object_get(o, "bundle"));
		const struct oci_state s = {
			.id = id,
			.status = status_named(json_string_value(json_object_get(o, "status"))),
			.pid = (int) json_integer_value(json_object_get(o, "pid")),
			.bundle = bundle ? bundle : "",
		};

		if (r == 0 && id && oci_id_check(id, NULL) == 0)
			r = print_one(l, &s, e);
	}
	return r;
}

static void list_pod(struct listing *l, const char *pod)
{
	auto_free char *text = NULL;
	struct err e = {0};
	size_t bytes;

	if (is_below_root(l, pod))
		return;

	int r = pod_ask(pod, "/containers", &text, &bytes, &e);

	if (r == -ESRCH)
		return; /* it has ended */

	json_t *list = r == 0 ? json_loadb(text, bytes, 0, NULL) : NULL;

	if (r == 0 && !json_is_array(list))
		r = err_say(&e, EBADMSG, "sandbox '%s' answers with no list", pod);
	if (r == 0)
		r = print_containers(l, list, &e);
	if (r < 0)
		ignore(l, "sandbox", &e);
	json_decref(list);
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int each(struct listing *l, const char *folder,
		void (*fn)(struct listing *l, const char *name), struct err *e)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, not_hidden, alphasort);

	if (n < 0 && errno != ENOENT)
		return err_sys(e, errno, "read folder '%s'", folder);
	for (int i = 0; i < n; i++) {
		fn(l, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return 0;
}

static int list_run(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct values *v = values;
	struct listing l = {
		.cli = cli,
		.values = v,
		.json = v->format && strcmp(v->format, "json") == 0,
	};

	(void) argc, (void) argv;
	if (v->format && !l.json && strcmp(v->format, "table") != 0)
		return err_say(e, EINVAL, "option --format is table or json, not '%s'", v->format);
	if (l.json)
		printf("[");
	else if (!v->quiet)
		printf("%-24s %-8s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE",
		       "CREATED", "OWNER");

	auto_free char *pods = pod_dir_base();
	int r = pods ? each(&l, cli->root, list_container, e) : err_sys(e, ENOMEM, "list");

	l.pods = pods;
	if (r == 0 && v->all)
		r = each(&l, pods, list_pod, e);
	if (r == 0 && l.json)
		printf("]\n");
	return r;
}

const struct verb verb_list = {
	.name = "list",
	.arguments = "",
	.help = "list the containers below --root, or all",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.values_bytes = sizeof(struct values),
	.max_args = 0,
	.run = list_run,
};
