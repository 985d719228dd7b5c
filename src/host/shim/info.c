#include "host/shim/info.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/auto.h"
#include "base/file.h"
#include "base/version.h"
#include "host/shim/exchange.h"
#include "host/storage/rootfs_mounts.h"
#include "introspection.pb-c.h"
#include "oci/features.h"
#include "ttrpc/ttrpc.h"

#define RUNTIME_NAME  "io.containerd.kata.v2"
#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"
/* The types of mounts of a root that containerd must leave to the shim. */
#define MOUNTS_ANNOTATION "containerd.io/runtime-allow-mounts"

/* *@ret stays NULL when there are none. */
static int read_options(int fd, ProtobufCMessage **ret, struct err *e)
{
	auto_free char *data = NULL;
	size_t bytes = 0;
	int r;

	r = exchange_read(fd, &data, &bytes, e);
	if (r < 0 || bytes == 0)
		return r;
	r = ttrpc_unpack(&google__protobuf__any__descriptor, data, bytes, ret, e);
	return r < 0 ? err_wrap(e, r, "read the runtime's options") : 0;
}

/* The list of types, separated by commas; freed by the caller. */
static char *mount_types(void)
{
	char *list = strdup("");

	for (size_t i = 0; list && i < n_rootfs_mount_types; i++) {
		auto_free char *shorter = list;

		list = str_printf("%s%s%s", shorter, i > 0 ? "," : "", rootfs_mount_types[i]);
	}
	return list;
}

int shim_info(int in, int out, struct err *e)
{
	auto_ptr(ttrpc_message_free) ProtobufCMessage *options = NULL;
	auto_free char *features = NULL;
	auto_free char *types = mount_types();
	int r = read_options(in, &options, e);

	if (r == 0)
		r = oci_features_print(&features, e);
	if (r == 0 && !types)
		r = err_sys(e, ENOMEM, "list the types of mounts");
	if (r < 0)
		return r;

	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	Containerd__Types__RuntimeInfo__AnnotationsEntry mounts =
		CONTAINERD__TYPES__RUNTIME_INFO__ANNOTATIONS_ENTRY__INIT;
	Containerd__Types__RuntimeInfo__AnnotationsEntry *annotations[] = {&mounts};
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	version.version = (char *) version_number();
	version.revision = (char *) version_commit();
	any.type_url = (char *) FEATURES_TYPE;
	any.value = (ProtobufCBinaryData){strlen(features), (uint8_t *) features};
	mounts.key = (char *) MOUNTS_ANNOTATION;
	mounts.value = types;
	info.name = (char *) RUNTIME_NAME;
	info.version = &version;
	info.options = (Google__Protobuf__Any *) options;
	info.features = &any;
	info.annotations = annotations;
	info.n_annotations = ARRAY_LEN(annotations);
	return exchange_write_message(out, &info.base, e);
}
