#include "host/shim/bootstrap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/auto.h"
#include "base/file.h"
#include "host/shim/exchange.h"
#include "runtimeoptions.pb-c.h"
#include "ttrpc/ttrpc.h"

/* Of the protocol of the BootstrapResult: task and sandbox services of version 3. */
#define BOOTSTRAP_VERSION 3
#define PROTOCOL          "ttrpc"

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
	r = exchange_read(fd, &data, &bytes, e);
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

/* Nothing in an address needs to be escaped: without params its folder is ADDRESS_DIR. */
static int answer_json(int fd, const char *address, struct err *e)
{
	auto_free char *text =
		str_printf("{\"version\":%d,\"address\":\"%s\",\"protocol\":\"" PROTOCOL "\"}",
			   BOOTSTRAP_VERSION, address);

	if (!text)
		return err_sys(e, ENOMEM, "answer containerd");
	return exchange_write(fd, text, strlen(text), e);
}

int bootstrap_answer(const struct bootstrap *b, int fd, const char *address, bool is_sandbox,
		     struct err *e)
{
	result_message a = CONTAINERD__RUNTIME__BOOTSTRAP__V1__BOOTSTRAP_RESULT__INIT;

	if (!b->params && is_sandbox)
		return answer_json(fd, address, e);
	if (!b->params)
		return exchange_write(fd, address, strlen(address), e);
	a.version = BOOTSTRAP_VERSION;
	a.address = (char *) address;
	a.protocol = (char *) PROTOCOL;
	return exchange_write_message(fd, &a.base, e);
}
