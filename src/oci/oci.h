#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/auto.h"
#include "base/err.h"
#include "oci.pb-c.h"

/*
 * The OCI runtime specification: config.json, the process and resources documents that are parts of
 * it, and the state document.
 *
 * A spec has one representation on the host and in the guest: the structs that protobuf-c makes
 * from proto/oci.proto. One reader (oci/read.c) fills them from config.json by their descriptors;
 * nothing is translated by hand. "Absent" and "zero" stay different: look at has_x before x.
 *
 *	config.json --oci_spec_read--> Grpc__Spec --oci_spec_check--> checked --ttRPC--> agent
 *
 * Distrusts the text, which the caller may have from anywhere: it is bounded in size and depth, and
 * every error names the field. The reader only guarantees the right types; oci_spec_check() decides
 * whether the spec makes sense. Paths and strings in it are still hostile data.
 *
 * Two layers of names: JSON keys match without regard to case, as Go's decoder does it; null means
 * absent; keys unknown to the specification are ignored, as it demands; keys that it knows but that
 * this program cannot honour are refused by name. A duplicate key is refused.
 *
 * oci/names.h has the words (capabilities, signals, mount options, ...) with their numbers.
 *
 * Threads: no state, any thread. The reader and the printer need jansson and are for the host;
 * everything else also links into the agent.
 */

/* The implemented version. Any 1.x document is accepted. */
#define OCI_VERSION "1.2.0"

/* runc has no limit; this one only bounds the memory that a document takes. The part that goes to
 * the agent must also fit into one frame of 4 MiB (see create_in_guest()). */
#define OCI_DOCUMENT_MAX_BYTES ((size_t) 32 << 20)

/* An id becomes the name of a folder. */
#define OCI_ID_MAX 255

/**
 * oci_spec_read() - read a config.json
 * @path:	the file, absolute or relative to the working folder
 * @ret:	the spec; the caller frees it with oci_spec_free()
 *
 * Does not judge: call oci_spec_check(). Returns 0, or
 *  -ENOENT	there is no such file
 *  -EFBIG	it is larger than OCI_DOCUMENT_MAX_BYTES
 *  -EINVAL	not a regular file, not JSON, wrong type, number out of range, or a key that cannot
 *		be honoured
 *  -errno	reading failed
 */
int oci_spec_read(const char *path, Grpc__Spec **ret, struct err *e);

/* The same from memory: a whole config.json, a process object (exec --process, containerd's Exec),
 * a resources object (update --resources, containerd's Update). Errors begin with the path of the
 * field inside the document: the caller wraps with the document's name. Same returns. */
int oci_spec_parse(const char *text, size_t bytes, Grpc__Spec **ret, struct err *e);
int oci_process_parse(const char *text, size_t bytes, Grpc__Process **ret, struct err *e);
int oci_resources_parse(const char *text, size_t bytes, Grpc__LinuxResources **ret, struct err *e);

/* All accept NULL, and messages that protobuf-c has unpacked. */
void oci_spec_free(Grpc__Spec *spec);
void oci_process_free(Grpc__Process *process);
void oci_resources_free(Grpc__LinuxResources *resources);
AUTO_PTR(Grpc__Spec, oci_spec_free)
AUTO_PTR(Grpc__Process, oci_process_free)
AUTO_PTR(Grpc__LinuxResources, oci_resources_free)

/* Prints JSON with the specification's spelling: one line, NUL-terminated, freed by the caller with
 * free(). Absent fields are left out, zero ones are printed. Returns 0 or -ENOMEM. */
int oci_spec_print(const Grpc__Spec *spec, char **ret, struct err *e);
int oci_process_print(const Grpc__Process *process, char **ret, struct err *e);
int oci_resources_print(const Grpc__LinuxResources *resources, char **ret, struct err *e);

/*
 * A spec is read and checked once, when a container is made, and saved where only its owner can
 * write. Later steps (exec, hooks, cleaning up) use the saved one, because a user who can write to
 * the bundle must not decide what runs with this program's rights.
 *
 * oci_spec_save() writes it into the folder @dirfd, as a whole or not at all. oci_spec_saved()
 * reads it back; the caller frees it. -ENOENT when none was saved.
 */
#define OCI_SAVED_NAME "spec.json"
int oci_spec_save(int dirfd, const Grpc__Spec *spec, struct err *e);
int oci_spec_saved(int dirfd, Grpc__Spec **ret, struct err *e);

/**
 * oci_spec_check() - does a spec make sense?
 *
 * Looks at the document alone, not at the machine: whether root.path exists is not known here. The
 * process may be absent, it is needed only at start; one that is there must be whole. Errors name
 * the field. Returns 0, or -EINVAL	a MUST of the specification is broken, or a word is unknown
 *  -ENOTSUP	a field is valid but cannot be honoured
 */
int oci_spec_check(const Grpc__Spec *spec, struct err *e);

/* Sets required numbers that are absent to 0. Call it on a spec that came over the wire before
 * checking it, because hosts that write proto3 do not send a zero (a device's minor number, a limit
 * of 0). Optional numbers stay absent. */
void oci_spec_from_wire(Grpc__Spec *spec);

/* The same for a process alone, which must have args. Errors begin with "process.". */
int oci_process_check(const Grpc__Process *process, struct err *e);

/* The same for resources alone. Errors begin with "linux.resources.". */
int oci_resources_check(const Grpc__LinuxResources *resources, struct err *e);

/* Whether @message (a spec, a process, resources) has an extension field (numbers from 1000 on),
 * which only an agent with the feature "oci-1.2" can honour. @path of @bytes (128 hold any) gets
 * the name of the first one, such as "linux.resources.unified". */
bool oci_extension_find(const ProtobufCMessage *message, char *path, size_t bytes);

/* Mappings as the lines of /proc/PID/uid_map; *@ret is freed by the caller with free(). Returns 0
 * or -ENOMEM. */
int oci_id_map_print(Grpc__LinuxIDMapping *const *maps, size_t n, char **ret, struct err *e);

/* May @id name a container? Letters, digits and _ + - . up to OCI_ID_MAX, not "." and not "..".
 * Returns 0 or -EINVAL. */
int oci_id_check(const char *id, struct err *e);

enum oci_status {
	OCI_CREATING,
	OCI_CREATED,
	OCI_RUNNING,
	OCI_STOPPED,
	OCI_PAUSED, /* not in the specification; runc's word, which other runtimes use, too */
	OCI_STATUS_MAX,
};

const char *oci_status_name(enum oci_status status);

/**
 * struct oci_state - the state document, as hooks get it on stdin and "state" prints it
 * @pid:	0 when there is no process: hooks do not get it then, "state" (@created) shows 0
 * @spec:	where the annotations come from; NULL for none
 * @rootfs, @created, @owner: runc's additions; NULL leaves them out. @created is RFC 3339
 *
 * All is borrowed.
 */
struct oci_state {
	const char *id;
	enum oci_status status;
	int pid;
	const char *bundle;
	const Grpc__Spec *spec;
	const char *rootfs;
	const char *created;
	const char *owner;
};

/* One JSON object, no newline at the end; *@ret is freed by the caller with free(). Needs no
 * library, so that the agent can feed hooks in the guest. Returns 0 or -ENOMEM. */
int oci_state_print(const struct oci_state *state, char **ret, struct err *e);
