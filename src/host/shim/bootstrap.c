#include "host/shim/bootstrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/auto.h"
#include "base/fd.h"
#include "base/file.h"
#include "runtimeoptions.pb-c.h"
#include "ttrpc/ttrpc.h"

/* As much as containerd's own shims read. */
#define STDIN_MAX_BYTES (10U << 20)
/* Of the protocol of the BootstrapResult: task and sandbox services of version 3. */
#define BOOTSTRAP_VERSION 3

typedef Containerd__Runtime__Bootstrap__V1__BootstrapParams params_message;
typedef Containerd__Runtime__Bootstrap__V1__BootstrapResult result_message;

char *bootstrap_config_path(const Google__Protobuf__Any *options)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (!options || !strstr(options->type_url, "runtimeoptions.v1.Options") ||
	    ttrpc_unpack(&runtimeoptions__v1__options__descriptor, options->value.data,
			 options->value.len, &m, NULL) < 0)
		return NULL;

	const Runtimeoptions__V1__Options *o = (const void *) m;

	return o->config_path[0] ? strdup(o->config_path) : NULL;
}

/* The params that @data holds, or NULL. */
static params_message *params_of(const char *data, size_t bytes, const char *id,
				 const char *namespace)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (ttrpc_unpack(&containerd__runtime__bootstrap__v1__bootstrap_params__descriptor, data,
			 bytes, &m, NULL) < 0)
		return NULL;

	const params_message *p = (const void *) m;

	if (strcmp(p->instance_id, id) != 0 || strcmp(p->namespace_, namespace) != 0)
		return NULL;
	return (params_message *) take_ptr(m);
}

/* The path in the first extension that has one: the runtime's options are an extension. */
static char *path_in_extensions(const params_message *p)
{
	char *path = NULL;

	for (size_t i = 0; !path && i < p->n_extensions; i++)
		path = bootstrap_config_path(p->extensions[i]->value);
	return path;
}

/* The path in an Any that is the whole input. */
static char *path_in_any(const char *data, size_t bytes)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;

	if (bytes == 0 ||
	    ttrpc_unpack(&google__protobuf__any__descriptor, data, bytes, &m, NULL) < 0)
		return NULL;
	return bootstrap_config_path((const void *) m);
}

int bootstrap_read(int fd, const char *id, const char *namespace, struct bootstrap *ret,
		   struct err *e)
{
	auto_free char *data = NULL;
	size_t bytes = 0;
	int r;

	*ret = (struct bootstrap){0};
	if (isatty(fd))
		return 0; /* a person has started it, who would have to end the input */
	r = file_read_fd(fd, "the standard input", STDIN_MAX_BYTES, &data, &bytes, e);
	if (r < 0)
		return r;
	ret->params = bytes > 0 ? params_of(data, bytes, id, namespace) : NULL;
	ret->config_path = ret->params ? path_in_extensions(ret->params) : path_in_any(data, bytes);
	return 0;
}

void bootstrap_fini(struct bootstrap *b)
{
	ttrpc_message_free((ProtobufCMessage *) b->params);
	free(b->config_path);
	*b = (struct bootstrap){0};
}

int bootstrap_answer(const struct bootstrap *b, int fd, const char *address, struct err *e)
{
	result_message a = CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_RESULT__INIT;
	auto_free uint8_t *packed = NULL;
	const void *text = address;
	size_t bytes = strlen(address);

	if (b->params) {
		a.version = BOOTSTRAP_VERSION;
		a.address = (char *) address;
		a.protocol = (char *) "ttrpc";
		bytes = protobuf_c_message_get_packed_size(&a.base);
		packed = malloc(bytes);
		if (!packed)
			return err_sys(e, ENOMEM, "answer containerd");
		(void) protobuf_c_message_pack(&a.base, packed);
		text = packed;
	}

	int r = fd_write_all(fd, text, bytes);

	return r < 0 ? err_sys(e, -r, "answer containerd") : 0;
}
