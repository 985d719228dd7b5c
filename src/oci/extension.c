/* Finds fields of a document that upstream's agent does not know and would ignore: see
 * oci.proto. */
#include <stdio.h>
#include <string.h>

#include "oci/field.h"
#include "oci/oci.h"

#define EXTENSION_FIRST_ID 1000

/* Looks into @field of @message; @path of @bytes names it already, up to @n. */
static bool find_in(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
		    char *path, size_t bytes, size_t n)
{
	const char *at = (const char *) message + field->offset;
	size_t count = 1;

	if (field->type != PROTOBUF_C_TYPE_MESSAGE || field_is_map(field))
		return false;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		count = *(const size_t *) ((const char *) message + field->quantifier_offset);
		at = *(const char *const *) at;
	}
	for (size_t i = 0; i < count; i++) {
		size_t more = 0;

		if (field->label == PROTOBUF_C_LABEL_REPEATED)
			more = (size_t) snprintf(path + n, bytes - n, "[%zu]", i);
		if (n + more + 1 >= bytes)
			return false;
		memcpy(path + n + more, ".", sizeof ".");
		if (oci_extension_find(((ProtobufCMessage *const *) at)[i], path + n + more + 1,
				       bytes - n - more - 1))
			return true;
	}
	return false;
}

bool oci_extension_find(const ProtobufCMessage *message, char *path, size_t bytes)
{
	const ProtobufCMessageDescriptor *type = message->descriptor;
	char name[FIELD_NAME_BYTES];

	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];

		if (!field_is_set(message, field))
			continue;

		size_t n = (size_t) snprintf(path, bytes, "%s", field_json_name(field, name));

		if (n >= bytes)
			return false;
		if (field->id >= EXTENSION_FIRST_ID || find_in(message, field, path, bytes, n))
			return true;
	}
	return false;
}
