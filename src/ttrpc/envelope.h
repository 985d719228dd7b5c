#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ttrpc/frame.h"

/*
 * Private to ttrpc: the bodies of frames, Request and Response of ttrpc.proto. They are read and
 * written by hand, so that the payload inside need not be copied.
 * tests/unit/ttrpc/test_envelope.c compares them with protobuf-c's result for the same bytes.
 */
struct span {
	const uint8_t *data;
	size_t bytes;
};

static inline bool span_is(struct span s, const char *text)
{
	return strlen(text) == s.bytes && (s.bytes == 0 || memcmp(s.data, text, s.bytes) == 0);
}

/* Parts of a body, in place. */
struct request_in {
	struct span service;
	struct span method;
	struct span payload;
	int64_t timeout_ns;
	size_t n_metadata;
	size_t metadata_bytes; /* of all keys and values */
};

struct response_in {
	int32_t code;
	struct span message;
	struct span payload;
};

/* Both return false when @body is no such message. */
bool request_read(const uint8_t *body, size_t bytes, struct request_in *ret);
bool response_read(const uint8_t *body, size_t bytes, struct response_in *ret);

/* Copies the metadata of a body that request_read() has accepted: key, NUL, value, NUL, key, ...
 * @ret has room for metadata_bytes + 2 * n_metadata. */
void request_metadata(const uint8_t *body, size_t bytes, char *ret);

/* All make a complete frame, or return NULL when out of memory. The caller has checked the sizes:
 * request_bytes() and response_bytes() return the size that the body will have. */
size_t request_bytes(const struct ttrpc_request *request, int64_t timeout_ns,
		     const struct ttrpc_pair *extra);
struct frame *request_frame(const struct ttrpc_request *request, int64_t timeout_ns,
			    const struct ttrpc_pair *extra, uint32_t stream);
size_t response_bytes(const ProtobufCMessage *message);
struct frame *response_frame(const ProtobufCMessage *message, uint32_t stream);
struct frame *status_frame(enum ttrpc_code code, const char *message, uint32_t stream);

/* Completes a frame whose room holds the value of field @field, the only one of the response. */
void bytes_frame_seal(struct frame *f, uint32_t field, uint32_t stream);

/* The metadata key under which a request says how many descriptors travel with it. */
#define FDS_KEY "kata-fds"
