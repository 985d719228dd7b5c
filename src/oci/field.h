#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The specification's name of a field of oci.proto. Private to oci.
 *
 * The specification's names are Go's field names with the first word in small letters; oci.proto
 * has Go's. A table has the three fields with other names.
 */

#define FIELD_NAME_BYTES 48

/* The JSON key of @field. @buf belongs to the caller; the result may lie in it. */
const char *field_json_name(const ProtobufCFieldDescriptor *field, char buf[FIELD_NAME_BYTES]);

/* The field of @message with this JSON key, without regard to case; NULL when there is none. */
const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *message,
					   const char *json_key);

/* Is this a map<key, value>? On the wire it is a list of pairs, in JSON an object. */
bool field_is_map(const ProtobufCFieldDescriptor *field);

/* Does @message have the field? A list or map without elements counts as absent. */
bool field_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

static inline void *field_at(void *message, const ProtobufCFieldDescriptor *field)
{
	return (char *) message + field->offset;
}

/* has_x of an optional number, n_x of a list. */
static inline void *field_quantifier(void *message, const ProtobufCFieldDescriptor *field)
{
	return (char *) message + field->quantifier_offset;
}

/* Bytes of one element in the struct. */
size_t field_bytes(const ProtobufCFieldDescriptor *field);
