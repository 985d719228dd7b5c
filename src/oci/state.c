#include "oci/oci.h"

#include <errno.h>

#include "base/array.h"
#include "oci/json.h"

#define STATE_MAX_BYTES (8 * OCI_DOCUMENT_MAX_BYTES) /* an escape is six bytes */

static const char *const status_names[] = {
	[OCI_CREATING] = "creating", [OCI_CREATED] = "created", [OCI_RUNNING] = "running",
	[OCI_STOPPED] = "stopped",   [OCI_PAUSED] = "paused",
};
TABLE_COVERS(status_names, OCI_STATUS_MAX);

const char *oci_status_name(enum oci_status status)
{
	return (unsigned) status < OCI_STATUS_MAX ? status_names[status] : "unknown";
}

/* Adds one member; @before is "{" or ",". Absent when @text is NULL. */
static int put_member(struct buf *out, const char *before, const char *key, const char *text)
{
	if (!text)
		return 0;

	int r = json_put_raw(out, before);

	if (r == 0)
		r = json_put_string(out, key);
	if (r == 0)
		r = json_put_raw(out, ":");
	return r < 0 ? r : json_put_string(out, text);
}

/* An annotation that came over the wire may lack its key or its value. */
static int put_annotation(struct buf *out, const char *before,
			  const Grpc__Spec__AnnotationsEntry *entry)
{
	return put_member(out, before, entry->key ? entry->key : "",
			  entry->value ? entry->value : "");
}

static int put_annotations(struct buf *out, const Grpc__Spec *spec)
{
	int r = 0;

	if (!spec || spec->n_annotations == 0)
		return 0;
	r = json_put_raw(out, ",\"annotations\":");
	for (size_t i = 0; i < spec->n_annotations && r == 0; i++)
		r = put_annotation(out, i ? "," : "{", spec->annotations[i]);
	return r < 0 ? r : json_put_raw(out, "}");
}

static int put_state(struct buf *out, const struct oci_state *s)
{
	int r = put_member(out, "{", "ociVersion", OCI_VERSION);

	if (r == 0)
		r = put_member(out, ",", "id", s->id);
	if (r == 0)
		r = put_member(out, ",", "status", oci_status_name(s->status));
	if (r == 0 && (s->pid > 0 || s->created))
		r = json_put_raw(out, ",\"pid\":");
	if (r == 0 && (s->pid > 0 || s->created))
		r = json_put_i64(out, s->pid);
	if (r == 0)
		r = put_member(out, ",", "bundle", s->bundle);
	if (r == 0)
		r = put_member(out, ",", "rootfs", s->rootfs);
	if (r == 0)
		r = put_member(out, ",", "created", s->created);
	if (r == 0)
		r = put_annotations(out, s->spec);
	if (r == 0)
		r = put_member(out, ",", "owner", s->owner);
	return r < 0 ? r : buf_append(out, "}", sizeof "}");
}

int oci_state_print(const struct oci_state *state, char **ret, struct err *e)
{
	struct buf out;

	buf_init(&out, STATE_MAX_BYTES);

	int r = put_state(&out, state);

	if (r < 0) {
		buf_fini(&out);
		return err_sys(e, -r, "write the state of '%s'", state->id);
	}
	*ret = (char *) out.data;
	return 0;
}
