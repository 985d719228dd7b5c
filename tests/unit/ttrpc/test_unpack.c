#include "tests/unit/ttrpc/ttrpc_peer.h"

#include <malloc.h>

#include "base/array.h"
#include "kata.pb-c.h"
#include "task.pb-c.h"
#include "ttrpc/unpack.h"

#define MESSAGE_TYPES_MAX 256

struct types {
	const ProtobufCMessageDescriptor *seen[MESSAGE_TYPES_MAX];
	const ProtobufCMessageDescriptor *path[MESSAGE_TYPES_MAX];
	size_t n;
	size_t deepest;
};

static void walk(struct types *t, const ProtobufCMessageDescriptor *type, size_t depth)
{
	bool known = false;

	for (size_t i = 0; i < depth; i++)
		if (t->path[i] == type)
			test_fail(__FILE__, __LINE__, "%s contains itself", type->name);
	t->path[depth++] = type;
	t->deepest = depth > t->deepest ? depth : t->deepest;
	for (size_t i = 0; i < t->n; i++)
		known |= t->seen[i] == type;
	if (!known)
		t->seen[t->n++] = type;
	CHECK(t->n < MESSAGE_TYPES_MAX && depth < MESSAGE_TYPES_MAX);
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			walk(t, type->fields[i].descriptor, depth);
	}
}

/* unpack.c relies on it: protobuf-c calls itself for a message inside a message. */
TEST(no_message_contains_itself)
{
	const ProtobufCServiceDescriptor *services[] = {
		&grpc__agent_service__descriptor,
		&grpc__health__descriptor,
		&containerd__task__v2__task__descriptor,
		&kata__v1__admin__descriptor,
	};
	struct types t = {.n = 0};

	for (size_t s = 0; s < ARRAY_LEN(services); s++) {
		for (unsigned m = 0; m < services[s]->n_methods; m++) {
			walk(&t, services[s]->methods[m].input, 0);
			walk(&t, services[s]->methods[m].output, 0);
		}
	}
	CHECK(t.n > 100);
	CHECK(t.deepest < 16);
}

/* Each repeated message of each type, given as often as a frame holds it with nothing inside. */
TEST(no_frame_makes_us_take_more_memory_than_allowed)
{
	size_t bytes = TTRPC_MESSAGE_MAX, refused = 0;
	auto_free uint8_t *data = malloc(bytes);

	for (unsigned field = 1; field <= 15; field++) {
		ProtobufCMessage *m = NULL;
		size_t used = 0;
		struct err e = {0};

		for (size_t i = 0; i < bytes; i += 2) {
			data[i] = (uint8_t) (field << 3 | 2);
			data[i + 1] = 0;
		}

		int r = unpack_counted(&grpc__linux_resources__descriptor, data, bytes, &m, &used,
				       &e);

		if (r < 0)
			CHECK(r == -ENOMEM || r == -EINVAL);
		refused += r == -ENOMEM;
		CHECK(used <= TTRPC_UNPACK_MAX);
		ttrpc_message_free(m);
	}
	CHECK(refused > 0);
}

TEST(an_ordinary_message_has_room_enough)
{
	Grpc__CreateContainerRequest r = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec spec = GRPC__SPEC__INIT;
	Grpc__Mount mount = GRPC__MOUNT__INIT, *mounts[2000];
	char *options[] = {(char *) "ro", (char *) "nosuid", (char *) "nodev"};
	ProtobufCMessage *back = NULL;
	size_t used;

	mount.destination = (char *) "/a/b";
	mount.source = (char *) "/c/d";
	mount.type = (char *) "bind";
	mount.options = options;
	mount.n_options = 3;
	for (size_t i = 0; i < ARRAY_LEN(mounts); i++)
		mounts[i] = &mount;
	spec.mounts = mounts;
	spec.n_mounts = ARRAY_LEN(mounts);
	r.oci = &spec;

	size_t bytes = protobuf_c_message_get_packed_size(&r.base);
	auto_free uint8_t *data = malloc(bytes);

	(void) protobuf_c_message_pack(&r.base, data);
	CHECK_EQ(unpack_counted(r.base.descriptor, data, bytes, &back, &used, NULL), 0);
	CHECK(used > bytes && used < bytes * TTRPC_UNPACK_FACTOR);
	CHECK_EQ(((Grpc__CreateContainerRequest *) back)->oci->n_mounts, 2000);
	ttrpc_message_free(back);
	ttrpc_message_free(NULL);
}

TEST(a_message_longer_than_a_frame_is_refused)
{
	auto_free uint8_t *data = calloc(1, TTRPC_MESSAGE_MAX + 1);
	ProtobufCMessage *m = NULL;
	struct err e = {0};

	CHECK_EQ(
		ttrpc_unpack(&grpc__check_request__descriptor, data, TTRPC_MESSAGE_MAX + 1, &m, &e),
		-ENOMEM);
	CHECK(!m);
}
