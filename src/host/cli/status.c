#include "host/cli/status.h"

#include <errno.h>

#include "host/state/task_status.h"

int status_ask(struct shim_client *s, const char *id, enum oci_status *ret, struct err *e)
{
	Containerd__Task__V2__StateRequest q = CONTAINERD__TASK__V2__STATE_REQUEST__INIT;
	auto_ptr(ttrpc_message_free) ProtobufCMessage *m = NULL;
	int r;

	q.id = (char *) id;
	r = shim_client_task(s, "State", &q.base, clock_deadline(SERVER_TIMEOUT_MS), &m, e);
	if (r == 0)
		*ret = task_status_read(
			((Containerd__Task__V2__StateResponse *) (void *) m)->status);
	return r;
}

enum oci_status status_of(const struct state_dir *dir)
{
	auto_shim_client struct shim_client s = SHIM_CLIENT_NONE;
	enum oci_status status = OCI_STOPPED;

	if (shim_client_connect(dir, &s, NULL) == 0)
		(void) status_ask(&s, dir->id, &status, NULL);
	return status;
}

void status_view_fini(struct status_view *v)
{
	record_fini(&v->record);
	oci_spec_free(v->spec);
}

int status_view_read(const struct state_dir *dir, struct status_view *v, struct err *e)
{
	int r = record_read(dir, &v->record, e);

	if (r < 0 && r != -ENOENT)
		return r;
	v->state = (struct oci_state){.id = dir->id, .status = OCI_CREATING, .bundle = ""};
	if (r == -ENOENT)
		return err_clear(e), 0;

	/* The spec is for the annotations only, so the answer does not depend on it. */
	(void) oci_spec_saved(dir->fd, &v->spec, NULL);
	v->state.status = status_of(dir);
	v->state.pid = v->state.status == OCI_STOPPED ? 0 : v->record.pid;
	v->state.bundle = v->record.bundle;
	v->state.spec = v->spec;
	v->state.rootfs = v->record.rootfs;
	v->state.created = v->record.created;
	v->state.owner = v->record.owner;
	return 0;
}
