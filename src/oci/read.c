/*
 * JSON to the structs of oci.proto.
 *
 * One reader for every message: it walks the JSON object and looks each key up in protobuf-c's
 * descriptor of the message, which knows the type and where in the struct the value belongs. How
 * deep it goes is bounded by the messages, not by the text; jansson bounds the text (2048 levels).
 *
 * Everything is allocated piece by piece with malloc(), as protobuf-c does it when it unpacks, so
 * that its free function fits.
 */
#include "oci/oci.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/file.h"
#include "oci/field.h"
#include "oci/read.h"
#include "oci/refuse.h"

/* Keys of the specification that oci.proto does not have. They are refused, because ignoring them
 * silently would be wrong. */
static const struct {
	const char *message;
	const char *key;
	const char *why;
} refused[] = {
	{"Spec", "windows", "is for another platform"},
	{"Spec", "solaris", "is for another platform"},
	{"Spec", "zos", "is for another platform"},
	{"Spec", "freebsd", "is for another platform"},
	{"Spec", "vm", "is not supported: configuration.toml describes the virtual machine"},
	{"Process", "commandLine", "is for another platform"},
	{"Linux", "netDevices", "is not supported yet"},
	{"Linux", "memoryPolicy", "is not supported yet"},
};

static int read_message(struct reader *rd, const struct place *here, json_t *json,
			const ProtobufCMessageDescriptor *d, ProtobufCMessage **ret);

/* One value into its slot in the struct. */
static int read_value(struct reader *rd, const struct place *here, json_t *json,
		      const ProtobufCFieldDescriptor *field, void *slot)
{
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE: /* its errors already name the place */
		return read_message(rd, here, json, field->descriptor, slot);
	case PROTOBUF_C_TYPE_STRING:
		r = read_string(rd, json, slot);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		r = read_bool(rd, json, slot);
		break;
	case PROTOBUF_C_TYPE_INT32:
		r = read_i32(rd, json, slot);
		break;
	case PROTOBUF_C_TYPE_UINT32:
		r = read_u32(rd, json, slot);
		break;
	case PROTOBUF_C_TYPE_INT64:
		r = read_signed(rd, json, INT64_MIN, INT64_MAX, slot);
		break;
	case PROTOBUF_C_TYPE_UINT64:
		r = read_u64(rd, json, slot);
		break;
	default:
		assert(!"oci.proto uses no other type");
		return -EINVAL;
	}
	return r < 0 ? reader_at(rd, here, r) : 0;
}

/* Makes room for @n elements of a list; the caller counts each element in the message once it is
 * read, so that a half-read list can be freed. NULL is "none", which is no failure. */
static int list_new(struct reader *rd, ProtobufCMessage *message,
		    const ProtobufCFieldDescriptor *field, size_t n)
{
	void **list = field_at(message, field);

	if (n == 0)
		return 0;
	*list = calloc(n, field_bytes(field));
	return *list ? 0 : err_sys(rd->e, ENOMEM, "read a list of %zu", n);
}

static int read_list(struct reader *rd, const struct place *here, json_t *json,
		     ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	size_t *count = field_quantifier(message, field);
	struct place element = {.up = here};
	json_t *value;

	if (!json_is_array(json))
		return reader_at(rd, here, reader_wrong_kind(rd, "a list", json));

	int r = list_new(rd, message, field, json_array_size(json));

	if (r < 0)
		return reader_at(rd, here, r);
	json_array_foreach(json, element.index, value)
	{
		char *slot = *(char **) field_at(message, field) + *count * field_bytes(field);

		r = read_value(rd, &element, value, field, slot);
		if (r < 0)
			return r;
		(*count)++;
	}
	return 0;
}

/* One pair of a map; *@slot is set even on failure, to be freed with the message. */
static int read_pair(struct reader *rd, const struct place *here, json_t *value,
		     const ProtobufCMessageDescriptor *d, ProtobufCMessage **slot)
{
	ProtobufCMessage *pair = malloc(d->sizeof_message);

	if (!pair)
		return reader_at(rd, here, err_sys(rd->e, ENOMEM, "read a pair"));
	d->message_init(pair);
	*slot = pair;

	char **key = field_at(pair, &d->fields[0]);

	*key = strdup(here->key);
	if (!*key)
		return reader_at(rd, here, err_sys(rd->e, ENOMEM, "read a key"));
	return read_value(rd, here, value, &d->fields[1], field_at(pair, &d->fields[1]));
}

static int read_map(struct reader *rd, const struct place *here, json_t *json,
		    ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	size_t *count = field_quantifier(message, field);
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return reader_at(rd, here, reader_wrong_kind(rd, "an object", json));

	int r = list_new(rd, message, field, json_object_size(json));

	if (r < 0)
		return reader_at(rd, here, r);
	json_object_foreach(json, key, value)
	{
		ProtobufCMessage **list = *(ProtobufCMessage ***) field_at(message, field);
		struct place element = {.up = here, .key = key, .quoted = true};

		r = read_pair(rd, &element, value, field->descriptor, &list[(*count)++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_field(struct reader *rd, const struct place *here, json_t *json,
		      ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (field_is_map(field))
		return read_map(rd, here, json, message, field);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return read_list(rd, here, json, message, field);

	int r = read_value(rd, here, json, field, field_at(message, field));

	/* Strings and messages have no has_x: they are pointers. */
	if (r == 0 && field_bytes(field) && field->type != PROTOBUF_C_TYPE_STRING &&
	    field->type != PROTOBUF_C_TYPE_MESSAGE)
		*(protobuf_c_boolean *) field_quantifier(message, field) = true;
	return r;
}

/* Whether the value requests nothing: null, {}, [] or "". */
static bool asks_for_nothing(const json_t *json)
{
	return json_is_null(json) || (json_is_object(json) && json_object_size(json) == 0) ||
	       (json_is_array(json) && json_array_size(json) == 0) ||
	       (json_is_string(json) && json_string_length(json) == 0);
}

static int check_refused(const struct reader *rd, const struct place *here, const json_t *json,
			 const ProtobufCMessageDescriptor *d)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strcasecmp(refused[i].key, here->key) == 0 &&
		    strcmp(refused[i].message, d->short_name) == 0 && !asks_for_nothing(json))
			return reader_at(rd, here, err_say(rd->e, EINVAL, "%s", refused[i].why));
	return 0;
}

/* Refuses a second spelling of a key, because it would overwrite and leak the first one's value. */
static int check_twice(const struct reader *rd, const struct place *here,
		       const ProtobufCFieldDescriptor *field, const ProtobufCMessageDescriptor *d,
		       bool *seen)
{
	size_t i = (size_t) (field - d->fields);

	if (seen[i])
		return reader_at(rd, here, err_say(rd->e, EINVAL, "stands there twice"));
	seen[i] = true;
	return 0;
}

#define MESSAGE_FIELDS_MAX 32

static int read_members(struct reader *rd, const struct place *here, json_t *json,
			const ProtobufCMessageDescriptor *d, ProtobufCMessage *message)
{
	bool seen[MESSAGE_FIELDS_MAX] = {false};
	const char *key;
	json_t *value;

	assert(d->n_fields <= MESSAGE_FIELDS_MAX);
	json_object_foreach(json, key, value)
	{
		struct place member = {.up = here, .key = key};
		const ProtobufCFieldDescriptor *field = field_find(d, key);
		int r = check_refused(rd, &member, value, d);

		if (r == 0 && field)
			r = check_twice(rd, &member, field, d, seen);
		if (r == 0 && field && !json_is_null(value))
			r = read_field(rd, &member, value, message, field);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_message(struct reader *rd, const struct place *here, json_t *json,
			const ProtobufCMessageDescriptor *d, ProtobufCMessage **ret)
{
	if (!json_is_object(json))
		return reader_at(rd, here, reader_wrong_kind(rd, "an object", json));

	ProtobufCMessage *message = malloc(d->sizeof_message);

	if (!message)
		return reader_at(rd, here, err_sys(rd->e, ENOMEM, "read an object"));
	d->message_init(message);

	int r = read_members(rd, here, json, d, message);

	if (r < 0) {
		protobuf_c_message_free_unpacked(message, NULL);
		return r;
	}
	*ret = message;
	return 0;
}

static int parse_error(const json_error_t *error, struct err *e)
{
	if (json_error_code(error) == json_error_premature_end_of_input)
		return refuse(e, EINVAL, "line %d: ends in the middle", error->line);
	if (json_error_code(error) == json_error_out_of_memory)
		return err_sys(e, ENOMEM, "read JSON");
	return refuse(e, EINVAL, "line %d: not JSON: %s", error->line, error->text);
}

static int parse(const char *text, size_t bytes, const ProtobufCMessageDescriptor *d,
		 ProtobufCMessage **ret, struct err *e)
{
	struct reader rd = {.e = e};
	const struct place top = {0};
	json_error_t error;
	struct buf plain;
	json_t *json = NULL;

	if (bytes > OCI_DOCUMENT_MAX_BYTES)
		return err_say(e, EFBIG, "larger than %zu bytes", OCI_DOCUMENT_MAX_BYTES);
	if (bytes == 0)
		return err_say(e, EINVAL, "is empty");
	/* Room for more than the text, because a place can be longer than the number ("1e1"). */
	buf_init(&plain, bytes * 4 + 1);

	int r = json_numbers_pull(text, bytes, &plain, &rd.numbers, e);

	if (r == 0) {
		json = json_loadb((const char *) buf_data(&plain), buf_len(&plain),
				  JSON_REJECT_DUPLICATES, &error);
		r = json ? read_message(&rd, &top, json, d, ret) : parse_error(&error, e);
	}
	json_decref(json);
	json_numbers_fini(&rd.numbers);
	buf_fini(&plain);
	return r;
}

int oci_spec_parse(const char *text, size_t bytes, Grpc__Spec **ret, struct err *e)
{
	ProtobufCMessage *message = NULL;
	int r = parse(text, bytes, &grpc__spec__descriptor, &message, e);

	if (r == 0)
		*ret = (Grpc__Spec *) message;
	return r;
}

int oci_process_parse(const char *text, size_t bytes, Grpc__Process **ret, struct err *e)
{
	ProtobufCMessage *message = NULL;
	int r = parse(text, bytes, &grpc__process__descriptor, &message, e);

	if (r == 0)
		*ret = (Grpc__Process *) message;
	return r;
}

int oci_resources_parse(const char *text, size_t bytes, Grpc__LinuxResources **ret, struct err *e)
{
	ProtobufCMessage *message = NULL;
	int r = parse(text, bytes, &grpc__linux_resources__descriptor, &message, e);

	if (r == 0)
		*ret = (Grpc__LinuxResources *) message;
	return r;
}

int oci_spec_read(const char *path, Grpc__Spec **ret, struct err *e)
{
	auto_free char *text = NULL;
	size_t bytes;
	int r = file_read_regular(AT_FDCWD, path, OCI_DOCUMENT_MAX_BYTES, &text, &bytes, e);

	if (r < 0)
		return r;
	r = oci_spec_parse(text, bytes, ret, e);
	return r < 0 ? err_wrap(e, r, "%s", path) : 0;
}
