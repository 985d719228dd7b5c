/*
 * Calls containerd's task service over our ttRPC client.
 *
 *	interop-task ADDRESS METHOD [FIELD=VALUE]... [, METHOD [FIELD=VALUE]...]...
 *
 * ADDRESS is the path of a unix socket, with or without "unix://". All calls go over one connection
 * at once. A mount of the root is "rootfs=TYPE|SOURCE|OPTION|OPTION...", once for each. A line is
 * printed for each call as its answer comes:
 *
 *	METHOD FIELD=VALUE ...		what is set in the response
 *	METHOD !CODE words		the server refused
 *
 * Ends with 0 when all were answered with a response, 1 when one was not, 2 on wrong usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/auto.h"
#include "base/file.h"
#include "base/loop.h"
#include "task.pb-c.h"
#include "ttrpc/ttrpc.h"

#define TIMEOUT_MS  60000
#define MOUNTS_MAX  40
#define OPTIONS_MAX 16

struct run {
	int begun;
	int ended;
	bool failed;
};

struct call {
	struct run *run;
	const char *method;
};

static int usage(const char *why, const char *what)
{
	fprintf(stderr, "interop-task: %s '%s'\n", why, what);
	return 2;
}

static int dial(const char *address)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strncmp(address, "unix://", 7) == 0)
		address += 7;
	if (strlen(address) >= sizeof to.sun_path)
		return -ENAMETOOLONG;
	strcpy(to.sun_path, address);
	if (fd < 0 || connect(fd, (struct sockaddr *) &to, sizeof to) < 0)
		return -errno;
	return take_fd(&fd);
}

/* Adds a mount to the root of a CreateTaskRequest. Its strings are in @text, which is cut. */
static bool add_mount(Containerd__Task__V2__CreateTaskRequest *create, char *text)
{
	static Containerd__Types__Mount mounts[MOUNTS_MAX];
	static Containerd__Types__Mount *list[MOUNTS_MAX];
	static char *options[MOUNTS_MAX][OPTIONS_MAX];
	size_t at = create->n_rootfs;
	Containerd__Types__Mount *m = &mounts[at];

	if (at == MOUNTS_MAX)
		return false;
	containerd__types__mount__init(m);
	m->type = strsep(&text, "|");
	m->source = strsep(&text, "|");
	m->options = options[at];
	while (text && m->n_options < OPTIONS_MAX)
		m->options[m->n_options++] = strsep(&text, "|");
	list[at] = m;
	create->rootfs = list;
	create->n_rootfs++;
	return m->source && !text;
}

/* Sets a field of @m from "name=value". Strings are borrowed. */
static bool set_field(ProtobufCMessage *m, char *text)
{
	char *value = strchr(text, '=');

	if (m->descriptor == &containerd__task__v2__create_task_request__descriptor &&
	    strncmp(text, "rootfs=", 7) == 0)
		return add_mount((void *) m, value + 1);

	for (unsigned i = 0; value && i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		void *at = (char *) m + f->offset;
		uint64_t number = 0;

		if (strlen(f->name) != (size_t) (value - text) ||
		    strncmp(f->name, text, strlen(f->name)) != 0)
			continue;
		if (f->type == PROTOBUF_C_TYPE_STRING)
			*(const char **) at = value + 1;
		else if (num_parse_u64(value + 1, &number) < 0)
			return false;
		else if (f->type == PROTOBUF_C_TYPE_UINT32)
			*(uint32_t *) at = (uint32_t) number;
		else if (f->type == PROTOBUF_C_TYPE_BOOL)
			*(protobuf_c_boolean *) at = number != 0;
		else
			return false;
		return true;
	}
	return false;
}

static void print_fields(const ProtobufCMessage *m, const char *prefix)
{
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		const void *at = (const char *) m + f->offset;
		char name[128];

		(void) snprintf(name, sizeof name, "%s%s", prefix, f->name);
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t n = *(const size_t *) ((const char *) m + f->quantifier_offset);

			if (n > 0)
				printf(" %s[%zu]", name, n);
		} else if (f->type == PROTOBUF_C_TYPE_STRING) {
			if (**(char *const *) at)
				printf(" %s=%s", name, *(char *const *) at);
		} else if (f->type == PROTOBUF_C_TYPE_UINT32 || f->type == PROTOBUF_C_TYPE_ENUM) {
			if (*(const uint32_t *) at)
				printf(" %s=%" PRIu32, name, *(const uint32_t *) at);
		} else if (f->type == PROTOBUF_C_TYPE_INT64) {
			if (*(const int64_t *) at)
				printf(" %s=%" PRId64, name, *(const int64_t *) at);
		} else if (f->type == PROTOBUF_C_TYPE_MESSAGE && *(void *const *) at) {
			strcat(name, ".");
			print_fields(*(const ProtobufCMessage *const *) at, name);
		} else if (f->type == PROTOBUF_C_TYPE_BYTES) {
			printf(" %s[%zu]", name, ((const ProtobufCBinaryData *) at)->len);
		}
	}
}

static void done(void *arg, struct ttrpc_answer *answer)
{
	struct call *call = arg;
	char words[640];

	printf("%s", call->method);
	if (answer->r < 0) {
		printf(" !%d %s", answer->code, err_show(&answer->err, words, sizeof words));
		call->run->failed = true;
	} else {
		print_fields(answer->response, "");
	}
	printf("\n");
	(void) fflush(stdout);
	call->run->ended++;
	free(call);
}

/* Begins the call that *@args describe and moves behind it. Returns 0, or the exit code. */
static int begin(struct ttrpc_client *client, struct run *run, char ***args)
{
	static const ProtobufCServiceDescriptor *service = &containerd__task__v2__task__descriptor;
	const char *name = *(*args)++;
	const ProtobufCMethodDescriptor *method =
		protobuf_c_service_descriptor_get_method_by_name(service, name);
	struct err e = {0};

	if (!method)
		return usage("no method", name);

	auto_free ProtobufCMessage *message = calloc(1, method->input->sizeof_message);
	struct call *call = calloc(1, sizeof *call);

	protobuf_c_message_init(method->input, message);
	*call = (struct call){.run = run, .method = name};
	for (; **args && strcmp(**args, ",") != 0; (*args)++) {
		if (!set_field(message, **args)) {
			free(call);
			return usage("no field", **args);
		}
	}
	if (**args)
		(*args)++;

	struct ttrpc_request request = {
		.service = service,
		.method = name,
		.message = message,
		.deadline = clock_deadline(TIMEOUT_MS),
	};

	if (ttrpc_call(client, &request, done, call, NULL, &e) < 0) {
		free(call);
		return usage("cannot send", e.text);
	}
	run->begun++;
	return 0;
}

int main(int argc, char **argv)
{
	auto_ptr(loop_free) struct loop *loop = NULL;
	auto_ptr(ttrpc_client_free) struct ttrpc_client *client = NULL;
	struct run run = {0};
	struct err e = {0};

	if (argc < 3)
		return usage("too few arguments:", "ADDRESS METHOD [FIELD=VALUE]...");

	int fd = dial(argv[1]);

	if (fd < 0)
		return usage(strerror(-fd), argv[1]);
	if (loop_new(&loop, &e) < 0 || ttrpc_client_new(loop, fd, &client, &e) < 0)
		return usage("cannot begin", e.text);
	for (char **args = argv + 2; *args;) {
		int r = begin(client, &run, &args);

		if (r != 0)
			return r;
	}
	while (run.ended < run.begun) {
		if (loop_step(loop, CLOCK_NEVER, &e) < 0)
			return usage("cannot wait", e.text);
	}
	return run.failed;
}
