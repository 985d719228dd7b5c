#include "oci/field.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"

static const struct {
	const char *proto;
	const char *json;
} exceptions[] = {
	{"Version", "ociVersion"},
	{"Pagesize", "pageSize"},
	{"errnoret", "errnoRet"},
};

const char *field_json_name(const ProtobufCFieldDescriptor *field, char buf[FIELD_NAME_BYTES])
{
	const char *name = field->name;
	size_t i = 0;

	for (size_t x = 0; x < ARRAY_LEN(exceptions); x++)
		if (strcmp(name, exceptions[x].proto) == 0)
			return exceptions[x].json;
	assert(strlen(name) < FIELD_NAME_BYTES);
	memcpy(buf, name, strlen(name) + 1);

	/* "UID" -> "uid", "UIDMappings" -> "uidMappings", "HostID" -> "hostID" */
	while (isupper((unsigned char) name[i]) &&
	       (i == 0 || !islower((unsigned char) name[i + 1]))) {
		buf[i] = (char) tolower((unsigned char) name[i]);
		i++;
	}
	return buf;
}

const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *message,
					   const char *json_key)
{
	char name[FIELD_NAME_BYTES];

	for (unsigned i = 0; i < message->n_fields; i++)
		if (strcasecmp(field_json_name(&message->fields[i], name), json_key) == 0)
			return &message->fields[i];
	return NULL;
}

bool field_is_map(const ProtobufCFieldDescriptor *field)
{
	const ProtobufCMessageDescriptor *entry = field->descriptor;

	return field->label == PROTOBUF_C_LABEL_REPEATED &&
	       field->type == PROTOBUF_C_TYPE_MESSAGE && entry->n_fields == 2 &&
	       strcmp(entry->fields[0].name, "key") == 0 &&
	       strcmp(entry->fields[1].name, "value") == 0;
}

bool field_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const char *at = (const char *) message;

	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *) (at + field->quantifier_offset) > 0;
	if (field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_MESSAGE)
		return *(void *const *) (at + field->offset) != NULL;
	return *(const protobuf_c_boolean *) (at + field->quantifier_offset);
}

size_t field_bytes(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_UINT64:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	default:
		assert(!"oci.proto uses no other type");
		return 0;
	}
}
