/* The structs of oci.proto to JSON, by their descriptors: the reverse of oci/read.c. */
#include "oci/oci.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "oci/field.h"
#include "oci/json.h"

/* Names, quotes and escapes can make a document a few times longer than what it was read from. */
#define PRINT_MAX_BYTES (16 * OCI_DOCUMENT_MAX_BYTES)

static int put_message(struct buf *out, const ProtobufCMessage *message);

static int put_value(struct buf *out, const ProtobufCFieldDescriptor *field, const void *slot)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return put_message(out, *(ProtobufCMessage *const *) slot);
	case PROTOBUF_C_TYPE_STRING:
		return json_put_string(out, *(char *const *) slot);
	case PROTOBUF_C_TYPE_BOOL:
		return json_put_raw(out, *(const protobuf_c_boolean *) slot ? "true" : "false");
	case PROTOBUF_C_TYPE_INT32:
		return json_put_i64(out, *(const int32_t *) slot);
	case PROTOBUF_C_TYPE_UINT32:
		return json_put_u64(out, *(const uint32_t *) slot);
	case PROTOBUF_C_TYPE_INT64:
		return json_put_i64(out, *(const int64_t *) slot);
	case PROTOBUF_C_TYPE_UINT64:
		return json_put_u64(out, *(const uint64_t *) slot);
	default:
		assert(!"oci.proto uses no other type");
		return -EINVAL;
	}
}

static size_t list_length(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return *(const size_t *) ((const char *) message + field->quantifier_offset);
}

static const char *list_element(const ProtobufCMessage *message,
				const ProtobufCFieldDescriptor *field, size_t i)
{
	const char *list = *(const char *const *) ((const char *) message + field->offset);

	return list + i * field_bytes(field);
}

static int put_list(struct buf *out, const ProtobufCMessage *message,
		    const ProtobufCFieldDescriptor *field)
{
	size_t n = list_length(message, field);
	int r = json_put_raw(out, "[");

	for (size_t i = 0; i < n && r == 0; i++) {
		if (i)
			r = json_put_raw(out, ",");
		if (r == 0)
			r = put_value(out, field, list_element(message, field, i));
	}
	return r < 0 ? r : json_put_raw(out, "]");
}

/* In a message that came over the wire, a pair may lack its key or its value. */
static int put_pair(struct buf *out, const ProtobufCMessage *pair)
{
	const ProtobufCFieldDescriptor *value = &pair->descriptor->fields[1];
	const char *key =
		*(char *const *) ((const char *) pair + pair->descriptor->fields[0].offset);
	const void *slot = (const char *) pair + value->offset;
	bool empty = *(void *const *) slot == NULL;
	int r = json_put_string(out, key ? key : "");

	if (r == 0)
		r = json_put_raw(out, ":");
	if (r < 0)
		return r;
	if (empty)
		return json_put_raw(out, value->type == PROTOBUF_C_TYPE_STRING ? "\"\"" : "{}");
	return put_value(out, value, slot);
}

static int put_map(struct buf *out, const ProtobufCMessage *message,
		   const ProtobufCFieldDescriptor *field)
{
	size_t n = list_length(message, field);
	int r = json_put_raw(out, "{");

	for (size_t i = 0; i < n && r == 0; i++) {
		if (i)
			r = json_put_raw(out, ",");
		if (r == 0)
			r = put_pair(out,
				     *(ProtobufCMessage *const *) list_element(message, field, i));
	}
	return r < 0 ? r : json_put_raw(out, "}");
}

static int put_field(struct buf *out, const ProtobufCMessage *message,
		     const ProtobufCFieldDescriptor *field, bool first)
{
	char name[FIELD_NAME_BYTES];
	int r = first ? 0 : json_put_raw(out, ",");

	if (r == 0)
		r = json_put_string(out, field_json_name(field, name));
	if (r == 0)
		r = json_put_raw(out, ":");
	if (r < 0)
		return r;
	if (field_is_map(field))
		return put_map(out, message, field);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return put_list(out, message, field);
	return put_value(out, field, (const char *) message + field->offset);
}

static int put_message(struct buf *out, const ProtobufCMessage *message)
{
	const ProtobufCMessageDescriptor *d = message->descriptor;
	bool first = true;
	int r = json_put_raw(out, "{");

	for (unsigned i = 0; i < d->n_fields && r == 0; i++) {
		if (!field_is_set(message, &d->fields[i]))
			continue;
		r = put_field(out, message, &d->fields[i], first);
		first = false;
	}
	return r < 0 ? r : json_put_raw(out, "}");
}

static int print(const ProtobufCMessage *message, char **ret, struct err *e)
{
	struct buf out;

	buf_init(&out, PRINT_MAX_BYTES);

	int r = put_message(&out, message);

	if (r == 0)
		r = buf_append(&out, "", 1);
	if (r < 0) {
		buf_fini(&out);
		return err_sys(e, -r, "write JSON");
	}
	*ret = (char *) out.data;
	return 0;
}

int oci_spec_print(const Grpc__Spec *spec, char **ret, struct err *e)
{
	return print(&spec->base, ret, e);
}

int oci_process_print(const Grpc__Process *process, char **ret, struct err *e)
{
	return print(&process->base, ret, e);
}

int oci_resources_print(const Grpc__LinuxResources *resources, char **ret, struct err *e)
{
	return print(&resources->base, ret, e);
}
