/* state and list: what there is. */
#include "host/cli/status.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/file.h"
#include "base/text.h"
#include "host/cli/verb.h"
#include "task.pb-c.h"

static enum oci_status translate(Containerd__V1__Types__Status status)
{
	switch (status) {
	case CONTAINERD__V1__TYPES__STATUS__CREATED:
		return OCI_CREATED;
	case CONTAINERD__V1__TYPES__STATUS__RUNNING:
		return OCI_RUNNING;
	case CONTAINERD__V1__TYPES__STATUS__PAUSED:
	case CONTAINERD__V1__TYPES__STATUS__PAUSING:
		return OCI_PAUSED;
	case CONTAINERD__V1__TYPES__STATUS__STOPPED:
		return OCI_STOPPED;
	default:
		return OCI_CREATING;
	}
}

int status_ask(struct server *s, const char *id, enum oci_status *ret, struct err *e)
{
	Containerd__Task__V2__StateRequest q = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	int r;

	q.id = (char *) id;
	r = server_task(s, "State", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m, e);
	if (r == 0)
		*ret = translate(((Containerd__Task__V2__StateResponse *) (void *) m)->status);
	return r;
}

enum oci_status status_of(const struct state_dir *dir)
{
	auto_server struct server s = SERVER_NONE;
	enum oci_status status = OCI_STOPPED;

	if (server_connect(dir, &s, NULL) == 0)
		(void) status_ask(&s, dir->id, &status, NULL);
	return status;
}

/* One container as the verbs show it. */
struct shown {
	struct record record;
	struct oci_state state;
	Grpc__Spec *spec;
};

static void shown_fini(struct shown *s)
{
	record_fini(&s->record);
	oci_spec_free(s->spec);
}

static int look(const struct state_dir *dir, struct shown *s, struct err *e)
{
	int r = record_read(dir, &s->record, e);

	if (r < 0 && r != -ENOENT)
		return r;
	s->state = (struct oci_state){.id = dir->id, .status = OCI_CREATING, .bundle = ""};
	if (r == -ENOENT)
		return err_clear(e), 0;

	/* The spec is for the annotations only, so the answer does not depend on it. */
	(void) oci_spec_saved(dir->fd, &s->spec, NULL);
	s->state.status = status_of(dir);
	s->state.pid = s->state.status == OCI_STOPPED ? 0 : s->record.pid;
	s->state.bundle = s->record.bundle;
	s->state.spec = s->spec;
	s->state.rootfs = s->record.rootfs;
	s->state.created = s->record.created;
	s->state.owner = s->record.owner;
	return 0;
}

/* On one line as oci_state_print() writes it, or indented for a person. */
static int print_state(const struct oci_state *state, struct err *e)
{
	auto_free char *line = NULL;
	int r = oci_state_print(state, &line, e);

	if (r < 0)
		return r;

	json_t *o = json_loads(line, 0, NULL);
	auto_free char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
	auto_free char *shown = text ? text_json(text, strlen(text)) : NULL;

	json_decref(o);
	printf("%s\n", shown ? shown : line);
	return 0;
}

static int run_state(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	struct shown s = {0};
	int r = state_dir_open(cli->root, argv[0], &dir, e);

	(void) values, (void) argc;
	if (r == 0)
		r = look(&dir, &s, e);
	if (r == 0)
		r = print_state(&s.state, e);
	shown_fini(&s);
	return r;
}

const struct verb verb_state = {
	.name = "state",
	.arguments = "ID",
	.help = "print the state of a container",
	.min_args = 1,
	.max_args = 1,
	.run = run_state,
};

struct list_values {
	const char *format;
	bool quiet;
};

static const struct option list_options[] = {
	{"format", 'f', OPTION_STRING, offsetof(struct list_values, format), "WORD",
	 "table or json", false},
	{"quiet", 'q', OPTION_FLAG, offsetof(struct list_values, quiet), NULL, "only the ids",
	 false},
};

static int list_one(const struct cli *cli, const struct list_values *v, const char *id, bool *first,
		    struct err *e)
{
	auto_state_dir struct state_dir dir = STATE_DIR_NONE;
	auto_free char *line = NULL;
	struct shown s = {0};
	int r = state_dir_open(cli->root, id, &dir, e);

	if (r < 0)
		return r == -ENOENT ? (err_clear(e), 0) : r; /* deleted while we look */
	r = look(&dir, &s, e);
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
	shown_fini(&s);
	return r;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_list(struct cli *cli, const void *values, int argc, char **argv, struct err *e)
{
	const struct list_values *v = values;
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
	.options = list_options,
	.n_options = ARRAY_LEN(list_options),
	.values_bytes = sizeof(struct list_values),
	.max_args = 0,
	.run = run_list,
};
